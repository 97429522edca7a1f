"""How alike two vectors of each of many inputs are."""

from dataclasses import dataclass

import numpy as np

from detectors.kernels import tensor
from detectors.skew import beyond
from drift.diagnosis.pairs import Tolerance, Vectors


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far the second vector of each of `rows` rows is from the first. Cosines are in [-1, 1].

    `p01` is the first percentile of the cosines, `shortest` and `longest` are the extreme lengths of second vectors
    over first ones. `moved` rows differ by more than rounding, `failing` ones by more than the tolerance of `skew`.
    """

    rows: int
    worst: float
    p01: float
    shortest: float
    longest: float
    moved: int
    failing: int

    @property
    def share(self) -> float:
        """Share of rows beyond tolerance; 0 where there are none."""
        return self.failing / self.rows if self.rows else 0.0


def rounding(dtype: str) -> Tolerance:
    """How far two computations of one vector in `dtype` may be apart when nothing has changed but the batch."""
    return Tolerance() if dtype == "bfloat16" else Tolerance(1e-5, 1e-3)


def likeness(first: Vectors, second: Vectors, noise: Tolerance) -> Likeness:
    """How alike the rows of `first` and `second` are, pair by pair; at least one. `noise` is what rounding may do."""
    x, y = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    ratio = lengths[1] / lengths[0]
    cosine = np.clip((x * y).sum(1) / np.maximum(lengths[0] * lengths[1], 1e-300), -1, 1)
    moved, failing = (
        int(beyond(tensor(first), tensor(second), bounds.apart, bounds.norm).sum()) for bounds in (noise, Tolerance())
    )
    p01 = float(np.quantile(cosine, 0.01, method="lower"))
    return Likeness(len(x), float(cosine.min()), p01, float(ratio.min()), float(ratio.max()), moved, failing)
