"""Canary inputs: golden inputs that are sent through the endpoint that production uses, traffic or none."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import final

import numpy as np
from jaxtyping import Float32

from collectors.rows import Batch, screen
from collectors.times import EVER
from drift.config.canary_inputs import LEAST
from drift.encoder.endpoint import Endpoint
from drift.errors import BadReferenceError, EncoderError, UnmeasurableError
from drift.pipeline.measure import settle
from drift.pipeline.monitor import Findings, Monitor
from drift.records import (
    CANARY,
    Gap,
    GapReason,
    Measurement,
    Recomputed,
    Reference,
    RowReason,
    Rows,
    Span,
    Stream,
    Window,
    tally,
)
from drift.store import writes
from drift.store.connect import Connection


@final
@dataclass(frozen=True, slots=True, eq=False)
class CanaryInputs:
    """Golden inputs with their right vectors, and the endpoint that should give the same.

    `monitor` is of the stream's segment `canary`: its reference has the inputs, its windows are as long as it is from
    one look to the next. A look is kept, measured, judged and diagnosed like a window of traffic, on its own slot.
    """

    monitor: Monitor
    endpoint: Endpoint

    def due(self, now: datetime) -> Span:
        """The slot that a look at `now` stands for: the last that is over."""
        every = self.monitor.window
        return Span.containing(now - every, every)

    def look(self, span: Span) -> tuple[Window, Findings]:
        """Ask the endpoint for the vectors of all inputs; no answer is a gap that says why."""
        stream, reference = self.monitor.stream, self.monitor.references[self.monitor.stream.key]
        try:
            found = self.endpoint.embed(texts_of(reference))
        except EncoderError as error:
            gap = Gap(stream.key, span, "", GapReason.NO_ANSWER, str(error))
            return Window(stream, span, Rows.none(stream.dim), 0), Findings(stream, span, gaps=(gap,))
        window = _window(stream, span, reference, found)
        return window, _measured(window, self.monitor, reference)


def keep(conn: Connection, canary: CanaryInputs, window: Window, findings: Findings) -> bool:
    """Count the look, once; False where it was counted before, by this process or by another.

    Rows are kept where some are wrong, for the diagnosis: the others are the reference's.
    """
    measured = findings.of(CANARY)
    well = measured is not None and measured.value == 0
    kept = replace(window, rows=Rows.none(window.stream.dim), recomputed=None) if well else window
    if new := writes.save_window(conn, kept):
        settle(conn, canary.monitor, findings)
    return new


def texts_of(reference: Reference) -> list[str]:
    """The inputs of `reference`, one for each row."""
    return [text or "" for text in reference.rows.inputs]


def require_golden(reference: Reference) -> Reference:
    """`reference`, if it can be asked for.

    Raises:
        BadReferenceError: too few rows, or some have no input.
    """
    inputs = len(reference.rows.with_value(reference.rows.inputs))
    if inputs < LEAST or inputs < len(reference.rows):
        raise BadReferenceError(
            f"canary inputs {reference} need an `input` in each row and {LEAST} rows at least, found {inputs} inputs "
            f"in {len(reference.rows)} rows"
        )
    return reference


def _window(stream: Stream, span: Span, reference: Reference, found: Float32[np.ndarray, "n k"]) -> Window:
    """What came back as a window of which `recomputed` has the right vectors."""
    golden, count = reference.rows, len(reference.rows)
    if found.shape[1] != stream.dim:
        return Window(stream, span, Rows.none(stream.dim), count, {RowReason.WRONG_DIMENSION: count})
    rows = Rows(found, inputs=golden.inputs, labels=golden.labels)
    batch = screen(Batch(rows, np.arange(count), (), count), stream, EVER)
    right = Recomputed(np.arange(len(batch.rows)), golden.vectors[batch.index], reference.fingerprint)
    return Window(stream, span, batch.rows, count, tally(batch.faults), right)


def _measured(window: Window, monitor: Monitor, reference: Reference) -> Findings:
    measurements: list[Measurement] = []
    gaps: list[Gap] = []
    for detector in monitor.detectors:
        try:
            measurements.append(detector.measure(window, reference, rng=_rng(window)))
        except UnmeasurableError as error:
            gaps.append(Gap.of(window, detector=detector.name, error=error))
    return Findings(window.stream, window.span, tuple(measurements), tuple(gaps))


def _rng(window: Window) -> np.random.Generator:
    """Seeded from the look, so that a retry says the same."""
    return np.random.default_rng(np.frombuffer(hashlib.sha256(f"{window}".encode()).digest(), np.uint32))
