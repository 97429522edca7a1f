"""Probe accuracy: do the embeddings still say what they said to a model trained on them?"""

from dataclasses import dataclass
from typing import ClassVar, final

from numpy.random import Generator

from detectors.classifiers import fitted_probe
from detectors.kernels import pinned
from detectors.labels import Accuracy, independent_labelled, labelled
from drift.records import Measurement, Reference, Rows, Window


@final
@dataclass(frozen=True, slots=True)
class Probe:
    """Compatibility: accuracy on the window's labelled rows of a linear probe that was frozen on the reference.

    Share in [0, 1]; low and high are Wilson's. The probe is an L2-penalised logistic regression on labelled rows of the
    reference's first half. It stands for the models downstream, so a label that it has never seen counts as wrong: they
    would not get it right either. Sees wrong versions (rotations) and noise, not merely other traffic.

    Healthy is the accuracy on the reference's second half. The p-value is Fisher's exact test that the window's is no
    lower, which allows for the chance in both samples; the band holds 99 % of the healthy windows of this size.

    `strength` is the inverse weight of the penalty, as in C * sum of losses + |weights|^2 / 2, on vectors that are
    centred and scaled to a mean squared length of 1.
    """

    name: ClassVar[str] = "probe"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "a probe that was fitted on the reference makes more mistakes on these embeddings than it should"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew: if it is bad, the serving path or the version is wrong; if not, the task has "
        "drifted, and the model needs retraining."
    )

    strength: float = 10.0
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.strength <= 0:
            raise ValueError(f"probe needs strength > 0, got {self.strength}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        return self.accuracy(window.rows, f"window {window}", reference).measurement(self.name, window, reference)

    def accuracy(self, rows: Rows, whose: str, reference: Reference) -> Accuracy:
        """What the frozen probe gets right of the labelled ones of `rows`."""
        rows = independent_labelled(rows, reference, self.min_rows, self.name, whose)
        right = fitted_probe(reference, self.strength).right(rows)
        return Accuracy.against(right, len(rows), *calibration(reference, self.strength, self.min_rows))


@pinned
def calibration(reference: Reference, strength: float, least: int) -> tuple[int, int]:
    """How many labelled rows of the reference's second half the probe gets right, and out of how many."""
    rows = labelled(reference.calibration, least, Probe.name, f"the second half of {reference}")
    return fitted_probe(reference, strength).right(rows), len(rows)
