"""Detectors without the service: one number for two arrays."""

from datetime import timedelta

import numpy as np

from detectors.arrays import Vectors, as_rows, require_same_width
from detectors.base import Detector
from drift.errors import BadReferenceError, UnmeasurableError
from drift.records import EPOCH, Measurement, Reference, Rows, Span, Stream, Window


def measure(
    detector: Detector, window: Vectors | Rows, reference: Vectors | Rows | Reference, seed: int = 0
) -> Measurement:
    """What `detector` makes of `window`, shape (n, d), held against `reference`, shape (m, d).

    `Rows` carry what some detectors need besides vectors: labels, times. What is fitted on a reference is kept with a
    `Reference`, so make one by `hold` for many windows. One seed, one answer.

    Raises:
        UnmeasurableError: the window does not carry what the statistic needs, or holds rows that are not finite or all
            zero, or is of another dimension than the reference.
        BadReferenceError: the reference has such rows, or fewer than two different ones.
    """
    held = reference if isinstance(reference, Reference) else hold(reference, seed)
    rows = _checked(window, "window")
    require_same_width(rows.vectors.shape[1], held.vectors.shape[1], ("window", "reference"))
    span = Span(EPOCH, EPOCH + timedelta(seconds=1))  # arrays have no time; a window must have a span
    stream = Stream(held.stream, "", "", held.vectors.shape[1])
    return detector.measure(Window(stream, span, rows, len(rows)), held, rng=np.random.default_rng(seed))


def hold(reference: Vectors | Rows, seed: int = 0) -> Reference:
    """`reference`, shape (m, d) in any order, as detectors need it: in random order, with room for their fits.

    Raises:
        BadReferenceError: rows that are not finite or all zero, or fewer than two different ones.
    """
    try:
        rows = _checked(reference, "reference")
    except UnmeasurableError as error:
        raise BadReferenceError(str(error)) from None
    return Reference("array", rows.take(np.random.default_rng(seed).permutation(len(rows))), EPOCH)


def _checked(x: Vectors | Rows, name: str) -> Rows:
    rows = x if isinstance(x, Rows) else Rows(as_rows(x, name, 1).cpu().numpy())
    bad = np.flatnonzero(~(np.isfinite(rows.vectors).all(1) & rows.vectors.any(1)))
    if len(bad):
        raise UnmeasurableError(
            f"{name} needs finite rows that are not all zero, row {bad[0]} is, {len(bad)} of {len(rows)} rows in all: "
            "leave these rows out"
        )
    return rows
