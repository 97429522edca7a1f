"""How the service itself does: what it has still to measure, could not measure, takes in, tells and stores."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drift.store import encoders, endpoints, operations, reads, views
from drift.store.connect import Connection
from drift.store.encoders import EncoderRow
from drift.store.endpoints import EndpointRow
from drift.store.operations import GapCount, Intake, QueueRow, ReceiverRow, TableSize
from drift.store.reads import StreamRow

OVER: Final = timedelta(days=1)
SLOW: Final = timedelta(minutes=2)  # a window that waits longer than this is late

ALIVE: Final = timedelta(minutes=5)  # processes tell of their encoders each minute


@dataclass(frozen=True, slots=True)
class Operations:
    """All of it at `at`, counts being of the time `OVER` before that; `bytes` is the size of the whole database.

    `gaps` are of the most windows; `unmeasured` is how many windows could not be measured, each counted once for every
    detector that could not. `closed` are the receivers that get nothing now, by name.
    """

    at: datetime
    streams: tuple[StreamRow, ...]
    queue: tuple[QueueRow, ...]
    gaps: tuple[GapCount, ...]
    unmeasured: int
    receivers: tuple[ReceiverRow, ...]
    closed: Mapping[str, EndpointRow]
    intake: tuple[Intake, ...]
    encoders: tuple[EncoderRow, ...]
    bytes: int
    sizes: tuple[TableSize, ...]

    @property
    def waiting(self) -> int:
        """Windows that are closed and not measured yet."""
        return sum(row.windows for row in self.queue)

    @property
    def lag(self) -> timedelta:
        """How long the oldest window that waits has been over; 0 where none waits."""
        return max((self.at - row.since for row in self.queue), default=timedelta())

    @property
    def is_late(self) -> bool:
        return self.lag > SLOW

    @property
    def dead(self) -> int:
        """Messages that were given up."""
        return sum(row.dead for row in self.receivers)

    @property
    def unreached(self) -> list[ReceiverRow]:
        """Receivers that have not taken what is due, though nobody has closed them."""
        return [row for row in self.receivers if row.late and row.receiver not in self.closed]

    @property
    def disabled(self) -> list[EndpointRow]:
        """Receivers that get nothing until somebody enables them."""
        return [row for row in self.closed.values() if row.disabled_at is not None]


def read(conn: Connection) -> Operations:
    """What is known now."""
    at = views.now(conn)
    whole, sizes = operations.sizes(conn)
    return Operations(
        at=at,
        streams=tuple(reads.streams(conn)),
        queue=tuple(operations.queue(conn)),
        gaps=tuple(operations.gap_counts(conn, since=at - OVER)),
        unmeasured=operations.unmeasured(conn, since=at - OVER),
        receivers=tuple(operations.receivers(conn, since=at - OVER, now=at)),
        closed={name: row for name, row in endpoints.endpoints(conn).items() if row.is_closed(at)},
        intake=tuple(operations.intake(conn, since=at - OVER)),
        encoders=tuple(encoders.recent(conn, since=at - ALIVE)),
        bytes=whole,
        sizes=tuple(sizes),
    )
