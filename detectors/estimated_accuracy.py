"""Accuracy without labels: what share of a window the frozen probe may get right. Context, and never an objective."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64
from numpy.random import Generator
from scipy.special import log_softmax

from detectors.classifiers import LinearProbe, fitted_probe
from detectors.kernels import pinned, require_rows, tensor
from detectors.label_free import share_above, temperature
from detectors.labels import codes, labelled
from detectors.skew import beyond
from drift.errors import MissingInputsError, MissingLabelsError, UnmeasurableError
from drift.records import Measurement, Reference, Rows, Window


@final
@dataclass(frozen=True, slots=True)
class AccuracyEstimate:
    """Accuracy of the probe of `probe` without labels, estimated by its entropy (ATC; Garg et al., ICLR 2022).

    Share in [0, 1]: of rows that the probe is surer of than of as many calibration rows as it gets right. Far too high
    where vectors are wrong (`docs/statistics.md`), so there is none unless those that were encoded again are served
    rightly: at most `most_skewed` of them beyond the tolerances of `skew`. It has no interval, for its error is bias.
    """

    name: ClassVar[str] = "estimated_accuracy"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = "the frozen probe is less sure of these rows than of the reference's"
    next_step: ClassVar[str] = "Label some of the newest rows: `probe` then says how many the probe gets right."

    strength: float = 10.0
    tolerance: float = 3e-4
    norm_tolerance: float = 0.01
    most_skewed: float = 0.02
    min_rows: int = 64

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        require_rows(self.name, window, self.min_rows)
        self._require_right(window)
        healthy = calibrated(reference, self.strength, self.min_rows)
        clear = clarity(healthy.probe, window.rows, healthy.heat)
        value = share_above(clear, healthy.clear, healthy.right)
        return Measurement.of(window, reference, detector=self.name, value=value)

    def _require_right(self, window: Window) -> None:
        if (again := window.recomputed) is None or not len(again.index):
            raise MissingInputsError(
                f"{self.name} needs inputs that were encoded again, window {window} has none: "
                "send `input` with the rows and configure an encoder for the stream"
            )
        served, right = tensor(window.vectors[again.index]), tensor(again.vectors)
        share = float(beyond(served, right, self.tolerance, self.norm_tolerance).double().mean())
        if share > self.most_skewed:
            raise UnmeasurableError(
                f"{self.name} needs vectors that are served rightly, {share:.1%} of those of window {window} that were "
                f"encoded again are not, of which {self.most_skewed:.0%} may be: repair the serving path first"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Healthy:
    """The frozen probe, its temperature, how sure it is of calibration rows (m,), and which of them it tells right."""

    probe: LinearProbe
    heat: float
    clear: Float64[np.ndarray, "m"]
    right: "np.ndarray[tuple[int], np.dtype[np.bool_]]"


@pinned
def calibrated(reference: Reference, strength: float, least: int) -> Healthy:
    """What the frozen probe is like on the labelled rows of the reference's second half.

    Raises:
        MissingLabelsError: too few of them have a label that the first half has too.
    """
    name = AccuracyEstimate.name
    known = labelled(reference.calibration, least, name, f"the second half of {reference}")
    probe = fitted_probe(reference, strength)
    label = codes(known, probe.classes).numpy()
    if (seen := int((label >= 0).sum())) < least:
        raise MissingLabelsError(
            f"{name} needs at least {least} rows in the second half of {reference} whose label the first half has too, "
            f"it has {seen}: give it classes that occur again, not ids"
        )
    logits = probe.scores(known).double().cpu().numpy()
    heat = temperature(logits[label >= 0], label[label >= 0])
    return Healthy(probe, heat, clarity(probe, known, heat), logits.argmax(1) == label)


def clarity(probe: LinearProbe, rows: Rows, heat: float) -> Float64[np.ndarray, "n"]:
    """How sure the probe is of each row: the negative entropy of its calibrated probabilities."""
    logs = log_softmax(probe.scores(rows).double().cpu().numpy() / heat, 1)
    found: Float64[np.ndarray, n] = (np.exp(logs) * logs).sum(1)
    return found
