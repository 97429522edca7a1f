"""What the service says about itself: what waits, what could not be measured, deliveries, rows taken in, size."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from drift.records import GapReason
from drift.store import tables
from drift.store.outbox import died
from drift.store.outgoing import overdue


@dataclass(frozen=True, slots=True)
class QueueRow:
    """Windows of a stream that are closed and not measured; `since` is the end of the oldest, `error` is of one."""

    stream: str
    windows: int
    since: datetime
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class GapCount:
    """How many windows of a stream one detector ("" for all of them) could not measure for `reason`.

    `newest` is the end of the newest of them, `detail` what was said of one.
    """

    stream: str
    detector: str
    reason: GapReason
    windows: int
    newest: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """What became of the messages for a receiver; `half` and `most` (19 of 20) arrived within these lengths.

    `late` of those that wait were tried in vain, or should have been tried long ago.
    """

    receiver: str
    sent: int
    waiting: int
    late: int
    dead: int
    half: timedelta | None
    most: timedelta | None
    error: str


@dataclass(frozen=True, slots=True)
class Intake:
    """Rows of all windows that start in [start, start + an hour): received, kept as a sample, refused as unusable.

    `encoded` of them were encoded again, to be compared with what was served.
    """

    start: datetime
    received: int
    kept: int
    refused: int
    encoded: int


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its partitions, indexes and large values, in bytes; `rows` is an estimate, None before the first."""

    name: str
    bytes: int
    rows: int | None


def queue(conn: sa.Connection) -> list[QueueRow]:
    """What waits to be measured, the longest waiting first."""
    t = tables.job
    oldest = sa.func.min(t.c.end)
    query = sa.select(t.c.stream, sa.func.count(), oldest, sa.func.max(t.c.attempts), sa.func.max(t.c.error))
    rows = conn.execute(query.group_by(t.c.stream).order_by(oldest, t.c.stream))
    return [QueueRow(row[0], row[1], row[2].astimezone(UTC), row[3], row[4]) for row in rows]


def gap_counts(conn: sa.Connection, *, since: datetime, limit: int = 50) -> list[GapCount]:
    """What could not be measured in windows that ended at or after `since`, the most windows first."""
    t = tables.gap
    newest = sa.func.max(t.c.end)
    detail = sa.func.max(t.c.detail)
    count = sa.func.count()
    query = sa.select(t.c.stream, t.c.detector, t.c.reason, count, newest, detail).where(t.c.end >= since)
    rows = conn.execute(
        query.group_by(t.c.stream, t.c.detector, t.c.reason).order_by(count.desc(), t.c.stream).limit(limit)
    )
    return [GapCount(r[0], r[1], GapReason(r[2]), r[3], r[4].astimezone(UTC), r[5]) for r in rows]


def unmeasured(conn: sa.Connection, *, since: datetime) -> int:
    """How many windows that ended at or after `since` could not be measured, once for every detector that could not."""
    t = tables.gap
    return conn.execute(sa.select(sa.func.count()).select_from(t).where(t.c.end >= since)).scalar_one()


def receivers(conn: sa.Connection, *, since: datetime, now: datetime) -> list[ReceiverRow]:
    """How delivery goes: messages that were written, or given up, at or after `since`, and all that wait still."""
    t = tables.outbox
    took = t.c.sent_at - t.c.created_at
    waits = t.c.state == "due"
    troubled = sa.case((t.c.state.in_(["due", "dead"]), t.c.error), else_="")
    query = sa.select(
        t.c.receiver,
        sa.func.count().filter(t.c.state == "sent"),
        sa.func.count().filter(waits),
        sa.func.count().filter(overdue(now)),
        sa.func.count().filter(t.c.state == "dead"),
        sa.func.percentile_disc(0.5).within_group(took),
        sa.func.percentile_disc(0.95).within_group(took),
        sa.func.max(troubled),
    ).where((t.c.created_at >= since) | waits | died(since=since))
    return [ReceiverRow(*row) for row in conn.execute(query.group_by(t.c.receiver).order_by(t.c.receiver))]


def intake(conn: sa.Connection, *, since: datetime) -> list[Intake]:
    """Rows by the hour, of windows that start at or after `since`, oldest first; hours without any are left out."""
    t, m = tables.window, tables.measurement
    hour, encoded_in = (sa.func.date_trunc("hour", column) for column in (t.c.start, m.c.start))
    reason = sa.func.jsonb_each_text(t.c.rejected).table_valued("key", "value")
    refused = sa.select(sa.func.sum(sa.cast(reason.c.value, sa.BigInteger))).select_from(reason).scalar_subquery()
    sums = [sa.func.sum(column) for column in (t.c.received, t.c.rows, sa.func.coalesce(refused, 0))]
    # Rows of a segment are rows of their stream as well.
    taken = sa.select(hour, *sums).where(t.c.start >= since, sa.func.strpos(t.c.stream, "/") == 0)
    skew = (m.c.detector == "skew", m.c.start >= since, sa.func.strpos(m.c.stream, "/") == 0)
    again = sa.select(encoded_in, sa.func.sum(m.c.rows)).where(*skew).group_by(encoded_in)
    encoded = {row[0]: row[1] for row in conn.execute(again)}
    return [
        Intake(row[0].astimezone(UTC), int(row[1]), int(row[2]), int(row[3]), encoded.get(row[0], 0))
        for row in conn.execute(taken.group_by(hour).order_by(hour))
    ]


def sizes(conn: sa.Connection) -> tuple[int, list[TableSize]]:
    """The size of the database in bytes, and that of each of our tables, the largest first."""
    whole = conn.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one()
    found = conn.execute(_SIZES, {"schema": tables.SCHEMA})
    return whole, [TableSize(row.name, int(row.bytes), None if row.rows is None else int(row.rows)) for row in found]


# A partition counts for its parent, which has no rows of its own.
_SIZES = sa.text(
    """
    SELECT parent.relname AS name, sum(pg_total_relation_size(part.oid)) AS bytes,
           sum(nullif(part.reltuples, -1)) AS rows
    FROM pg_class part
    LEFT JOIN pg_inherits i ON i.inhrelid = part.oid
    JOIN pg_class parent ON parent.oid = coalesce(i.inhparent, part.oid)
    JOIN pg_namespace n ON n.oid = part.relnamespace
    WHERE n.nspname = :schema AND part.relkind IN ('r', 'p')
    GROUP BY parent.relname ORDER BY bytes DESC
    """
)
