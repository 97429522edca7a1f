"""What is monitored and when: streams and spans of time."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TENANT: Final = "tenant"  # the column whose segments are tenants


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """One model's embeddings as production serves them, or one segment of them.

    `version` is the encoder version that should be serving. `segment` is "" for all of the traffic, else
    `column=value`.
    """

    name: str
    model: str
    version: str
    dim: int
    segment: str = ""

    @property
    def key(self) -> str:
        """The name that tables, labels and links use: `name`, or `name/column=value` for a segment."""
        return f"{self.name}/{self.segment}" if self.segment else self.name

    def part(self, segment: str) -> "Stream":
        """The stream of one segment of this one."""
        return replace(self, segment=segment)

    def __str__(self) -> str:
        return self.key


def tenant_of(key: str, declared: str = "") -> str:
    """The tenant whose segment has that key, else whose traffic all of its stream is `declared` to be; "" for none."""
    column, _, value = key.partition("/")[2].partition("=")
    return (value if column == TENANT else "") or declared


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time, [start, end), in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() != timedelta(0) or self.end.utcoffset() != timedelta(0):
            raise ValueError(f"a span needs aware UTC times, got {self.start!r} and {self.end!r}")
        if self.start >= self.end:
            raise ValueError(f"a span needs start < end, got {self.start} and {self.end}")

    @classmethod
    def containing(cls, at: datetime, length: timedelta) -> "Span":
        """The span of `length` on the grid that starts at the Unix epoch which contains `at`."""
        start = EPOCH + (at - EPOCH) // length * length
        return cls(start.astimezone(UTC), (start + length).astimezone(UTC))

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def next(self) -> "Span":
        """The span as long as this one that begins where it ends."""
        return Span(self.end, self.end + self.length)

    def contains(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def __str__(self) -> str:
        return f"{self.start.isoformat()}/{self.end.isoformat()}"
