"""What counting an objective looks back on, added up where it lies."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from drift.alert import AlertKind, AlertState
from drift.slo import Calibration, Slo, Slot, Spent, look_backs
from drift.slo.calibration import MOST, OVER
from drift.store import tables


def spent(conn: sa.Connection, slo: Slo, until: datetime) -> dict[timedelta, Spent]:
    """What the bad slots of `slo` add up to in each of its look-backs that end at `until`; exact."""
    t, backs = tables.slot, look_backs(slo)
    sums = []
    for back in backs:
        within = t.c.end > until - back
        sums += [sa.func.sum(t.c.end - t.c.start).filter(within), sa.func.count().filter(within)]
    row = conn.execute(sa.select(*sums).where(*_bad(slo, until))).one()
    return {back: Spent(row[2 * i] or timedelta(), row[2 * i + 1]) for i, back in enumerate(backs)}


def bad_since(conn: sa.Connection, slo: Slo, slot: Slot) -> datetime:
    """The start of the run of bad slots that goes on in `slot`; two good ones in between do not break it."""
    t, patience = tables.slot, 3 * slo.interval
    before = sa.func.lag(t.c.end).over(order_by=t.c.end)
    bad = sa.select(t.c.start, t.c.end, before.label("before")).where(*_bad(slo, slot.span.end)).subquery()
    begins = bad.c.before.is_(None) | (bad.c.start - bad.c.before >= patience)
    last, began = conn.execute(sa.select(sa.func.max(bad.c.end), sa.func.max(bad.c.start).filter(begins))).one()
    goes_on = last is not None and slot.span.start - last < patience
    return began if goes_on else slot.span.start


def burning(conn: sa.Connection, stream: str) -> bool:
    """Whether an objective of `stream` burns its budget too fast: a page or a ticket fires."""
    t = tables.alert
    fires = (t.c.state == AlertState.FIRING) & t.c.kind.in_([AlertKind.PAGE, AlertKind.TICKET])
    return bool(conn.execute(sa.select(sa.exists().where(t.c.stream == stream, fires))).scalar_one())


def calibrations(
    conn: sa.Connection, *, now: datetime, stream: str | None = None
) -> dict[tuple[str, str], Calibration]:
    """How well each test, of all streams or of one, keeps its word of late: by stream and objective."""
    t, w = tables.slot, tables.watch
    healthy = (t.c.stream == w.c.stream) & (t.c.slo == w.c.slo) & t.c.healthy & t.c.outcome.in_(["good", "bad"])
    newest = sa.select(t.c.outcome).where(healthy, t.c.start >= now - OVER).order_by(t.c.start.desc()).limit(MOST)
    last = newest.correlate(w).subquery()
    bad = sa.func.count().filter(last.c.outcome == "bad")
    counted = sa.select(sa.func.count().label("windows"), bad.label("bad")).select_from(last).lateral()
    query = sa.select(w.c.stream, w.c.slo, counted.c.windows, counted.c.bad, w.c.alpha).select_from(
        w.join(counted, sa.true())
    )
    mine = sa.true() if stream is None else w.c.stream == stream
    rows = conn.execute(query.where(w.c.alpha > 0, mine))
    return {(row.stream, row.slo): Calibration(row.windows, row.bad, row.alpha) for row in rows}


def _bad(slo: Slo, until: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    t = tables.slot
    mine = (t.c.stream == slo.stream) & (t.c.slo == slo.name) & (t.c.outcome == "bad")
    return mine, t.c.end > until - slo.period, t.c.end <= until
