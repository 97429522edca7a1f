"""Rows whose numbers come back from a store of 8 or fewer bits."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.random import Generator

from detectors.kernels import pinned, require_rows
from drift.records import MOST_LEVELS, Measurement, Reference, Window, few_levels


@final
@dataclass(frozen=True, slots=True)
class Quantised:
    """Stored precision: share of rows that take few values at equal distances, beyond the reference's share of such.

    In [0, 1]; 0 when healthy. Integers of 8 or fewer bits give such rows, with whatever scale; no encoder's output
    does, and neither do float16 and bfloat16. What is lost is too little for `skew` to see, and moves neighbours. Below
    32 dimensions rows cannot be told, and the value is 0.
    """

    name: ClassVar[str] = "quantised"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = "vectors come with fewer bits than the reference's: they have been rounded to integers"
    next_step: ClassVar[str] = (
        "See what writes the vectors: an index, a cache or a client that stores 8 bits. Store float32 or float16, or "
        "make the reference of vectors that are stored this way."
    )

    min_rows: int = 16

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        require_rows(self.name, window, self.min_rows)
        share = float(on_lattice(window.vectors).mean())
        value = max(0.0, share - reference_share(reference))
        return Measurement.of(window, reference, detector=self.name, value=value)


@pinned
def reference_share(reference: Reference) -> float:
    """Share of the reference's rows that take few values at equal distances."""
    return float(on_lattice(reference.vectors).mean())


def on_lattice(x: Float32[np.ndarray, "n d"]) -> Bool[np.ndarray, "n"]:
    """Which rows take few values at equal distances, as integers of 8 or fewer bits do."""
    found = few_levels(x)
    found[found] = [_whole_steps(row) for row in x[found]]
    return found


def _whole_steps(row: Float[np.ndarray, "d"]) -> bool:
    values = np.unique(row.astype(np.float64))
    gaps = np.diff(values)
    # Equal numbers may come back a rounding apart; those are no step.
    gaps = gaps[gaps > 1e-6 * np.abs(values).max()]
    if not len(gaps):
        return False
    steps = (values - values[0]) / gaps.min()
    return bool(steps[-1] <= MOST_LEVELS and (np.abs(steps - np.round(steps)) < 0.02).mean() > 0.98)
