"""Maintenance windows: planned, cancelled, and asked for by whoever would hold something against a stream."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Range

from drift.records import Coverage, Maintenance, Span, Stream
from drift.store import tables


def add(conn: sa.Connection, planned: Maintenance) -> None:
    """Keep a new window."""
    row = {
        "id": planned.id,
        "stream": planned.covers.stream,
        "model": planned.covers.model,
        "times": [Range(span.start, span.end) for span in planned.times],
        "owner": planned.owner,
        "reason": planned.reason,
        "rrule": planned.rrule,
        "timezone": planned.timezone,
        "created_at": planned.created_at,
        "created_by": planned.created_by,
        "cancelled_by": "",
    }
    conn.execute(sa.insert(tables.maintenance).values(row))


def cancel(conn: sa.Connection, id_: str, *, by: str, now: datetime) -> bool:
    """End the window at `now`; False where somebody else has cancelled it, or there is none."""
    t = tables.maintenance
    mine = (t.c.id == id_) & t.c.cancelled_at.is_(None)
    ended = sa.update(t).where(mine).values(cancelled_at=now, cancelled_by=by).returning(t.c.id)
    return conn.execute(ended).first() is not None


def find(conn: sa.Connection, id_: str) -> Maintenance | None:
    """The window of that id."""
    row = conn.execute(sa.select(tables.maintenance).where(tables.maintenance.c.id == id_)).first()
    return None if row is None else _maintenance(row)


def planned(conn: sa.Connection, *, limit: int = 1000) -> list[Maintenance]:
    """All windows, those that end last first."""
    t = tables.maintenance
    return _found(conn, sa.select(t).order_by(sa.func.upper(t.c.times).desc(), t.c.id).limit(limit))


def during(conn: sa.Connection, span: Span) -> list[Maintenance]:
    """The windows that are on at some time in `span`, the oldest first."""
    t = tables.maintenance
    return _found(conn, sa.select(t).where(_on(span)).order_by(t.c.created_at, t.c.id))


def active(conn: sa.Connection, now: datetime) -> list[Maintenance]:
    """The windows that are on now, the oldest first."""
    return during(conn, Span(now, now + timedelta(microseconds=1)))


def unfinished(conn: sa.Connection, *, now: datetime) -> list[Maintenance]:
    """The windows that were planned to end after `now`, also those that were cancelled."""
    t = tables.maintenance
    return _found(conn, sa.select(t).where(sa.func.upper(t.c.times) > now).order_by(t.c.created_at, t.c.id))


def suppressing(conn: sa.Connection, stream: Stream, span: Span) -> str:
    """The id of a window that is on for `stream` at some time in `span`, the oldest of several; "" where none is."""
    t = tables.maintenance
    named = t.c.stream.in_(["", stream.name, stream.key]) & t.c.model.in_(["", stream.model])
    first = sa.select(t.c.id).where(named, _on(span)).order_by(t.c.created_at, t.c.id).limit(1)
    return conn.execute(first).scalar() or ""


def take_turn(conn: sa.Connection) -> bool:
    """Whether nobody else brings windows to Alertmanagers right now; nobody else may until the transaction ends."""
    turn = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext("drift silences")))
    return bool(conn.execute(turn).scalar_one())


def _on(span: Span) -> sa.ColumnElement[bool]:
    """Whether the window is on at some time in `span`, its cancellation counted."""
    t = tables.maintenance
    kept = sa.func.tstzmultirange(sa.func.tstzrange(sa.null(), t.c.cancelled_at))
    return t.c.times.op("*")(kept).op("&&")(sa.func.tstzrange(span.start, span.end))


def _found(conn: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[Maintenance]:
    return [_maintenance(row) for row in conn.execute(query)]


def _maintenance(row: sa.Row[tuple[object, ...]]) -> Maintenance:
    f = row._mapping
    names = ("owner", "reason", "rrule", "timezone", "created_at", "created_by", "cancelled_at", "cancelled_by")
    return Maintenance(f["id"], Coverage(f["stream"], f["model"]), _spans(f["times"]), *(f[name] for name in names))


def _spans(times: Sequence[Range[datetime]]) -> tuple[Span, ...]:
    return tuple(Span(one.lower.astimezone(UTC), one.upper.astimezone(UTC)) for one in times)  # type: ignore[union-attr]
