"""GitHub Actions: a `repository_dispatch` event."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, final

from drift.notify.adapters.base import Adapter, Door, event_of
from drift.notify.base import Message

API_VERSION: Final = "2022-11-28"
EVENT_TYPE: Final = "drift-retrain"


@final
@dataclass(frozen=True, slots=True)
class GitHub(Adapter):
    """`POST /repos/{target}/dispatches`; 204 is success.

    GitHub does not tell copies apart: give the workflow `concurrency: ${{ github.event.client_payload.id }}` and have
    its first step look for a finished run of that id.
    """

    name: ClassVar[str] = "github"

    door: Door
    target: str

    def send(self, message: Message, *, now: datetime) -> int:
        payload = {"id": message.id, "event": event_of(message)}  # ten keys at most, under 64 KB
        answer = self.door.post(
            f"/repos/{self.target}/dispatches",
            {"event_type": EVENT_TYPE, "client_payload": payload},
            now=now,
            accept="application/vnd.github+json",
            x_github_api_version=API_VERSION,
        )
        return self.door.require(answer)

    def reach(self) -> None:
        self.door.reach()
