"""What a stream went through: its objectives over a stretch of time, thinned to what a chart can show."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dashboard.moments import moments
from dashboard.series import History, Range, Series
from drift.alert import Alert, AlertState
from drift.records import Diagnosed, Maintenance, Retrain, RetrainState, Span, Stream
from drift.slo import Slo
from drift.store import diagnoses, maintenance, objectives, outgoing, reads, retrains, versions, views
from drift.store.connect import Connection
from drift.store.reads import AlertRow
from drift.store.versions import VersionRow

POINTS: Final = 800  # a wide screen shows no more
FEW_POINTS: Final = 300
EPISODES: Final = 500
EVERY: Final = (AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED)


def read(conn: Connection, chosen: Slo, others: Sequence[Slo], wanted: Range) -> History:
    """What the stream of `chosen` went through in `wanted`."""
    span = wanted.span(views.now(conn), views.reach(conn, chosen.stream, chosen.name))
    kept = objectives.calibrations(conn, now=views.now(conn), stream=chosen.stream)
    found = reads.alerts(conn, states=EVERY, since=span.start, stream=chosen.stream, limit=EPISODES)
    alerts = tuple(row for row in found if row.alert.started_at < span.end)
    stream = next((row.stream for row in reads.streams(conn, key=chosen.stream)), None)
    planned, (deployed, trained) = _planned(conn, stream, span), _changes(conn, stream)

    def around(slo: Slo, most: int) -> Series:
        found = series(conn, slo, span, most=most)
        told = replace(found, alerts=_of(slo, alerts), calibration=kept.get((slo.stream, slo.name)))
        return replace(told, maintenance=planned, moments=moments(deployed, trained, found.measurements))

    budgets = views.thinned_budgets(conn, chosen.stream, chosen.name, span, most=POINTS)
    full = replace(around(chosen, POINTS), budgets=tuple(budgets))
    moved = views.attributed(conn, chosen.stream, span.start, span.end, detector=chosen.sli.detector)
    told = outgoing.of_alerts(conn, [row.alert for row in alerts])
    why = _why(conn, chosen, alerts, span)
    rest = tuple(around(slo, FEW_POINTS) for slo in others)
    return History(span, full, rest, alerts, told, next(iter(moved), None), why)


def series(conn: Connection, slo: Slo, span: Span, *, most: int) -> Series:
    """What was measured for `slo` and what was not, about `most` windows."""
    measured = views.thinned_measurements(conn, slo, span, most=most)
    return Series(slo, span, tuple(measured), tuple(views.gap_runs(conn, slo.stream, slo.sli.detector, span)))


def _why(conn: Connection, chosen: Slo, alerts: Sequence[AlertRow], span: Span) -> Diagnosed | None:
    """The diagnosis that an open alert tells of, one of `chosen` first; else the newest in `span`."""
    still_open = (row for row in alerts if not row.alert.is_over)
    for row in sorted(still_open, key=lambda row: row.alert.slo != chosen.name):
        if (made := diagnoses.told(conn, row)) is not None:
            return made
    return next(iter(diagnoses.made(conn, chosen.stream, since=span.start, until=span.end, limit=1)), None)


def _planned(conn: Connection, stream: Stream | None, span: Span) -> tuple[Maintenance, ...]:
    """The maintenance windows of a stream that are on at some time in `span`."""
    return tuple(one for one in maintenance.during(conn, span) if stream and one.covers.includes(stream))


def _changes(conn: Connection, stream: Stream | None) -> tuple[Sequence[VersionRow], Sequence[Retrain]]:
    """The versions that a stream was declared to have, and the retrainings of its model that gave something."""
    if stream is None:
        return (), ()
    trained = retrains.retrains(conn, states=(RetrainState.SUCCEEDED,), model=stream.model, limit=50)
    return versions.versions(conn, stream.name), trained


def _of(slo: Slo, alerts: tuple[AlertRow, ...]) -> tuple[Alert, ...]:
    return tuple(row.alert for row in alerts if row.alert.slo == slo.name)
