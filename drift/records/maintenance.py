"""Planned stretches of time in which what streams do is not held against them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drift.records.streams import Span, Stream


class Planned(StrEnum):
    """How a maintenance window stands to a moment, those that matter most first."""

    ACTIVE = "active"
    COMING = "coming"
    PAST = "past"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Coverage:
    """The streams that are meant: one by name with its segments, one segment by key, or all where `stream` is "".

    With `model` only those of that model.
    """

    stream: str = ""
    model: str = ""

    def includes(self, stream: Stream) -> bool:
        return self.stream in {"", stream.name, stream.key} and self.model in {"", stream.model}

    def __str__(self) -> str:
        return (self.stream or "all streams") + (f" of model {self.model}" if self.model else "")


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A maintenance window: who asked for it, why, what it covers, and each time that it is on, oldest first.

    `rrule` is what the times were made from in `timezone`, "" where there is one. What was over when it was cancelled
    has been maintenance all the same.
    """

    id: str
    covers: Coverage
    times: tuple[Span, ...]
    owner: str
    reason: str
    rrule: str
    timezone: str
    created_at: datetime
    created_by: str
    cancelled_at: datetime | None = None
    cancelled_by: str = ""

    @property
    def effective(self) -> tuple[Span, ...]:
        """When it is on, its cancellation counted."""
        return tuple(self._effective())

    def _effective(self) -> Iterator[Span]:
        for span in self.times:
            if self.cancelled_at is None or span.end <= self.cancelled_at:
                yield span
            elif span.start < self.cancelled_at:
                yield Span(span.start, self.cancelled_at)

    def next(self, now: datetime) -> Span | None:
        """The time that is on at `now`, else the one that comes then; None after the last."""
        return next((span for span in self._effective() if span.end > now), None)

    def state(self, now: datetime) -> Planned:
        """How it stands at `now`."""
        if self.cancelled_at is not None and self.cancelled_at <= now:
            return Planned.CANCELLED
        if (span := self.next(now)) is None:
            return Planned.PAST
        return Planned.ACTIVE if span.contains(now) else Planned.COMING


def covering(windows: Iterable[Maintenance], stream: Stream) -> Maintenance | None:
    """The first of `windows` that covers `stream`."""
    return next((window for window in windows if window.covers.includes(stream)), None)
