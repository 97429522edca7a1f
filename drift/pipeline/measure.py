"""The way of one window: collect it, measure it, record it, count it, and write down who must be told.

Everything that a window causes is written in one transaction, and a window is measured once, however often it is tried.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np

from detectors.base import Detector, Merging
from drift.alert import Alert, AlertKind, AlertState, transition
from drift.errors import UnmeasurableError
from drift.notify import alertmanager, compose
from drift.pipeline import merge
from drift.pipeline.monitor import Findings, Monitor
from drift.records import Gap, GapReason, Recomputed, Span, Window
from drift.slo import Outcome, Slo, Slot, budget
from drift.store import inbox, jobs, outbox, reads, writes
from drift.store.connect import Connection
from drift.store.outbox import MessageKind, MessageState

MOST_AT_ONCE: Final = 1000


def queue_closed(conn: Connection, monitor: Monitor, *, now: datetime) -> int:
    """Close the windows whose time is over and queue them; return how many. Rows for them are late from now on.

    At most `MOST_AT_ONCE` are closed, oldest first: after a long pause the next turn goes on.
    """
    key, last = monitor.stream.key, now - monitor.lateness
    start = inbox.open_from(conn, key)
    if start is None or _first_window(start, monitor).end > last:
        return 0  # without the lock, which would make senders wait
    start = inbox.lock_open_from(conn, key) or start
    spans: list[Span] = []
    while (span := _first_window(start, monitor)).end <= last and len(spans) < MOST_AT_ONCE:
        spans.append(span)
        start = span.end
    writes.close_until(conn, key, start)
    return jobs.add(conn, key, spans, now=now)


def _first_window(start: datetime, monitor: Monitor) -> Span:
    return Span(start, Span.containing(start, monitor.window).end)


def measure_spans(conn: Connection, monitor: Monitor, spans: Sequence[Span]) -> int:
    """Take the windows of `spans`, oldest first, all the way to the outbox; return how many are new."""
    new = 0
    for span in spans:
        for stream in monitor.parts:
            window = monitor.collector.collect(stream, span, limit=monitor.sample)
            if writes.save_window(conn, window):
                new += stream == monitor.stream
                settle_all(conn, monitor, measure(window, monitor))
        inbox.clear(conn, monitor.stream.key, span)
    return new


def give_up(conn: Connection, monitor: Monitor, span: Span, *, error: str) -> None:
    """Store a window that keeps failing as a gap, so that it neither goes missing nor holds up those behind it."""
    for stream in monitor.parts:
        gap = Gap(stream.key, span, "", GapReason.FAILED, error)
        settle_all(conn, monitor, Findings(stream, span, gaps=(gap,)))


def measure(window: Window, monitor: Monitor) -> Findings:
    """What each detector makes of `window`; a refusal becomes a gap with its reason."""
    if not window.received:
        gap = Gap(window.stream.key, window.span, "", GapReason.NO_DATA, "no row arrived in this window")
        return Findings(window.stream, window.span, gaps=(gap,))
    window = recompute(window, monitor)
    reference, measurements, gaps, sketches = monitor.references[window.stream.key], [], [], []
    for detector in monitor.detectors:
        try:
            if isinstance(detector, Merging):
                sketches.append((detector.name, detector.sketch(window, reference)))
            measurements.append(detector.measure(window, reference, rng=_rng(window, detector)))
        except UnmeasurableError as error:
            gaps.append(Gap.of(window, detector=detector.name, error=error))
    return Findings(window.stream, window.span, tuple(measurements), tuple(gaps), tuple(sketches))


def recompute(window: Window, monitor: Monitor) -> Window:
    """`window` with its first rows that carry inputs encoded again. Rows are in random order: this is a sample."""
    index = window.rows.with_value(window.rows.inputs)[: monitor.reencode]
    if monitor.encoder is None or not len(index):
        return window
    inputs = [text for i in index if (text := window.rows.inputs[i]) is not None]
    again = Recomputed(index.astype(np.int64), monitor.encoder.encode(inputs), monitor.encoder.fingerprint)
    return replace(window, recomputed=again)


def _rng(window: Window, detector: Detector) -> np.random.Generator:
    """Seeded from the window, so that a retried job gives the same number."""
    seed = hashlib.sha256(f"{window}\0{detector.name}".encode()).digest()
    return np.random.default_rng(np.frombuffer(seed, np.uint32))


def settle_all(conn: Connection, monitor: Monitor, findings: Findings) -> None:
    """Settle what was found in one window, and then in the merged windows that end with it."""
    settle(conn, monitor, findings)
    for merged in merge.findings(conn, monitor, findings.stream, findings.span):
        settle(conn, monitor, merged)


def settle(conn: Connection, monitor: Monitor, findings: Findings) -> None:
    """Record `findings`, then let each objective count its slot and raise or resolve its alerts."""
    writes.record(conn, findings.measurements)
    writes.record_gaps(conn, findings.gaps)
    for name, sketch in findings.sketches:
        writes.save_sketch(conn, findings.stream.key, name, findings.span.start, sketch)
    for slo in monitor.slos_over(findings.stream, findings.windows):
        count(conn, monitor, slo, findings)


def count(conn: Connection, monitor: Monitor, slo: Slo, findings: Findings) -> None:
    """Count the slot of `findings` against the budget of `slo`, and enqueue what its alerts have to say."""
    slot = Slot(findings.span, findings.outcome(slo))
    bad = reads.bad_slots(conn, slo, slot.span.end)
    if slot.outcome is Outcome.BAD:
        bad.append(slot)
    left = budget(slo, bad, slot.span.end)
    step = transition(reads.watch(conn, slo), slo, slot, left)
    writes.save_slot(conn, slo, slot, left)
    writes.save_watch(conn, slo, step.watch, slot.outcome)
    if not step.changed and not step.watch.open:
        return
    detector = monitor.detector(slo.sli.detector)
    context = compose.Context(
        stream=findings.stream,
        team=monitor.team,
        runbook_url=monitor.runbook_url,
        dashboard_url=monitor.outlet.dashboard_url,
        slo=slo,
        budget=left,
        since=_since(bad, slo, slot),
        measurement=findings.of(slo.sli.detector),
        meaning=detector.meaning if detector else "",
        next_step=detector.next_step if detector else "",
    )
    for alert in step.changed:
        enqueue(conn, monitor, alert, context)
    for alert in step.watch.open:
        if alert not in step.changed:
            keep(conn, monitor, alert, context)  # it goes on: what is repeated about it should be true now


def enqueue(conn: Connection, monitor: Monitor, alert: Alert, context: compose.Context) -> None:
    """Keep the alert's new state, and with it the messages that tell of it."""
    outlet, at = monitor.outlet, context.budget.at
    labels, annotations = keep(conn, monitor, alert, context)
    if alert.state not in {AlertState.FIRING, AlertState.RESOLVED}:
        return
    told = alertmanager.draft(compose.notice(alert, labels, annotations))
    for name in outlet.alertmanagers:
        message = outbox.Draft(compose.alert_id(alert), name, MessageKind.ALERT, told, compose.alert_subject(alert))
        outbox.put(conn, message, state=outlet.state, now=at)
    if alert.state is AlertState.FIRING and alert.kind is AlertKind.PAGE and context.slo.retrain:
        id_, body = compose.retrain_id(alert, context), compose.retrain_body(alert, context)
        for name in outlet.webhooks:
            outbox.put(conn, outbox.Draft(id_, name, MessageKind.RETRAIN, body), state=outlet.state, now=at)


def keep(
    conn: Connection, monitor: Monitor, alert: Alert, context: compose.Context
) -> tuple[dict[str, str], dict[str, str]]:
    """Keep the alert as it is now; return its labels and annotations."""
    labels, annotations = compose.labels(alert, context), compose.annotations(alert, context)
    muted = monitor.outlet.state is MessageState.MUTED
    writes.save_alert(conn, alert, labels=labels, annotations=annotations, muted=muted)
    return labels, annotations


def _since(bad: Sequence[Slot], slo: Slo, slot: Slot) -> datetime:
    """The start of the run of bad slots that the newest one ends; two good ones in between do not break it."""
    since, patience = slot.span.start, 3 * slo.interval
    for earlier in reversed(bad):
        if since - earlier.span.end >= patience:
            break
        since = earlier.span.start
    return since
