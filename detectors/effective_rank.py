"""Dimensional collapse: how many directions the embeddings use."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float
from numpy.random import Generator
from scipy.special import stdtrit
from torch import Tensor

from detectors.kernels import draw, entropy_rank, on_grid, pinned, require_rows, seeded, spectrum, tensor
from detectors.nulls import widening
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class EffectiveRank:
    """Collapse: effective rank of the window over that of the reference (Roy and Vetterli, EUSIPCO 2007).

    Ratio. 1 when the window spans as much as the reference, towards 0 as it collapses, 0 when all its rows are equal;
    above 1 for noise. The rank grows with the number of rows, so the window is held against the mean over `draws`
    subsets of the reference of its own size; a window larger than half of the reference is cut down to that. The band
    is the range of 99 % of fresh windows, by Student's t over the same draws. All rows count, copies too, on both
    sides: an encoder that gives one output to all has collapsed.
    """

    name: ClassVar[str] = "effective_rank"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = (
        "the embeddings use far fewer directions than the reference (they collapse), or more (they are noisy)"
    )
    next_step: ClassVar[str] = (
        "Compare the served checkpoint with the last good one, and roll back; a collapsed encoder cannot be "
        "repaired downstream."
    )

    draws: int = 24
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise ValueError(f"effective_rank needs draws >= 2, got {self.draws}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        require_rows(self.name, window, self.min_rows)
        m = len(reference.rows)
        n = on_grid(min(len(window.rows), m // 2))
        mean, spread = expected_rank(reference, n, self.draws)
        fresh = (widening(n, m) ** 2 + 1 / self.draws) ** 0.5
        half = float(stdtrit(self.draws - 1, 0.995)) * fresh * spread / mean
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=effective_rank(draw(tensor(window.vectors), n, rng)) / mean,
            rows=n,
            band=(max(0.0, 1 - half), 1 + half),
        )


@pinned
def expected_rank(reference: Reference, n: int, draws: int) -> tuple[float, float]:
    """Mean and standard deviation of the effective rank over `draws` random subsets of `n` reference rows.

    Raises:
        UnmeasurableError: the subsets have rank 0, so that there is nothing to hold a window against.
    """
    rng = seeded(reference, f"effective_rank/{n}")
    x = tensor(reference.vectors)
    ranks = np.array([effective_rank(draw(x, n, rng)) for _ in range(draws)])
    if not ranks.all():
        raise UnmeasurableError(
            f"effective_rank needs reference rows that differ, {n} rows drawn from {reference} were all equal: "
            "de-duplicate the reference or give it more rows"
        )
    return float(ranks.mean()), float(ranks.std(ddof=1))


def effective_rank(x: Float[Tensor, "n d"]) -> float:
    """Number of directions `x` uses: exp of the entropy of its covariance spectrum.

    In [1, min(n - 1, d)]; 0 when all rows are equal. Blind to rotation, shift and scale.
    """
    return entropy_rank(spectrum(x))
