"""What everything else reads. Domain types out; bounded and by index."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from drift.alert import Acknowledgement, Alert, AlertKind, AlertState, Watch
from drift.records import Gap, GapReason, Measurement, Span, Stream
from drift.slo import Conformal, Events, Hours, Outcome, Slo
from drift.store import tables
from drift.store.outbox import died


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as it was told to the receivers; of a muted one, from replayed history, nobody was told.

    `false_by` says who marked it as false, `acknowledged` who looks after it; None where nobody does.
    """

    alert: Alert
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    muted: bool = False
    false_by: str | None = None
    acknowledged: Acknowledgement | None = None


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """What became of one slot, and the budget at its end; burns are those of the rule nearest to firing.

    `conformal` is the p-value that was judged, where the objective is calibrated on windows; `events` are what was
    counted, where it counts events.
    """

    stream: str
    slo: str
    span: Span
    outcome: Outcome
    remaining: float
    rule: str
    burn_long: float
    burn_short: float
    exhausts_in: timedelta | None
    conformal: Conformal | None = None
    events: Events | None = None


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A registered stream, of its version since then. Windows that end by `open_from` are closed; None: all are."""

    stream: Stream
    team: str
    open_from: datetime | None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A message and how its delivery goes."""

    id: str
    receiver: str
    kind: str
    state: str
    created_at: datetime
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class DeadRow:
    """Messages that a receiver never took; the first died at `since`, and `error` is what came of the newest."""

    receiver: str
    messages: int
    since: datetime
    error: str


def streams(conn: sa.Connection, *, key: str | None = None) -> list[StreamRow]:
    """All registered streams, by key; or the one of that key."""
    t, v = tables.stream, tables.version
    since = sa.select(sa.func.max(v.c.since)).where(v.c.stream == t.c.name).scalar_subquery()
    query = sa.select(t, since.label("since")).order_by(t.c.key)
    rows = conn.execute(query if key is None else query.where(t.c.key == key))
    return [_stream_of(row) for row in rows]


def _stream_of(row: sa.Row[Any]) -> StreamRow:
    stream = Stream(row.name, row.model, row.version, row.dim, row.segment)
    return StreamRow(stream, row.team, row.open_from, row.since and row.since.astimezone(UTC))


def measurements(
    conn: sa.Connection, stream: str, since: datetime, until: datetime, *, detector: str | None = None
) -> list[Measurement]:
    """Measurements of windows that start in [since, until), oldest first."""
    t = tables.measurement
    query = sa.select(t).where(t.c.stream == stream, t.c.start >= since, t.c.start < until)
    if detector is not None:
        query = query.where(t.c.detector == detector)
    return [measurement_of(row) for row in conn.execute(query.order_by(t.c.start, t.c.detector))]


def gaps(conn: sa.Connection, stream: str, since: datetime, until: datetime) -> list[Gap]:
    """Gaps of windows that start in [since, until), oldest first."""
    t = tables.gap
    query = sa.select(t).where(t.c.stream == stream, t.c.start >= since, t.c.start < until).order_by(t.c.start)
    return [Gap(r.stream, Span(r.start, r.end), r.detector, GapReason(r.reason), r.detail) for r in conn.execute(query)]


def watch(conn: sa.Connection, slo: Slo) -> Watch:
    """What `slo` remembers, and its open alerts."""
    t, a = tables.watch, tables.alert
    runs = conn.execute(sa.select(t).where(t.c.stream == slo.stream, t.c.slo == slo.name)).first()
    still_open = a.c.state.in_([AlertState.PENDING, AlertState.FIRING])
    rows = conn.execute(sa.select(a).where(a.c.stream == slo.stream, a.c.slo == slo.name, still_open))
    found = tuple(alert_of(row) for row in rows)
    if runs is None:
        return Watch(found)
    return Watch(found, runs.good_run, runs.missing_run, runs.insufficient_run)


def budgets(
    conn: sa.Connection, stream: str, since: datetime, until: datetime, *, slo: str | None = None
) -> list[BudgetRow]:
    """Slots of a stream that start in [since, until), oldest first."""
    t = tables.slot
    query = sa.select(t).where(t.c.stream == stream, t.c.start >= since, t.c.start < until)
    if slo is not None:
        query = query.where(t.c.slo == slo)
    return [budget_of(row) for row in conn.execute(query.order_by(t.c.start, t.c.slo))]


def latest_budgets(conn: sa.Connection, *, stream: str | None = None) -> list[BudgetRow]:
    """The newest slot of each objective of each stream, or of that one, by stream and objective."""
    t, w = tables.slot, tables.watch
    newest = (
        sa.select(t).where(t.c.stream == w.c.stream, t.c.slo == w.c.slo).order_by(t.c.start.desc()).limit(1).lateral()
    )
    query = sa.select(newest).select_from(w.join(newest, sa.true())).order_by(newest.c.stream, newest.c.slo)
    rows = conn.execute(query if stream is None else query.where(w.c.stream == stream))
    return [budget_of(row) for row in rows]


def alerts(
    conn: sa.Connection,
    *,
    states: Sequence[AlertState] = (AlertState.FIRING, AlertState.RESOLVED),
    since: datetime | None = None,
    stream: str | None = None,
    among: Collection[str] | None = None,
    limit: int = 200,
) -> list[AlertRow]:
    """Alerts in one of `states`, open ones first, then newest first; with `since`, open or resolved at or after it."""
    t = tables.alert
    mine = [t.c.state.in_(states)] + ([] if stream is None else [t.c.stream == stream])
    mine += [] if among is None else [t.c.stream.in_(among)]
    mine += [] if since is None else [t.c.resolved_at.is_(None) | (t.c.resolved_at >= since)]
    # An alert that has been open for weeks must not give way to newer ones that are over.
    order = t.c.resolved_at.is_not(None), t.c.started_at.desc()
    return [alert_row(row) for row in conn.execute(sa.select(t).where(*mine).order_by(*order).limit(limit))]


def deliveries(conn: sa.Connection, *, limit: int = 200) -> list[DeliveryRow]:
    """Messages, newest first."""
    t = tables.outbox
    columns = [c for c in t.c if c.name not in {"subject", "body", "held"}]
    rows = conn.execute(sa.select(*columns).order_by(t.c.created_at.desc()).limit(limit))
    return [DeliveryRow(**{c.name: row._mapping[c.name] for c in columns}) for row in rows]


def dead_messages(conn: sa.Connection, receivers: Collection[str], *, since: datetime) -> list[DeadRow]:
    """Of each of `receivers` that has messages it never took: how many died since then, and the newest's error."""
    t = tables.outbox
    mine = died(since=since) & t.c.receiver.in_(list(receivers))
    newest = sa.func.array_agg(aggregate_order_by(t.c.error, t.c.due_at.desc()))[1]
    counted = sa.select(t.c.receiver, sa.func.count(), sa.func.min(t.c.due_at), newest).where(mine)
    return [DeadRow(*row) for row in conn.execute(counted.group_by(t.c.receiver).order_by(t.c.receiver))]


def message_counts(conn: sa.Connection) -> list[tuple[str, str, int]]:
    """Receiver, state and number of the messages on record."""
    t = tables.outbox
    rows = conn.execute(sa.select(t.c.receiver, t.c.state, sa.func.count()).group_by(t.c.receiver, t.c.state))
    return [(row[0], row[1], row[2]) for row in rows]


def measurement_of(row: sa.Row[tuple[object, ...]]) -> Measurement:
    """A row of the table `measurement`."""
    f = row._mapping
    numbers = (f["value"], f["rows"], f["p_value"], f["low"], f["high"], f["band_low"], f["band_high"])
    identity = (f["stream"], Span(f["start"], f["end"]), f["detector"], f["reference"])
    return Measurement(*identity, *numbers, percentiles=tuple(f["percentiles"] or ()))


def alert_row(row: sa.Row[tuple[object, ...]]) -> AlertRow:
    """A row of the table `alert`."""
    f = row._mapping
    by, at, note = f["acknowledged_by"], f["acknowledged_at"], f["acknowledged_note"]
    acknowledged = None if at is None else Acknowledgement(by, at, note)
    return AlertRow(alert_of(row), f["labels"], f["annotations"], f["muted"], f["false_by"], acknowledged)


def alert_of(row: sa.Row[tuple[object, ...]]) -> Alert:
    """The same without what was told of it."""
    f = row._mapping
    times = (f["started_at"], f["fired_at"], f["resolved_at"])
    kind, state = AlertKind(f["kind"]), AlertState(f["state"])
    return Alert(f["stream"], f["slo"], kind, state, *times, f["rule"], f["hold"], f["quiet"], f["looked_from"])


def budget_of(row: sa.Row[tuple[object, ...]]) -> BudgetRow:
    """A row of the table `slot`."""
    f = row._mapping
    span, outcome = Span(f["start"], f["end"]), Outcome(f["outcome"])
    burns = (f["rule"], f["burn_long"], f["burn_short"], f["exhausts_in"])
    conformal = None if f["past"] is None else Conformal(f["p_value"], f["past"], Hours(f["hours"]))
    events = None if f["total"] is None else Events(f["good"], f["total"])
    return BudgetRow(f["stream"], f["slo"], span, outcome, f["remaining"], *burns, conformal, events)
