"""Accuracy of the nearest neighbours: do rows of one label still lie together, where the reference has them?"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from numpy.random import Generator

from detectors.classifiers import NearestRows, nearest_rows
from detectors.kernels import pinned
from detectors.labels import Accuracy, codes, independent_labelled, labelled
from drift.records import Measurement, Reference, Rows, Window

TEMPERATURE = 0.07
"""A neighbour's vote is exp(cosine / TEMPERATURE), as in Wu et al. (CVPR 2018)."""


@final
@dataclass(frozen=True, slots=True)
class KnnProbe:
    """Compatibility, a second opinion: accuracy on the window's labelled rows of a vote of their nearest neighbours.

    Share in [0, 1]; low and high are Wilson's. The `neighbours` nearest rows by cosine among the labelled ones of the
    reference's first half vote with weights exp(cosine / .07). Nothing is trained, so nothing can have been trained
    badly. Healthy value, p-value and band come from the second half, and unknown labels are wrong, as in `probe`.
    """

    name: ClassVar[str] = "knn_probe"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "the labels of an embedding's nearest reference rows are its own less often than they should"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew: if it is bad, the serving path or the version is wrong; if not, the task has "
        "drifted, and the model needs retraining."
    )

    neighbours: int = 20
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"knn_probe needs neighbours >= 1, got {self.neighbours}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        return self.accuracy(window.rows, f"window {window}", reference).measurement(self.name, window, reference)

    def accuracy(self, rows: Rows, whose: str, reference: Reference) -> Accuracy:
        """What the neighbours get right of the labelled ones of `rows`."""
        rows = independent_labelled(rows, reference, self.min_rows, self.name, whose)
        known = nearest_rows(reference, self.neighbours, self.name)
        healthy, out_of = calibration(reference, self.neighbours, self.min_rows)
        return Accuracy.against(voted_right(known, rows, self.neighbours), len(rows), healthy, out_of)


@pinned
def calibration(reference: Reference, neighbours: int, least: int) -> tuple[int, int]:
    """How many labelled rows of the reference's second half the neighbours get right, and out of how many."""
    rows = labelled(reference.calibration, least, KnnProbe.name, f"the second half of {reference}")
    return voted_right(nearest_rows(reference, neighbours, KnnProbe.name), rows, neighbours), len(rows)


def voted_right(known: NearestRows, rows: Rows, neighbours: int) -> int:
    """How many of `rows`, all labelled, are given their own label by most of their neighbours' votes."""
    distances, labels = known.of(rows, neighbours)
    votes = torch.zeros(len(rows), len(known.classes), dtype=distances.dtype, device=distances.device)
    # A squared distance is 2 - 2 cosines. Relative to the nearest: far away, all votes would be rounded to 0.
    votes.scatter_add_(1, labels, torch.exp((distances[:, :1] - distances) / (2 * TEMPERATURE)))
    return int((votes.argmax(1).cpu() == codes(rows, known.classes)).sum())
