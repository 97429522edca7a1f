"""What people look at when an alert has called them: one episode, and what lies around it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from drift.alert import AlertKind
from drift.records import NONE, UNKNOWN, Span
from drift.store import alert_ids, reads, tables
from drift.store.reads import AlertRow

UNNAMED: Final = (NONE, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What an objective said over a stretch of time: windows that were judged, bad ones, and the last of these."""

    judged: int
    bad: int
    last_bad: Span | None


@dataclass(frozen=True, slots=True)
class Held:
    """The version of the reference that windows were held against from `since` on, as far as one looked."""

    version: str
    since: datetime


def episode(conn: sa.Connection, stream: str, slo: str, kind: AlertKind, started_at: datetime) -> AlertRow | None:
    """The episode of an alert that began at `started_at`; None where there is none, or none any more."""
    t = tables.alert
    mine = (t.c.stream == stream) & (t.c.slo == slo) & (t.c.kind == kind) & (t.c.started_at == started_at)
    row = conn.execute(sa.select(t).where(mine)).first()
    return None if row is None else reads.alert_row(row)


def related(
    conn: sa.Connection, row: AlertRow, span: Span, *, among: Collection[str] | None = None, limit: int = 100
) -> list[AlertRow]:
    """Other alerts that were open at some time in `span`, of the same fault as far as one can tell.

    Those of the same stream come first, then the oldest; with `among` they are of these streams.

    They are of its stream, of its segments, of its model, or of the same cause; those of another cause are left
    out.
    """
    t, mine = tables.alert, row.alert
    name = mine.stream.split("/", 1)[0]
    alike = (t.c.stream == name) | sa.func.starts_with(t.c.stream, f"{name}/")
    if model := row.labels.get("model_id"):
        alike |= t.c.labels["model_id"].astext == model
    known: sa.ColumnElement[bool] = sa.true()
    if (cause := row.annotations.get("cause", UNKNOWN)) not in UNNAMED:
        theirs = sa.func.coalesce(t.c.annotations["cause"].astext, UNKNOWN)
        alike |= theirs == cause
        known = theirs.in_([cause, *UNNAMED])
    within = (t.c.started_at < span.end) & (t.c.resolved_at.is_(None) | (t.c.resolved_at >= span.start))
    query = sa.select(t).where(alike, known, within, ~alert_ids.same(mine))
    if among is not None:
        query = query.where(t.c.stream.in_(among))
    order = t.c.stream != mine.stream, t.c.started_at, t.c.stream, t.c.slo
    rows = conn.execute(query.order_by(*order).limit(limit))
    return [reads.alert_row(row) for row in rows]


def verdicts(conn: sa.Connection, stream: str, slo: str, span: Span) -> Verdicts:
    """What the slots of an objective say that start in `span`."""
    t = tables.slot
    mine = (t.c.stream == stream) & (t.c.slo == slo) & (t.c.start >= span.start) & (t.c.start < span.end)
    bad = t.c.outcome == "bad"
    counts = [
        sa.func.count().filter(t.c.outcome.in_(["good", "bad"])),
        sa.func.count().filter(bad),
    ]
    counted = conn.execute(sa.select(*counts).where(mine)).one()
    newest = sa.select(t.c.start, t.c.end).where(mine, bad).order_by(t.c.start.desc()).limit(1)
    last = conn.execute(newest).first()
    if last is None:
        return Verdicts(counted[0], counted[1], None)
    return Verdicts(counted[0], counted[1], Span(last[0].astimezone(UTC), last[1].astimezone(UTC)))


def held(conn: sa.Connection, stream: str, detector: str, span: Span) -> list[Held]:
    """The references that windows in `span` were held against, oldest first: more than one where it was changed."""
    t = tables.measurement
    mine = (t.c.stream == stream) & (t.c.detector == detector) & (t.c.start >= span.start) & (t.c.start < span.end)
    since = sa.func.min(t.c.start)
    rows = conn.execute(sa.select(t.c.reference, since).where(mine).group_by(t.c.reference).order_by(since))
    return [Held(row[0], row[1].astimezone(UTC)) for row in rows]


def inputs(conn: sa.Connection, stream: str, start: datetime, positions: Sequence[int]) -> dict[int, str]:
    """The inputs of the rows at `positions` of the window that starts at `start`, as far as they are kept."""
    t = tables.window
    places = sa.literal(list(positions), sa.ARRAY(sa.Integer))
    asked = sa.func.unnest(places).table_valued("place", name="asked").render_derived()
    # Arrays of Postgres count from one.
    query = sa.select(asked.c.place, t.c.inputs[asked.c.place + 1]).select_from(t.join(asked, sa.true()))
    rows = conn.execute(query.where(t.c.stream == stream, t.c.start == start))
    return {row[0]: row[1] for row in rows if row[1] is not None}
