"""Row by row, what detectors count in a window: to pair the rows of two versions of a model."""

from typing import Final

import numpy as np
from jaxtyping import Bool

from detectors.classifiers import fitted_probe
from detectors.kernels import tensor
from detectors.novelty import Novelty, known_rows
from detectors.skew import Skew, beyond
from drift.errors import MissingInputsError, MissingLabelsError
from drift.records import Reference, Rows, Window

Flags = Bool[np.ndarray, "n"]
STRENGTH: Final = 10.0
"""The default of the detector `probe`."""


def right_flags(rows: Rows, reference: Reference, strength: float = STRENGTH) -> tuple[Flags, Flags]:
    """Which rows have a label, and which of them the probe that is frozen on the reference gives it.

    Raises:
        MissingLabelsError: no row has one.
        UnmeasurableError: the reference has too few labels for a probe.
    """
    judged, right = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    index = rows.labelled()
    if not len(index):
        raise MissingLabelsError("the probe needs labels, no row that both have served has one: send `label`")
    judged[index] = True
    right[index] = fitted_probe(reference, strength).hits(rows.take(index)).numpy()
    return judged, right


def known_flags(rows: Rows, reference: Reference, settings: Novelty | None = None) -> Flags:
    """Which rows are not novel to the reference.

    Raises:
        UnmeasurableError: the reference is too small to say what is.
    """
    settings = settings or Novelty()
    known = known_rows(reference, settings.neighbours, settings.quantile)
    found: Flags = (~known.novel(tensor(rows.vectors))).cpu().numpy()
    return found


def within_flags(window: Window, settings: Skew) -> tuple[Flags, Flags]:
    """Which rows were encoded again, and which of them are within tolerance of that.

    Raises:
        MissingInputsError: none was.
    """
    if (again := window.recomputed) is None:
        raise MissingInputsError("skew needs inputs that were encoded again: send `input`, and configure an encoder")
    judged, right = np.zeros(len(window.rows), bool), np.zeros(len(window.rows), bool)
    served = tensor(window.vectors[again.index])
    faulty = beyond(served, tensor(again.vectors), settings.tolerance, settings.norm_tolerance)
    judged[again.index], right[again.index] = True, (~faulty).cpu().numpy()
    return judged, right
