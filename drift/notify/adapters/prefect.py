"""Prefect: a flow run of a deployment, with our id as its idempotency key."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final
from urllib.parse import quote

from drift.notify.adapters.base import Adapter, Door, event_of
from drift.notify.base import Message


@final
@dataclass(frozen=True, slots=True)
class Prefect(Adapter):
    """`POST /deployments/{target}/create_flow_run` below the API's url; the flow takes a parameter `event`.

    The same key again gives the run that is there already.
    """

    name: ClassVar[str] = "prefect"

    door: Door
    target: str

    def send(self, message: Message, *, now: datetime) -> int:
        run = {"parameters": {"event": event_of(message)}, "idempotency_key": message.id, "tags": ["drift"]}
        path = f"/deployments/{quote(self.target, safe='')}/create_flow_run"
        return self.door.require(self.door.post(path, run, now=now))

    def reach(self) -> None:
        self.door.reach()
