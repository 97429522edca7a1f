"""Spread of the embeddings: shrinking to a point, or missing normalisation."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from numpy.random import Generator
from scipy.special import ndtri
from torch import Tensor

from detectors.kernels import pinned, require_rows, tensor
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class VarianceRatio:
    """Spread: total variance of the window over that of the reference.

    Ratio. 1 when healthy, towards 0 as vectors shrink to a point (0 when all are equal), far above 1 when a
    normalisation is missing. Unbiased at every window size. The band is the range of 99 % of fresh windows, from the
    exact variance of a total variance (Hoeffding, 1948) and the normal law. All rows count, copies too, on both sides:
    what is served is described, and a constant output has no spread.
    """

    name: ClassVar[str] = "variance_ratio"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = "the embeddings spread much more or much less than in the reference"
    next_step: ClassVar[str] = (
        "Above 1: look for a missing normalisation in the serving path. Below 1: the encoder shrinks its "
        "outputs; compare checkpoints, and roll back."
    )

    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.min_rows < 2:
            raise ValueError(f"variance_ratio needs min_rows >= 2, got {self.min_rows}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        require_rows(self.name, window, self.min_rows)
        n, m = len(window.rows), len(reference.rows)
        expected = reference_spread(reference)
        noise = expected.variance(n) + expected.variance(m)
        half = float(ndtri(0.995)) * noise**0.5 / expected.total
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=total_variance(tensor(window.vectors)) / expected.total,
            band=(max(0.0, 1 - half), 1 + half),
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """Moments of a set of vectors: total variance, variance of the squared distance to the mean, sum of squared
    covariances."""

    total: float
    of_squares: float
    of_pairs: float

    def variance(self, n: int) -> float:
        """Sampling variance of the total variance of `n` independent rows."""
        return self.of_squares / n + 2 * self.of_pairs / (n * (n - 1))


@pinned
def reference_spread(reference: Reference) -> Spread:
    """The moments of all reference rows."""
    return spread(tensor(reference.vectors))


def total_variance(x: Float[Tensor, "n d"]) -> float:
    """Sum of the variances of the columns of `x`; n >= 2."""
    return float(x.double().var(0).sum())


def spread(x: Float[Tensor, "n d"]) -> Spread:
    """The moments of `x`; n >= 2."""
    x = x.double()
    centred = x - x.mean(0)
    squares = centred.square().sum(1)
    covariance = centred.mT @ centred / (len(x) - 1)
    return Spread(
        total=total_variance(x),
        of_squares=float(squares.var()),
        of_pairs=float(covariance.square().sum()),
    )
