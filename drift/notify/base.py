"""What every notifier does: one attempt to deliver one message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from drift.notify.muting import Silence


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes for a receiver. The same message always has the same `id` and `body`, however often it is sent."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert as an Alertmanager wants to be told; `ends_at` is None while it fires."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None
    generator_url: str = ""


class Notifier(Protocol):
    """Knows one receiver. Does not retry: the outbox does."""

    def send(self, message: Message, *, now: datetime) -> int:
        """Deliver `message` once; return the HTTP status of success.

        Raises:
            DeliveryError: it was not accepted; says whether and when another attempt makes sense.
        """
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What an Alertmanager says of itself.

    `skew` is how far its clock is ahead of ours, negative where it is behind, None where it does not say. `silences`
    has those that are over as well, for as long as it keeps them.
    """

    skew: timedelta | None = None
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What fires at an Alertmanager: the labels of the service's alerts, silenced ones and inhibited ones too.

    It holds no alert from before `since`, when it started, by our clock; that is right to some seconds.
    """

    labels: tuple[Mapping[str, str], ...]
    since: datetime


class AlertReceiver(Notifier, Protocol):
    """A notifier that takes batches of alerts, and keeps some of them from people."""

    def look(self, *, now: datetime) -> Look:
        """See how it stands.

        Raises:
            DeliveryError: it does not say.
        """
        ...

    def held(self, *, now: datetime) -> Held:
        """See what fires there.

        Raises:
            DeliveryError: it does not say.
        """
        ...
