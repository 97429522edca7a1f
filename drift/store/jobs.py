"""The queue of windows that must be measured: one row each, so that none is skipped and none done twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import Span
from drift.store import tables


@dataclass(frozen=True, slots=True)
class Job:
    """Windows of one stream (with its segments) to be measured, oldest first; `attempts` were made before."""

    stream: str
    spans: tuple[Span, ...]
    attempts: int


def add(conn: sa.Connection, stream: str, spans: Sequence[Span], *, now: datetime) -> int:
    """Ask for `spans` of `stream` to be measured; return how many were not asked for before."""
    if not spans:
        return 0
    rows = [
        {"stream": stream, "start": s.start, "end": s.end, "due_at": now, "attempts": 0, "error": ""} for s in spans
    ]
    new = insert(tables.job).on_conflict_do_nothing().returning(tables.job.c.start)
    return len(conn.execute(new, rows).all())


def claim(conn: sa.Connection, *, streams: Sequence[str], now: datetime, most: int) -> Job | None:
    """The oldest due windows of one of `streams` that nobody else works on, locked until the transaction ends.

    Windows of a stream are measured in order: a stream whose oldest window is locked, or not due yet, is passed over.
    A process that dies gives its windows back at once, for its transaction dies with it.
    """
    t, older = tables.job, tables.job.alias("older")
    oldest = ~sa.exists().where(older.c.stream == t.c.stream, older.c.start < t.c.start)
    due = sa.select(t.c.stream, t.c.attempts).where(t.c.due_at <= now, oldest).order_by(t.c.start).limit(1)
    left = list(streams)
    while True:
        first = conn.execute(due.where(t.c.stream.in_(left)).with_for_update(skip_locked=True)).first()
        if first is None:
            return None
        if conn.execute(_TRY_TURN, {"stream": first.stream}).scalar_one():
            break
        left.remove(first.stream)  # somebody replays its past
    # After a failure one at a time, so that the window to blame is found.
    least = 1 if first.attempts else most
    rest = sa.select(t.c.start, t.c.end).where(t.c.stream == first.stream).order_by(t.c.start).limit(least)
    spans = tuple(Span(row.start, row.end) for row in conn.execute(rest))
    return Job(first.stream, spans, first.attempts)


def wait_turn(conn: sa.Connection, stream: str) -> None:
    """Wait until nobody measures windows of `stream`, and let nobody else until the transaction ends."""
    conn.execute(_TURN, {"stream": stream})


_TRY_TURN: Final = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:stream, 2))")
_TURN: Final = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:stream, 2))")


def finish(conn: sa.Connection, job: Job) -> None:
    """Take the windows of `job` off the queue."""
    t = tables.job
    starts = [span.start for span in job.spans]
    conn.execute(sa.delete(t).where(t.c.stream == job.stream, t.c.start.in_(starts)))


def postpone(conn: sa.Connection, job: Job, *, until: datetime, error: str) -> None:
    """Note that the oldest window of `job` failed, and leave it alone until `until`."""
    t = tables.job
    mine = (t.c.stream == job.stream) & (t.c.start == job.spans[0].start)
    conn.execute(sa.update(t).where(mine).values(due_at=until, attempts=t.c.attempts + 1, error=error[:2000]))
