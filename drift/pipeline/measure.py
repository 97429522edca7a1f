"""The way of one window: collect it, measure it, record it, and have each objective count it.

Everything that a window causes is written in one transaction, and a window is measured once, however often it is tried.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
import structlog

from detectors.base import Detector, Merging
from drift.encoder.readable import encode_readable
from drift.errors import EncoderError, MissingInputsError, UnmeasurableError
from drift.pipeline import merge
from drift.pipeline.count import count
from drift.pipeline.environment import of_all_lengths
from drift.pipeline.monitor import Findings, Monitor
from drift.records import Gap, GapReason, Recomputed, Span, Window
from drift.store import inbox, jobs, maintenance, writes
from drift.store.connect import Connection

log = structlog.get_logger()
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
    """What each detector makes of `window`; a refusal becomes a gap with its reason.

    The environment is measured whatever the window holds.
    """
    reference, measurements, gaps, sketches = monitor.references[window.stream.key], [], [], []
    if (environment := monitor.environment) is not None:
        try:
            measurements.append(environment.measurement(window.stream, window.span, reference))
        except EncoderError as error:
            gaps.append(Gap(window.stream.key, window.span, environment.name, GapReason.NO_INPUTS, str(error)))
    if not window.received:
        gap = Gap(window.stream.key, window.span, "", GapReason.NO_DATA, "no row arrived in this window")
        return Findings(window.stream, window.span, tuple(measurements), gaps=(gap, *gaps))
    window, why_not = _recomputed(window, monitor)
    for detector in monitor.detectors:
        try:
            if isinstance(detector, Merging):
                sketches.append((detector.name, detector.sketch(window, reference)))
            measurements.append(detector.measure(window, reference, rng=_rng(window, detector)))
        except MissingInputsError as error:
            gaps.append(Gap.of(window, detector=detector.name, error=why_not or error))
        except UnmeasurableError as error:
            gaps.append(Gap.of(window, detector=detector.name, error=error))
    return Findings(window.stream, window.span, tuple(measurements), tuple(gaps), tuple(sketches))


def _recomputed(window: Window, monitor: Monitor) -> tuple[Window, MissingInputsError | None]:
    """`recompute`, or the window as it is and why: an encoder elsewhere that is down costs no other measurement."""
    try:
        return recompute(window, monitor), None
    except EncoderError as error:
        log.warning("inputs not encoded again", stream=window.stream.key, span=str(window.span), error=str(error))
        return window, MissingInputsError(str(error))


def recompute(window: Window, monitor: Monitor) -> Window:
    """`window` with a sample of the rows that carry inputs encoded again; of all lengths, as long ones are few."""
    index = window.rows.with_value(window.rows.inputs)
    if monitor.encoder is None or not len(index):
        return window
    index = np.sort(index[of_all_lengths([window.rows.inputs[i] for i in index], monitor.reencode)])
    inputs = [text for i in index if (text := window.rows.inputs[i]) is not None]
    found = encode_readable(monitor.encoder, inputs)
    if found.faults:
        log.warning(
            "inputs left out",
            stream=window.stream.key,
            span=str(window.span),
            inputs=len(found.faults),
            first=next(iter(found.faults.values())),
        )
    again = Recomputed(index[found.index].astype(np.int64), found.vectors, monitor.encoder.fingerprint)
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
    suppressed_by = maintenance.suppressing(conn, findings.stream, findings.span)
    findings = replace(findings, suppressed_by=suppressed_by)
    for slo in monitor.slos_over(findings.stream, findings.windows):
        count(conn, monitor, slo, findings)
