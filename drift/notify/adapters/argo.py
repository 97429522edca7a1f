"""Argo Events: the event as it is, to a webhook event source."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, final

from drift.notify.adapters.base import Adapter, Door, event_of
from drift.notify.base import Message


@final
@dataclass(frozen=True, slots=True)
class Argo(Adapter):
    """`POST` to the event source's url. Argo does not tell copies apart: name the Workflow by `body.id` in the sensor.

    Kubernetes refuses the second Workflow of a name, so a message that comes twice starts one run.
    """

    name: ClassVar[str] = "argo"

    door: Door
    target: str

    def send(self, message: Message, *, now: datetime) -> int:
        return self.door.require(self.door.post("", event_of(message), now=now, webhook_id=message.id))

    def reach(self) -> None:
        self.door.reach()
