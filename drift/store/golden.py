"""Stored windows of a past period, and the alerts that fired in it."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from drift.alert import AlertKind
from drift.records import ENVIRONMENT, Rows, Span, Stream
from drift.store import tables
from drift.store.windows import stored


@dataclass(frozen=True, slots=True)
class Period:
    """The windows of a stream that start in `span` and still have vectors, by start and number of rows.

    `windows` are those in which no alert fired, `alerted` counts the others. `alerts` names what fired.
    """

    stream: Stream
    span: Span
    windows: tuple[tuple[datetime, int], ...]
    alerted: int
    alerts: tuple[str, ...]

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.windows)


def period(conn: sa.Connection, stream: Stream, span: Span) -> Period:
    """What is stored of `stream` in `span`.

    An alert on a window of any part of the stream (all of its traffic, or a segment) tells of them all. It begins with
    what its rule looked back on as it fired, since that is what it tells of. One on the environment tells of no window.
    """
    a, w = tables.alert, tables.window
    burns = a.c.kind.in_([AlertKind.PAGE, AlertKind.TICKET]) & a.c.fired_at.is_not(None) & (a.c.slo != ENVIRONMENT)
    mine = sa.func.split_part(a.c.stream, "/", 1) == stream.name
    begins, ends = sa.func.coalesce(a.c.looked_from, a.c.fired_at), a.c.resolved_at

    def during(start: object, end: object) -> sa.ColumnElement[bool]:
        return burns & mine & (begins < end) & (ends.is_(None) | (ends > start))

    fired = sa.select(a).where(during(span.start, span.end)).order_by(a.c.fired_at)
    alerted = sa.exists().where(during(w.c.start, w.c.end)).correlate(w)
    within = (w.c.stream == stream.key) & (w.c.start >= span.start) & (w.c.start < span.end) & (w.c.rows > 0)
    found = conn.execute(sa.select(w.c.start, w.c.rows, alerted.label("alerted")).where(within).order_by(w.c.start))
    kept = found.all()
    return Period(
        stream,
        span,
        tuple((row.start, row.rows) for row in kept if not row.alerted),
        sum(row.alerted for row in kept),
        tuple(_named(row) for row in conn.execute(fired)),
    )


def _named(alert: sa.Row[tuple[object, ...]]) -> str:
    f = alert._mapping
    since = "" if f["looked_from"] is None else f" about what came since {f['looked_from']:%Y-%m-%d %H:%M}"
    return f"{f['kind']} {f['slo']} of {f['stream']} at {f['fired_at']:%Y-%m-%d %H:%M}{since}"


def rows_of(conn: sa.Connection, stream: str, start: datetime) -> Rows:
    """The rows of the window of `stream` that begins at `start`; none where its vectors are gone."""
    w = tables.window
    row = conn.execute(sa.select(w).where(w.c.stream == stream, w.c.start == start)).one()
    return stored(row) if row.rows else Rows.none(0)
