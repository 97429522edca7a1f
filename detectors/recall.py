"""Recall at k: does a search with these embeddings still find rows of their own label in the reference?"""

from dataclasses import dataclass
from typing import ClassVar, final

from numpy.random import Generator

from detectors.classifiers import NearestRows, nearest_rows
from detectors.kernels import pinned
from detectors.labels import Accuracy, codes, independent_labelled, labelled
from drift.records import Measurement, Reference, Rows, Window


@final
@dataclass(frozen=True, slots=True)
class Recall:
    """Search: share of the window's labelled rows with a row of their label among the `k` nearest of the reference.

    Share in [0, 1]; low and high are Wilson's. Nearest by cosine among the labelled rows of the first half, which stand
    for an index that was built with the reference's encoder. Healthy value, p-value and band come from the second half,
    and unknown labels are not found, as in `probe`. With few labels most rows are found by chance, at k = 1 the fewest.
    """

    name: ClassVar[str] = "recall"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "a search among the reference's rows finds one of the right label less often than it should"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew: if it is bad, queries and index come from two versions; if not, queries have "
        "changed, and the index or the model must learn them."
    )

    k: int = 5
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"recall needs k >= 1, got {self.k}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        return self.accuracy(window.rows, f"window {window}", reference).measurement(self.name, window, reference)

    def accuracy(self, rows: Rows, whose: str, reference: Reference) -> Accuracy:
        """What is found of the labelled ones of `rows`."""
        rows = independent_labelled(rows, reference, self.min_rows, self.name, whose)
        found = recalled(nearest_rows(reference, self.k, self.name), rows, self.k)
        return Accuracy.against(found, len(rows), *calibration(reference, self.k, self.min_rows))


@pinned
def calibration(reference: Reference, k: int, least: int) -> tuple[int, int]:
    """How many labelled rows of the reference's second half are found, and out of how many."""
    rows = labelled(reference.calibration, least, Recall.name, f"the second half of {reference}")
    return recalled(nearest_rows(reference, k, Recall.name), rows, k), len(rows)


def recalled(known: NearestRows, rows: Rows, k: int) -> int:
    """How many of `rows`, all labelled, have a row of their label among their `k` nearest."""
    labels = known.of(rows, k)[1].cpu()
    return int((labels == codes(rows, known.classes)[:, None]).any(1).sum())
