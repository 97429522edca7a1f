"""What the database is asked, and answers, for the pages. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, Self, TypeAlias, TypeVar, runtime_checkable

from drift.records import Measurement
from drift.store.outgoing import MessageRow, Told
from drift.store.reads import AlertRow, BudgetRow, StreamRow
from drift.store.views import Trail

T = TypeVar("T")
Sees: TypeAlias = Callable[[str], bool]
"""Whether the stream of a key may be seen."""


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """What a page shows, how long ago it was read, and why it is not newer ("" when it is)."""

    value: T
    age: timedelta
    fault: str = ""


@runtime_checkable
class Narrow(Protocol):
    """An answer about several streams, which can be made one about some of them."""

    def only(self, sees: Sees) -> Self: ...


@dataclass(frozen=True, slots=True)
class Incidents:
    """Episodes of alerts, open ones first, with who was told of each, and all messages of that time.

    `is_whole` says that there are no older ones.
    """

    at: datetime
    alerts: tuple[AlertRow, ...]
    told: Told
    messages: tuple[MessageRow, ...]
    is_whole: bool = True

    def only(self, sees: Sees) -> Self:
        """Those of the streams that may be seen."""
        alerts = tuple(row for row in self.alerts if sees(row.alert.stream))
        told = {row.alert.id: self.told[row.alert.id] for row in alerts if row.alert.id in self.told}
        messages = tuple(row for row in self.messages if sees(row.stream))
        return replace(self, alerts=alerts, told=told, messages=messages)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest measurements of some streams, what went before them, and what became of them (`Fleet.slots`)."""

    measurements: tuple[Measurement, ...] = ()
    trails: tuple[Trail, ...] = ()
    slots: tuple[BudgetRow, ...] = ()

    def only(self, sees: Sees) -> Self:
        """Those of the streams that may be seen."""
        measurements = tuple(row for row in self.measurements if sees(row.stream))
        trails = tuple(row for row in self.trails if sees(row.stream))
        slots = tuple(row for row in self.slots if sees(row.stream))
        return replace(self, measurements=measurements, trails=trails, slots=slots)


@dataclass(frozen=True, slots=True)
class First:
    """The stream that a page shows at first; None where none has anything to show."""

    stream: str | None

    def only(self, sees: Sees) -> Self:
        """The same, unless it may not be seen."""
        return self if self.stream and sees(self.stream) else replace(self, stream=None)


@dataclass(frozen=True, slots=True)
class Registered:
    """The streams that are known at `at`, by key."""

    at: datetime
    streams: tuple[StreamRow, ...]

    def only(self, sees: Sees) -> Self:
        """Those that may be seen."""
        return replace(self, streams=tuple(row for row in self.streams if sees(row.stream.key)))
