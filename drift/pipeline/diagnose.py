"""Why a stream is bad: asked for where an alert fires or soon will, made beside the pipeline, told with the alert."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Final

import numpy as np

from detectors import Skew
from drift.alert import Alert, AlertState
from drift.diagnosis import Progress, Tolerance, cause_of, diagnose
from drift.diagnosis.unusable import with_unusable
from drift.errors import EncoderError, UnmeasurableError
from drift.notify import compose
from drift.pipeline.monitor import Findings, Monitor
from drift.records import UNKNOWN, Diagnosed, Diagnosis, Window
from drift.slo import MIN_BAD, Budget, Severity, Slo
from drift.store import diagnoses, reads, windows
from drift.store.connect import Connection
from drift.store.diagnoses import Request
from drift.store.outbox import MessageState

SOON: Final = Fraction(1, 2)
"""The share of a rule's threshold from which on an alert is near: the diagnosis is then there when it fires."""
AFRESH: Final = 2
AGAIN: Final = 12
"""Slots for which a diagnosis serves: of one that fires, and of one that may."""
MOST_ROWS: Final = 512


def ask(
    conn: Connection, monitor: Monitor, slo: Slo, findings: Findings, *, changed: Sequence[Alert], budget: Budget
) -> None:
    """Ask for the bad slot of `findings` to be diagnosed, where an alert fires on it or is near; not for history."""
    fires = any(alert.state is AlertState.FIRING and alert.kind in diagnoses.TOLD for alert in changed)
    if monitor.outlet.state is MessageState.MUTED or not (fires or _near(slo, budget)):
        return
    serves = (AFRESH if fires else AGAIN) * slo.interval
    if not diagnoses.asked_since(conn, slo.stream, slo.name, findings.span.end - serves):
        diagnoses.ask(conn, Request(slo.stream, slo.name, findings.span), now=budget.at)


def _near(slo: Slo, budget: Budget) -> bool:
    least = MIN_BAD[Severity.TICKET]
    limits = ((burn, slo.threshold(burn.rule)) for burn in budget.burns if burn.bad * slo.windows >= least)
    return any(burn.long > SOON * limit and burn.short > limit for burn, limit in limits)


def newest(conn: Connection, alert: Alert, since: datetime) -> Diagnosed | None:
    """The diagnosis that `alert` tells of, where it is of what has been bad since then."""
    return next(iter(diagnoses.serving(conn, alert.stream, alert.slo, since=since, limit=1)), None)


def make(conn: Connection, monitor: Monitor, request: Request, progress: Progress) -> Diagnosis:
    """The diagnosis that was asked for. Where there is none, the cause is unknown and its evidence says why."""
    stream = next((part for part in monitor.parts if part.key == request.stream), None)
    if stream is None:
        return without(f"{request.stream} is no part of stream {monitor.stream.key} any more")
    rows = windows.drawn(conn, stream.key, stream.dim, [request.span], most=max(MOST_ROWS, monitor.sample))
    received, rejected = windows.counts(conn, stream.key, request.span)
    if not len(rows):
        nothing = without("no row of this time is kept: none arrived, or `retention.vectors` is over")
        return with_unusable(nothing, Window(stream, request.span, rows, received, rejected))
    # Evidence names a row by its id where it has one, else by its input, which is not for receivers to see.
    known = rows.ids or (None,) * len(rows)
    rows = replace(rows, ids=tuple(id_ or f"row {i}" for i, id_ in enumerate(known)))
    window = Window(stream, request.span, rows, received, rejected)
    hours = diagnoses.same_hours(conn, request)
    past = windows.drawn(conn, stream.key, stream.dim, hours, most=MOST_ROWS) if hours else None
    try:
        return diagnose(
            window,
            monitor.references[stream.key],
            monitor.encoder,
            rng=_rng(window),
            candidates=monitor.candidates,
            tolerance=_tolerance(monitor),
            past=past,
            progress=progress,
        )
    except (EncoderError, UnmeasurableError) as error:
        return without(str(error))


def _tolerance(monitor: Monitor) -> Tolerance:
    """What the stream's `skew` lets pass, so that both call the same rows wrong."""
    skew = next((each for each in monitor.detectors if isinstance(each, Skew)), Skew())
    return Tolerance(skew.tolerance, skew.norm_tolerance)


def without(reason: str) -> Diagnosis:
    """What is said where no diagnosis could be made."""
    return Diagnosis((cause_of(UNKNOWN, 1.0, f"It could not be diagnosed: {reason}."),), ())


def keep(conn: Connection, request: Request, found: Diagnosis, *, now: datetime) -> Diagnosed:
    """Keep the diagnosis, and have the open alerts that it serves tell of it from now on."""
    made = diagnoses.keep(conn, request, found, now=now)
    for row in reads.alerts(conn, states=(AlertState.PENDING, AlertState.FIRING), stream=made.stream):
        if (best := diagnoses.told(conn, row)) is not None:
            diagnoses.annotate(conn, row.alert, compose.diagnosed(best))
    return made


def _rng(window: Window) -> np.random.Generator:
    """Seeded from what is diagnosed, so that a retry says the same."""
    return np.random.default_rng(np.frombuffer(hashlib.sha256(f"{window}\0diagnosis".encode()).digest(), np.uint32))
