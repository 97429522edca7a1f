"""One-sided p-values from a sample of null values: by rank, and by a fitted tail where ranks run out."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaincc

from detectors.kernels import LEAST_P

FEWEST = 5
"""Where fewer null values than this are as large, a rank is too coarse and the fitted tail takes over."""

TOP = 0.05


@dataclass(frozen=True, slots=True)
class Pearson3:
    """A shifted gamma law by its first three moments: the law of a weighted sum of chi-squares, nearly."""

    mean: float
    sd: float
    skew: float

    @classmethod
    def of(cls, nulls: Float64[np.ndarray, "b"]) -> "Pearson3":
        """The law of `nulls`. A skew below 0.01 is taken for that: nearly normal."""
        mean, sd = float(nulls.mean()), float(nulls.std())
        skew = float(((nulls - mean) ** 3).mean()) / sd**3 if sd > 0 else 0.0
        return cls(mean, sd, max(skew, 0.01))

    def beyond(self, x: Float64[np.ndarray, "k"]) -> Float64[np.ndarray, "k"]:
        """Chance of a value of at least `x`."""
        if self.sd == 0:
            return np.ones_like(x)
        shape = 4 / self.skew**2
        return np.asarray(gammaincc(shape, np.maximum(0.0, shape + (x - self.mean) / self.sd * shape**0.5)))


@dataclass(frozen=True, slots=True)
class Pareto:
    """A generalised Pareto law of what exceeds `start`, which `mass` of the null values do (Pickands, 1975).

    By probability-weighted moments (Hosking and Wallis, 1987). The shape is kept in [0, 1/2]: a tail fitted to a
    sample must not claim to know an end beyond which nothing can lie.
    """

    start: float
    mass: float
    shape: float
    scale: float

    @classmethod
    def of(cls, nulls: Float64[np.ndarray, "b"]) -> "Pareto":
        """The law of the largest twentieth of the sorted `nulls`; exponential where those are fewer than 50."""
        count = max(1, round(TOP * len(nulls)))
        start = float(nulls[max(0, len(nulls) - count - 1)])
        excess = nulls[len(nulls) - count :] - start
        first = float(excess.mean())
        weights = 1 - (np.arange(1, count + 1) - 0.35) / count
        slope = first - 2 * float((weights * excess).mean())
        shape = 2 - first / slope if count >= 50 and slope > 0 else 0.0
        shape = min(max(shape, 0.0), 0.5)
        return cls(start, count / len(nulls), shape, first * (1 - shape))

    def beyond(self, x: Float64[np.ndarray, "k"]) -> Float64[np.ndarray, "k"]:
        """Chance of a value of at least `x`; `mass` for any where the null values do not vary."""
        if self.scale <= 0:
            return np.full_like(x, self.mass)
        z = np.maximum(x - self.start, 0.0) / self.scale
        power = np.exp(-z) if self.shape < 1e-6 else (1 + self.shape * z) ** (-1 / self.shape)
        return np.asarray(self.mass * power)


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The upper tail of a statistic under the null: ascending null values and the law of their far end."""

    nulls: Float64[np.ndarray, "b"]
    law: Pearson3 | Pareto

    def p(self, x: Float64[np.ndarray, "k"], *, among: int = 0) -> Float64[np.ndarray, "k"]:
        """P-values in (0, 1], never rising with `x`. `among` is 1 where each `x` is itself one of the null values.

        (1 + b) / (1 + B) where b of the B null values are at least `x`; below 5 / (1 + B) the law's, if that is less.
        """
        size = len(self.nulls) + 1
        p = (1 + len(self.nulls) - among - np.searchsorted(self.nulls, x, side="left")) / size
        far = np.minimum(self.law.beyond(x), FEWEST / size)
        return np.clip(np.where(p < FEWEST / size, far, p), LEAST_P, 1.0)
