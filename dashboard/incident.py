"""One episode of an alert: what is known of it, and its steps in time. Pure but for the reading."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from dashboard import changes, episodes, past, said, words
from dashboard.changes import Step
from dashboard.episodes import BURNS
from dashboard.series import Series, around, moment
from drift.alert import AlertKind, AlertState
from drift.records import EPOCH, Diagnosed, Measurement, Span
from drift.slo import Outcome, Slo, Slot
from drift.store import changes as stored
from drift.store import diagnoses, incidents, objectives, outgoing, views
from drift.store.changes import Changes
from drift.store.connect import Connection
from drift.store.incidents import Held, Verdicts
from drift.store.outgoing import MessageRow
from drift.store.reads import AlertRow

POINTS: Final = 1000
LATE: Final = timedelta(days=1)  # how long after its end something may still be done about it
BEFORE: Final = timedelta(days=1)  # how long before it something may have changed that it comes of
RECOVERED: Final = "Recovered"
TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Named:
    """Which episode an address names: the alert, and when it began."""

    stream: str
    slo: str
    kind: AlertKind
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """All that is known of an episode at `at`, which was bad since `bad_since`.

    `series` is None where the objective is no longer configured. `others` are alerts of the same model
    or cause that were open meanwhile. `diagnoses` are those of its own windows, the one to believe first. `inputs` are
    those of the rows in `moved`, by their place in the window, as far as they are kept and may be shown. `changes` are
    what was done about it.
    """

    at: datetime
    row: AlertRow
    bad_since: datetime
    verdicts: Verdicts
    held: tuple[Held, ...]
    diagnoses: tuple[Diagnosed, ...]
    moved: Measurement | None
    inputs: Mapping[int, str]
    others: tuple[AlertRow, ...]
    messages: tuple[MessageRow, ...]
    series: Series | None
    changes: Changes = field(default_factory=Changes)

    @property
    def end(self) -> datetime:
        """When it was resolved; now, while it is open."""
        return self.row.alert.resolved_at or self.at

    @property
    def diagnosed(self) -> Diagnosed | None:
        """The diagnosis that names its cause."""
        return next(iter(self.diagnoses), None)

    @property
    def is_open(self) -> bool:
        return not self.row.alert.is_over


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of an episode at `at`: None where it is not kept, or never was."""

    at: datetime
    incident: Incident | None

    def only(self, sees: Callable[[str], bool]) -> Self:
        """The same with those other alerts, and of what was done, that may be seen."""
        if self.incident is None:
            return self
        others = tuple(row for row in self.incident.others if sees(row.alert.stream))
        done = changes.only(self.incident.changes, sees)
        return replace(self, incident=replace(self.incident, others=others, changes=done))


def named(query: Mapping[str, str]) -> Named | None:
    """The episode that an address names; None where it names none."""
    try:
        began, kind = moment(query["since"]), AlertKind(query["kind"])
    except (KeyError, ValueError):
        return None
    return Named(query.get("stream", ""), query.get("slo", ""), kind, began) if began > EPOCH else None


def read(
    conn: Connection, wanted: Named, slo: Slo | None, *, show_inputs: bool, among: Collection[str] | None = None
) -> Found:
    """The episode `wanted` with all that belongs to it; `slo` is the objective as it is declared.

    With `among` other alerts are those of these streams.
    """
    at = views.now(conn)
    row = incidents.episode(conn, wanted.stream, wanted.slo, wanted.kind, wanted.started_at)
    return Found(at, None if row is None else _around(conn, row, slo, at, show_inputs=show_inputs, among=among))


def _around(
    conn: Connection,
    row: AlertRow,
    slo: Slo | None,
    at: datetime,
    *,
    show_inputs: bool,
    among: Collection[str] | None,
) -> Incident:
    alert = row.alert
    stream, detector = alert.stream, slo.sli.detector if slo else None
    began, end = _bad_since(conn, row, slo), alert.resolved_at or at
    span = Span(min(began, alert.started_at - TICK), max(end, alert.started_at) + TICK)
    counted = incidents.verdicts(conn, stream, alert.slo, span)
    moved = _moved(conn, stream, replace(span, end=counted.last_bad.end if counted.last_bad else span.end), detector)
    rows = moved.attribution.rows if moved and moved.attribution and show_inputs else ()
    return Incident(
        at=at,
        row=row,
        bad_since=began,
        verdicts=counted,
        held=tuple(incidents.held(conn, stream, detector, span)) if detector else (),
        diagnoses=tuple(diagnoses.serving(conn, stream, alert.slo, since=span.start, until=span.end, limit=POINTS)),
        moved=moved,
        inputs=incidents.inputs(conn, stream, moved.span.start, [r.position for r in rows]) if moved else {},
        others=tuple(incidents.related(conn, row, span, among=among)),
        messages=outgoing.of_alerts(conn, [alert]).get(alert.id, ()),
        series=replace(past.series(conn, slo, around(began, end), most=POINTS), alerts=(alert,)) if slo else None,
        changes=stored.changes(conn, stream, alert.slo, alert.fired_at, Span(span.start - BEFORE, span.end + LATE)),
    )


def steps(incident: Incident) -> list[Step]:
    """What happened, in order of time; what is still to come, last, with recovery after all that leads to it."""
    found = [*_of_alert(incident), *_of_people(incident), *_of_messages(incident), *_of_change(incident)]
    found += changes.steps(incident.changes)
    past = sorted((step for step in found if step.at is not None), key=lambda step: step.at or incident.at)
    return [*past, *sorted((step for step in found if step.at is None), key=lambda step: step.name == RECOVERED)]


def to_recover(incident: Incident) -> timedelta:
    """From the first bad window to the end, so far."""
    return incident.end - incident.bad_since


def _of_alert(incident: Incident) -> Iterator[Step]:
    alert, counted = incident.row.alert, incident.verdicts
    burns = alert.kind in BURNS
    if burns:
        yield Step("First bad window", incident.bad_since, "the start of the run of bad windows that it tells of")
        yield Step("Detected", alert.started_at, "the budget burns too fast")
    else:
        yield Step("Began", alert.started_at, words.KINDS[alert.kind])
    if alert.fired_at is not None or incident.is_open:
        how = said.fired_by(incident.row) if alert.fired_at else "not yet: it waits to be sure"
        yield Step("Fired", alert.fired_at, how)
    if burns and counted.last_bad is not None and not incident.is_open:
        told = f"{counted.bad} of {words.several(counted.judged, 'window')} were bad"
        yield Step("Last bad window ended", counted.last_bad.end, told)
    yield Step(RECOVERED, alert.resolved_at, "" if alert.resolved_at else "not yet")


def _of_people(incident: Incident) -> Iterator[Step]:
    """Who looks after it, and how long nobody did."""
    row = incident.row
    taken, fired = row.acknowledged, row.alert.fired_at
    if taken is not None and fired is not None:
        note = f": {taken.note}" if taken.note else ""
        yield Step("Acknowledged", taken.at, f"by {taken.by}, {words.length(taken.at - fired)} after it fired{note}")
    elif row.alert.state is AlertState.FIRING:
        yield Step("Acknowledged", None, "by nobody yet")


def _of_messages(incident: Incident) -> Iterator[Step]:
    """The first message of each receiver, and when it arrived."""
    seen = set[tuple[str, str]]()
    for message in incident.messages:
        sent = message.delivery
        if (sent.receiver, sent.kind) in seen or sent.state in {"muted", "superseded"}:
            continue
        seen.add((sent.receiver, sent.kind))
        name = "Retrain asked for" if sent.kind == episodes.RETRAIN else "Told"
        tries = words.several(sent.attempts, "attempt")
        yield Step(name, sent.sent_at, f"{sent.receiver}, {tries}" + ("" if sent.sent_at else ": not delivered"))


def _of_change(incident: Incident) -> Iterator[Step]:
    yield from _of_diagnoses(incident)
    for held in incident.held[1:]:
        yield Step("Reference changed", held.since, f"windows are held against {held.version[:12]} since")


def _of_diagnoses(incident: Incident) -> Iterator[Step]:
    """The first diagnosis, and each that named another cause first than the one before it."""
    before = ""
    for made in sorted(incident.diagnoses, key=lambda made: made.made_at):
        first = made.found.causes[0]
        if first.cause != before:
            asked = "" if made.slo == incident.row.alert.slo else f", asked by {made.slo or 'hand'}"
            name = "Diagnosed anew" if before else "Diagnosed"
            yield Step(name, made.made_at, f"{first.cause}, {words.share(first.score)}{asked}")
        before = first.cause


def _bad_since(conn: Connection, row: AlertRow, slo: Slo | None) -> datetime:
    """The first bad window, as the alert was told of it; else the start of the run in which it was detected."""
    alert = row.alert
    if slo is None or alert.kind not in BURNS:
        return episodes.first_sign(row).astimezone(UTC)
    detected_in = Slot(Span(alert.started_at - slo.interval, alert.started_at), Outcome.BAD)
    return objectives.since(conn, slo, alert, detected_in).astimezone(UTC)


def _moved(conn: Connection, stream: str, span: Span, detector: str | None) -> Measurement | None:
    """The newest window that says where the change comes from: by the objective's own detector, else by another."""
    each = (views.attributed(conn, stream, span.start, span.end, detector=by) for by in dict.fromkeys((detector, None)))
    return next((found[0] for found in each if found), None)
