"""Diagnoses: asked for where an alert begins, made by whoever has time, kept with what they were made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.alert import Alert, AlertKind
from drift.records import NONE, UNKNOWN, Diagnosed, Diagnosis, Span
from drift.store import alert_ids, codec, tables
from drift.store.reads import AlertRow

TOLD: tuple[AlertKind, ...] = (AlertKind.PAGE, AlertKind.TICKET, AlertKind.EXHAUSTED)
"""The alerts that a diagnosis says something about."""


@dataclass(frozen=True, slots=True)
class Request:
    """A stretch of the stream of key `stream` that somebody wants diagnosed: an objective by name, "" for a person."""

    stream: str
    slo: str
    span: Span


def ask(conn: sa.Connection, request: Request, *, now: datetime) -> bool:
    """Note that a diagnosis is wanted; False when it was asked for before."""
    t, span = tables.diagnosis, request.span
    row = {"stream": request.stream, "start": span.start, "end": span.end, "slo": request.slo, "asked_at": now}
    new = insert(t).values(row).on_conflict_do_nothing().returning(t.c.stream)
    return conn.execute(new).first() is not None


def asked_since(conn: sa.Connection, stream: str, slo: str, since: datetime) -> bool:
    """Whether a diagnosis that serves for an objective was asked for of a stretch that ends after `since`."""
    serving = sa.exists().where(_serves(stream, slo), tables.diagnosis.c.end > since)
    return conn.execute(sa.select(serving)).scalar_one()


def claim(conn: sa.Connection, *, names: Sequence[str]) -> Request | None:
    """The oldest request about one of the streams `names` that nobody works on, locked until the transaction ends."""
    t = tables.diagnosis
    mine = sa.func.split_part(t.c.stream, "/", 1).in_(list(names))
    wanted = sa.select(t).where(t.c.made_at.is_(None), mine).order_by(t.c.asked_at, t.c.stream).limit(1)
    row = conn.execute(wanted.with_for_update(skip_locked=True)).first()
    return None if row is None else Request(row.stream, row.slo, Span(row.start, row.end))


def keep(conn: sa.Connection, request: Request, found: Diagnosis, *, now: datetime) -> Diagnosed:
    """Keep what was found for `request`."""
    t, span = tables.diagnosis, request.span
    mine = (t.c.stream == request.stream) & (t.c.start == span.start) & (t.c.end == span.end)
    conn.execute(sa.update(t).where(mine).values(made_at=now, found=codec.diagnosis(found)))
    return Diagnosed(request.stream, request.slo, span, now, found)


def made(
    conn: sa.Connection, stream: str, *, since: datetime, until: datetime | None = None, limit: int = 100
) -> list[Diagnosed]:
    """Diagnoses of stretches of `stream` that end after `since` and start before `until`, newest first."""
    return _read(conn, tables.diagnosis.c.stream == stream, since, until, limit)


def serving(
    conn: sa.Connection, stream: str, slo: str, *, since: datetime, until: datetime | None = None, limit: int = 100
) -> list[Diagnosed]:
    """Those among `made` that speak of what was bad for the objective `slo`.

    First come those that name a cause: a window that looks healthy, or that cannot be explained, takes nothing back of
    what is wrong with others. Among these come first what the objective asked for itself.
    """
    t = tables.diagnosis
    named = t.c.found["causes"][0]["cause"].astext.not_in([NONE, UNKNOWN])
    return _read(conn, _serves(stream, slo), since, until, limit, named, t.c.slo == slo)


def told(conn: sa.Connection, row: AlertRow) -> Diagnosed | None:
    """The diagnosis that the alert `row` tells of, where one was made of what has been bad since it began."""
    alert = row.alert
    if alert.kind not in TOLD:
        return None
    since = datetime.fromisoformat(row.annotations.get("since") or alert.started_at.isoformat())
    return next(iter(serving(conn, alert.stream, alert.slo, since=since, limit=1)), None)


def _read(
    conn: sa.Connection,
    which: sa.ColumnElement[bool],
    since: datetime,
    until: datetime | None,
    limit: int,
    *first: sa.ColumnElement[bool],
) -> list[Diagnosed]:
    t = tables.diagnosis
    query = sa.select(t).where(which, t.c.end > since, t.c.made_at.is_not(None))
    if until is not None:
        query = query.where(t.c.start < until)
    order = [*(each.desc() for each in first), t.c.end.desc(), t.c.made_at.desc()]
    rows = conn.execute(query.order_by(*order).limit(limit))
    return [Diagnosed(r.stream, r.slo, Span(r.start, r.end), r.made_at, codec.read_diagnosis(r.found)) for r in rows]


def _serves(stream: str, slo: str) -> sa.ColumnElement[bool]:
    """Diagnoses that the objective asked for, or of windows that were bad for it: others may be of another fault."""
    t, s = tables.diagnosis, tables.slot
    mine = (s.c.stream == stream) & (s.c.slo == slo) & (s.c.outcome == "bad")
    was_bad = sa.exists().where(mine, s.c.end > t.c.start, s.c.start < t.c.end)
    return (t.c.stream == stream) & ((t.c.slo == slo) | was_bad)


def annotate(conn: sa.Connection, alert: Alert, annotations: dict[str, str]) -> None:
    """Add `annotations` to those of `alert`."""
    t = tables.alert
    added = t.c.annotations.op("||")(sa.cast(annotations, t.c.annotations.type))
    conn.execute(sa.update(t).where(alert_ids.same(alert)).values(annotations=added))


def same_hours(conn: sa.Connection, request: Request, *, days: int = 7) -> list[Span]:
    """`request`'s hours on the days before it, up to a week, as far as most slots in between were good."""
    t = tables.slot
    found = []
    for back in range(1, days + 1):
        moved = timedelta(days=back)
        then = Span(request.span.start - moved, request.span.end - moved)
        between = (t.c.stream == request.stream) & (t.c.start >= then.end) & (t.c.end <= request.span.start)
        mine = between & (t.c.slo == request.slo) & t.c.outcome.in_(["good", "bad"])
        good = sa.func.avg(sa.case((t.c.outcome == "good", 1.0), else_=0.0))
        share = conn.execute(sa.select(good).where(mine)).scalar_one()
        if share is not None and share > 0.5:
            found.append(then)
    return found
