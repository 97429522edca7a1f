"""What the adapters have in common: where they speak to, as whom, and the event as their pipelines get it."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Protocol

import orjson

from drift.errors import DeliveryError
from drift.notify.base import Message
from drift.notify.endpoint import Answer, Endpoint

KEPT: Final = 64 * 1024
"""Bytes that are read of an answer in which something is looked up."""


class Adapter(Protocol):
    """A receiver that starts a run of `target` at `url`, with a bearer `token` unless that is ""."""

    name: ClassVar[str]

    def __init__(self, door: "Door", target: str) -> None: ...

    @abstractmethod
    def send(self, message: Message, *, now: datetime) -> int:
        """Start the run for `message`, once for its id; see `Notifier.send`."""
        ...

    @abstractmethod
    def reach(self) -> None:
        """Connect, and send nothing; see `Endpoint.reach`."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """The address of an API, and the token that opens it; "" where none is asked for."""

    endpoint: Endpoint
    url: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Door({self.endpoint.name!r}, {self.url!r})"

    def post(self, path: str, payload: object, *, now: datetime, keep: int = 1024, **headers: str) -> Answer:
        """Post `payload` as JSON; see `Endpoint.ask`."""
        sent = {"content-type": "application/json", **self._headers(headers)}
        return self.endpoint.ask("POST", self.url + path, sent, orjson.dumps(payload), now=now, keep=keep)

    def get(self, path: str, *, now: datetime) -> Answer:
        """What lies at `path`, up to `KEPT` bytes."""
        return self.endpoint.ask("GET", self.url + path, self._headers({}), None, now=now, keep=KEPT)

    def reach(self) -> None:
        """Connect, and send nothing."""
        self.endpoint.reach(self.url)

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        plain = {name.replace("_", "-"): value for name, value in more.items()}
        return plain | ({"authorization": f"Bearer {self.token}"} if self.token else {})

    def require(self, answer: Answer) -> int:
        """The status of `answer`, if it is a success.

        Raises:
            DeliveryError: it is not.
        """
        if not answer.is_success:
            raise answer.failure(self.endpoint.name)
        return answer.status

    def read(self, answer: Answer) -> object:
        """The JSON of a successful answer.

        Raises:
            DeliveryError: it is no success, or no JSON.
        """
        self.require(answer)
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise DeliveryError(
                f"{self.endpoint.name} needs JSON from {answer.host}, found {answer.body[:80]!r}: is this the "
                "API's url?",
                status=answer.status,
            ) from error


def event_of(message: Message) -> object:
    """The event as JSON."""
    return orjson.loads(message.body)
