"""Rows that were acknowledged and wait for their window to be measured."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import RowReason, Rows, Span, Stream, Window, lowest
from drift.store import codec, tables


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What one batch adds to one window: how many rows were received and refused, and those that may be drawn.

    `received` is by the key of the stream and of each of its segments; refused rows count for the stream alone.
    """

    start: datetime
    received: Mapping[str, int]
    rejected: Mapping[RowReason, int]
    rows: Rows
    priorities: npt.NDArray[np.uint64]


def open_until_commit(conn: sa.Connection, stream: str) -> datetime | None:
    """The start of the oldest window of `stream` that takes rows; it stays open until the transaction ends."""
    # An advisory lock queues its waiters; on a row, a stream of sharers would keep the closer out for ever.
    conn.execute(sa.text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 1))"), {"key": stream})
    return open_from(conn, stream)


def lock_open_from(conn: sa.Connection, stream: str) -> datetime | None:
    """The same, for closing windows: waits for batches that are being written, and holds off new ones."""
    conn.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": stream})
    return open_from(conn, stream)


def open_from(conn: sa.Connection, stream: str) -> datetime | None:
    """The start of the oldest window of `stream` that takes rows, as it is at this moment."""
    return conn.execute(sa.select(tables.stream.c.open_from).where(tables.stream.c.key == stream)).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the sender of a batch was told when it first came; `digest` is of the bytes that were sent."""

    digest: str
    received: int
    accepted: int


def recall(conn: sa.Connection, stream: str, key: str) -> Acknowledged | None:
    """What became of the batch `key` of `stream`, if it was taken before."""
    t = tables.batch
    row = conn.execute(sa.select(t).where(t.c.stream == stream, t.c.key == key)).first()
    return None if row is None else Acknowledged(row.digest, row.received, row.accepted)


def acknowledge(conn: sa.Connection, stream: str, key: str, told: Acknowledged, *, now: datetime) -> bool:
    """Note that the batch `key` is taken; False when another process takes it at this moment, or has taken it."""
    row = {"stream": stream, "key": key, "at": now, **asdict(told)}
    new = insert(tables.batch).values(row).on_conflict_do_nothing().returning(tables.batch.c.key)
    return conn.execute(new).first() is not None


def add(conn: sa.Connection, stream: str, batch: str, entry: Entry) -> None:
    """Store what `batch` adds to a window."""
    rows = entry.rows
    row = {
        "stream": stream,
        "start": entry.start,
        "batch": batch,
        "received": dict(entry.received),
        "rejected": dict(entry.rejected),
        "priorities": codec.pack(entry.priorities),
        "vectors": codec.pack(rows.vectors),
        "times": b"" if rows.times is None else codec.pack(rows.times),
        "ids": codec.texts(rows.ids),
        "inputs": codec.texts(rows.inputs),
        "labels": codec.texts(rows.labels),
        "encoder_versions": codec.texts(rows.encoder_versions),
        "segments": codec.segments(rows.segments),
    }
    conn.execute(insert(tables.inbox).values(row))


def clear(conn: sa.Connection, stream: str, span: Span) -> None:
    """Forget the rows of the window `span`, which is stored."""
    t = tables.inbox
    conn.execute(sa.delete(t).where(t.c.stream == stream, t.c.start >= span.start, t.c.start < span.end))


@dataclass(frozen=True, slots=True)
class Inbox:
    """The collector of streams that are pushed to us. Satisfies `collectors.base.Collector`."""

    engine: sa.Engine

    def collect(self, stream: Stream, span: Span, *, limit: int) -> Window:
        """The rows of `span` with the `lowest` priorities, at most `limit`, in the order of their priority."""
        t = tables.inbox
        query = sa.select(t).where(t.c.stream == stream.name, t.c.start >= span.start, t.c.start < span.end)
        with self.engine.connect() as conn:
            entries = [_entry(row, stream.dim) for row in conn.execute(query.order_by(t.c.id))]
        rejected: dict[RowReason, int] = {}
        for entry in entries:
            for reason, count in entry.rejected.items():
                rejected[reason] = rejected.get(reason, 0) + count
        received = sum(entry.received.get(stream.key, 0) for entry in entries)
        rows = Rows.stack([Rows.none(stream.dim), *(entry.rows for entry in entries)])
        priorities = np.concatenate([e.priorities for e in entries]) if entries else np.empty(0, np.uint64)
        if stream.segment:
            column, _, value = stream.segment.partition("=")
            mine = np.array([v == value for e in entries for v in _values(e.rows, column)], np.bool_)
            rows, priorities, rejected = rows.take(mine), priorities[mine], {}
        return Window(stream, span, rows.take(lowest(priorities, limit)), received, rejected)


def _entry(row: sa.Row[tuple[object, ...]], dim: int) -> Entry:
    f = row._mapping
    rows = Rows(
        vectors=codec.vectors(f["vectors"], dim),
        times=np.frombuffer(f["times"], np.int64),
        ids=tuple(f["ids"]),
        inputs=tuple(f["inputs"]),
        labels=tuple(f["labels"]),
        encoder_versions=tuple(f["encoder_versions"]),
        segments={name: tuple(column) for name, column in f["segments"].items()},
    )
    rejected = {RowReason(reason): count for reason, count in f["rejected"].items()}
    return Entry(f["start"], f["received"], rejected, rows, np.frombuffer(f["priorities"], np.uint64))


def _values(rows: Rows, column: str) -> tuple[str | None, ...]:
    return rows.segments.get(column) or (None,) * len(rows)
