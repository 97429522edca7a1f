"""What counting an objective looks back on, added up where it lies."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import sqlalchemy as sa

from drift.alert import Alert, AlertKind
from drift.records import ENVIRONMENT, Measurement
from drift.slo import BudgetingMethod, Calibration, Past, Slo, Slot, Spent, look_backs
from drift.slo.calibration import MOST, OVER, Usual
from drift.store import alert_ids, tables

SCANNED: Final = 20_000
"""Past slots that are looked through for healthy ones: ten weeks of windows of five minutes."""
T = TypeVar("T")
RANKED: Final = 2000
"""Past windows that one is ranked among, at most."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts and events of an objective since it was first seen; slots in a row without data, or without enough."""

    verdicts: int = 0
    bad: int = 0
    missing: int = 0
    insufficient: int = 0
    events: int = 0
    bad_events: int = 0


def spent(conn: sa.Connection, slo: Slo, until: datetime) -> dict[timedelta, Spent]:
    """What the slots of `slo` spend in each of its look-backs that end at `until`; exact."""
    t, backs = tables.slot, look_backs(slo)
    by_events = slo.method is BudgetingMethod.OCCURRENCES
    sums = [each for back in backs for each in _spent_since(until - back, by_events=by_events)]
    spending = _ended(slo, until, t.c.total.is_not(None)) if by_events else _bad(slo, until)
    row, each = list(conn.execute(sa.select(*sums).where(*spending)).one()), len(sums) // len(backs)
    return {back: Spent(*row[i * each : (i + 1) * each]) for i, back in enumerate(backs)}


def _spent_since(start: datetime, *, by_events: bool) -> Iterator[sa.ColumnElement[object]]:
    """The numbers of `Spent`, of slots that end after `start`."""
    t = tables.slot
    within, length = t.c.end > start, t.c.end - t.c.start
    bad = within & (t.c.outcome == "bad")
    yield _summed(length, bad, timedelta())
    yield _summed(sa.literal(1), bad, 0)
    if by_events:
        yield _summed(t.c.total - t.c.good, within, 0)
        yield _summed(t.c.total, within, 0)
        yield _summed(length, within, timedelta())


def _summed(what: sa.ColumnElement[T], which: sa.ColumnElement[bool], none: T) -> sa.ColumnElement[T]:
    return sa.func.coalesce(sa.func.sum(what).filter(which), sa.literal(none, what.type))


def tallies(conn: sa.Connection) -> dict[tuple[str, str], Tally]:
    """What each objective has counted, by stream and objective."""
    rows = conn.execute(sa.select(tables.watch))
    return {
        (r.stream, r.slo): Tally(r.slots, r.bad_slots, r.missing_run, r.insufficient_run, r.events, r.bad_events)
        for r in rows
    }


def since(conn: sa.Connection, slo: Slo, alert: Alert, slot: Slot) -> datetime:
    """The first bad window of the episode `alert`: as it was said when it began, which is in `slot` if not before.

    Good windows in which it goes on would begin the run anew, while the episode is one.
    """
    kept = _said(conn, alert, "since")
    return datetime.fromisoformat(kept) if kept else bad_since(conn, slo, slot)


def fired_by(conn: sa.Connection, alert: Alert) -> str:
    """The rule on which the episode `alert` fired, as it was said then; "" where it was not."""
    return _said(conn, alert, "fired_by")


def _said(conn: sa.Connection, alert: Alert, name: str) -> str:
    t = tables.alert
    kept = sa.select(t.c.annotations[name].astext).where(alert_ids.same(alert))
    return conn.execute(kept).scalar() or ""


def bad_since(conn: sa.Connection, slo: Slo, slot: Slot) -> datetime:
    """The start of the run of bad slots that goes on in `slot`; two good ones in between do not break it."""
    t, patience = tables.slot, 3 * slo.interval
    before = sa.func.lag(t.c.end).over(order_by=t.c.end)
    bad = sa.select(t.c.start, t.c.end, before.label("before")).where(*_bad(slo, slot.span.end)).subquery()
    begins = bad.c.before.is_(None) | (bad.c.start - bad.c.before >= patience)
    last, began = conn.execute(sa.select(sa.func.max(bad.c.end), sa.func.max(bad.c.start).filter(begins))).one()
    goes_on = last is not None and slot.span.start - last < patience
    return began if goes_on else slot.span.start


def calibrations(
    conn: sa.Connection, *, now: datetime, stream: str | None = None
) -> dict[tuple[str, str], Calibration]:
    """How well each test, of all streams or of one, keeps its word of late: by stream and objective."""
    w = tables.watch
    asked = sa.true() if stream is None else w.c.stream == stream
    rows = conn.execute(_of_healthy(now).where(w.c.alpha > 0, asked))
    return {(row.stream, row.slo): Calibration(row.windows, row.bad, row.alpha) for row in rows}


def usual(conn: sa.Connection, *, now: datetime) -> dict[tuple[str, str], Usual]:
    """What is usual of late of each objective that counts events: by stream and objective."""
    rows = conn.execute(_of_healthy(now).where(tables.watch.c.events > 0))
    return {(row.stream, row.slo): Usual(row.windows, row.bad, row.events, row.bad_events) for row in rows}


def _of_healthy(now: datetime) -> sa.Select[object]:
    """Each objective with its promise, and what was counted in the newest of its healthy windows."""
    t, w = tables.slot, tables.watch
    mine = (t.c.stream == w.c.stream) & (t.c.slo == w.c.slo) & (t.c.start >= now - OVER) & _verdict()
    as_promised = ~w.c.calibrated | t.c.p_value.is_not(None)
    incidents = sa.select(w.c.stream, _spans_of_alerts(w.c.stream).label("spans")).distinct().cte()
    healthy = sa.func.coalesce(~incidents.c.spans.op("@>")(t.c.start), sa.true())
    newest = (
        sa.select(t.c.outcome, t.c.good, t.c.total)
        .where(mine, as_promised, healthy)
        .order_by(t.c.start.desc())
        .limit(MOST)
        .correlate(w, incidents)
        .subquery()
    )
    n = newest.c
    numbers = {
        "windows": sa.func.count(),
        "bad": sa.func.count().filter(n.outcome == "bad"),
        "events": sa.func.coalesce(sa.func.sum(n.total), 0),
        "bad_events": sa.func.coalesce(sa.func.sum(n.total - n.good), 0),
    }
    counted = sa.select(*(number.label(name) for name, number in numbers.items())).select_from(newest).lateral()
    each = w.join(incidents, incidents.c.stream == w.c.stream).join(counted, sa.true())
    return sa.select(w.c.stream, w.c.slo, w.c.alpha, *counted.c).select_from(each)


def past(conn: sa.Connection, slo: Slo, measured: Measurement, calibrated: Collection[str]) -> list[Past]:
    """Past healthy windows that the p-value of `measured` may be ranked among, those of the closest hours first.

    They were held against the same reference, and are older than all that a rule looks back on, so that a change is
    not ranked among itself before an alert can tell of it. `calibrated` are the objectives of the stream that are
    calibrated on windows; their alerts tell of bad windows only where they fired on such a verdict, since those
    fired on a test's own p-value may be what calibration is asked for.
    """
    t, m = tables.slot, tables.measurement
    before = measured.span.start - slo.interval - max(map(slo.long, slo.rules))
    mine = (t.c.stream == slo.stream) & (t.c.slo == slo.name) & (t.c.start <= before) & _verdict()
    verdicts = sa.select(t.c.start).where(mine).order_by(t.c.start.desc()).limit(SCANNED).subquery()
    incidents = (
        sa.select(_spans_of_alerts(sa.literal(slo.stream), calibrated).label("spans")).cte().prefix_with("MATERIALIZED")
    )
    healthy = sa.func.coalesce(~incidents.c.spans.op("@>")(verdicts.c.start), sa.true())
    utc = sa.func.timezone("UTC", verdicts.c.start)
    same_hour = sa.extract("hour", utc) == measured.span.start.hour
    same_day = sa.extract("isodow", utc) == measured.span.start.isoweekday()
    closest = (same_hour.desc(), (same_hour & same_day).desc(), verdicts.c.start.desc())
    ranked = sa.select(verdicts.c.start).join(incidents, healthy).order_by(*closest).limit(RANKED).subquery()
    same = (m.c.stream == slo.stream) & (m.c.detector == slo.sli.detector) & (m.c.start == ranked.c.start)
    held = (m.c.reference == measured.reference) & m.c.p_value.is_not(None)
    rows = conn.execute(sa.select(m.c.start, m.c.p_value).select_from(ranked.join(m, same)).where(held))
    return [Past(row.start.astimezone(UTC), row.p_value) for row in rows]


def _verdict() -> sa.ColumnElement[bool]:
    return tables.slot.c.outcome.in_(["good", "bad"])


def _spans_of_alerts(stream: sa.ColumnElement[str], calibrated: Collection[str] = ()) -> sa.ScalarSelect[object]:
    """When windows of `stream` were not healthy: pages and tickets with what their rules looked back on, as one range.

    Alerts of `calibrated` objectives count only where the verdict that they fired on was by windows.
    """
    a, t = tables.alert, tables.slot
    burns = a.c.kind.in_([AlertKind.PAGE, AlertKind.TICKET]) & a.c.fired_at.is_not(None) & (a.c.slo != ENVIRONMENT)
    fired_on = (t.c.stream == a.c.stream) & (t.c.slo == a.c.slo) & (t.c.start < a.c.fired_at)
    by_windows = sa.select(t.c.p_value).where(fired_on).order_by(t.c.start.desc()).limit(1).scalar_subquery()
    counts = a.c.slo.not_in(list(calibrated)) | by_windows.is_not(None)
    span = sa.func.tstzrange(sa.func.coalesce(a.c.looked_from, a.c.fired_at), a.c.resolved_at)
    return sa.select(sa.func.range_agg(span)).where(a.c.stream == stream, burns, counts).scalar_subquery()


def _bad(slo: Slo, until: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return _ended(slo, until, tables.slot.c.outcome == "bad")


def _ended(slo: Slo, until: datetime, which: sa.ColumnElement[bool]) -> tuple[sa.ColumnElement[bool], ...]:
    """Slots of a period that ends at `until`; `which` is what a partial index has."""
    t = tables.slot
    return (t.c.stream == slo.stream) & (t.c.slo == slo.name) & which, t.c.end > until - slo.period, t.c.end <= until
