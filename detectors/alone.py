"""Detectors without the service: one number for two arrays."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from detectors.arguments import require_whole
from detectors.arrays import Labels, Vectors, as_labels, as_rows, require_same_width
from detectors.base import Detector
from drift.errors import BadArgumentError, BadReferenceError, UnmeasurableError
from drift.records import EPOCH, Measurement, Recomputed, Reference, Rows, Span, Stream, Window


def measure(
    detector: Detector,
    window: Vectors | Rows,
    reference: Vectors | Rows | Reference,
    seed: int = 0,
    *,
    labels: Labels | None = None,
    reference_labels: Labels | None = None,
    encoded_again: Vectors | None = None,
) -> Measurement:
    """What `detector` makes of `window`, shape (n, d), held against `reference`, shape (m, d).

    Where the detector looks at labels, `labels` and `reference_labels` have one for each row; where it compares with an
    encoder (`Skew`), `encoded_again` has what the encoder gives for the inputs of the window's rows. `Rows` may carry
    more: times, segments. What is fitted on a reference is kept with a `Reference`, so make one by `hold` for many
    windows. One seed, one answer.

    Raises:
        UnmeasurableError: the window does not carry what the statistic needs, or holds rows that are not finite or all
            zero, or is of another dimension than the reference; or labels that do not fit the rows.
        BadReferenceError: the reference has such rows, or fewer than two different ones.
        BadArgumentError: `detector` is none, `seed` is no whole number of at least 0, or `reference_labels` come with
            a `Reference`, which has its own.
    """
    if isinstance(detector, type) or not isinstance(detector, Detector):
        raise BadArgumentError(f"measure needs a detector, such as detectors.Energy(), it is {detector!r}")
    require_whole("measure", "seed", seed, 0)
    if isinstance(reference, Reference) and reference_labels is not None:
        raise BadArgumentError("measure needs the labels of a Reference where it is made: hold(reference, labels=...)")
    held = reference if isinstance(reference, Reference) else hold(reference, seed, labels=reference_labels)
    rows = _checked(window, labels, ("window", "labels"))
    require_same_width(rows.vectors.shape[1], held.vectors.shape[1], ("window", "reference"))
    span = Span(EPOCH, EPOCH + timedelta(seconds=1))  # arrays have no time; a window must have a span
    stream = Stream(held.stream, "", "", held.vectors.shape[1])
    given = Window(stream, span, rows, len(rows))
    if encoded_again is not None:
        given = replace(given, recomputed=_recomputed(encoded_again, rows))
    try:
        return detector.measure(given, held, rng=np.random.default_rng(seed))
    except UnmeasurableError as error:  # an array has no span to name
        raise type(error)(str(error).replace(f"window {given}", "the window")) from None


def hold(reference: Vectors | Rows, seed: int = 0, *, labels: Labels | None = None) -> Reference:
    """`reference`, shape (m, d) in any order, as detectors need it: in random order, with room for their fits.

    `labels` has one for each row, for the detectors that look at labels.

    Raises:
        BadReferenceError: rows that are not finite or all zero, or fewer than two different ones, or labels that do not
            fit them.
        BadArgumentError: `seed` is no whole number of at least 0.
    """
    require_whole("hold", "seed", seed, 0)
    try:
        rows = _checked(reference, labels, ("reference", "reference_labels"))
    except UnmeasurableError as error:
        raise BadReferenceError(str(error)) from None
    return Reference("array", rows.take(np.random.default_rng(seed).permutation(len(rows))), EPOCH)


def _checked(x: Vectors | Rows, labels: Labels | None, names: tuple[str, str]) -> Rows:
    rows = x if isinstance(x, Rows) else Rows(as_rows(x, names[0], 1).cpu().numpy())
    bad = np.flatnonzero(~(np.isfinite(rows.vectors).all(1) & rows.vectors.any(1)))
    if len(bad):
        raise UnmeasurableError(
            f"{names[0]} needs finite rows that are not all zero, row {bad[0]} is, {len(bad)} of {len(rows)} rows in "
            "all: leave these rows out"
        )
    return rows if labels is None else replace(rows, labels=as_labels(labels, names[1], len(rows)))


def _recomputed(encoded_again: Vectors, rows: Rows) -> Recomputed:
    again = as_rows(encoded_again, "encoded_again", 1).cpu().numpy()
    require_same_width(again.shape[1], rows.vectors.shape[1], ("encoded_again", "window"))
    if len(again) != len(rows):
        raise UnmeasurableError(
            f"encoded_again needs one vector for each of the window's {len(rows)} rows, it has {len(again)}: "
            "encode the inputs of all of them, in their order"
        )
    return Recomputed(np.arange(len(again)), again, "caller")
