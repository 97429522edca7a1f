"""The spectrum of a window against the reference's: how many directions are used, and whether they are the same."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from dashboard.sides import Sides, fresh

DRAWS: Final = (4, 24)
USUAL: Final = 384  # so many dimensions take all draws; a spectrum takes their third power
MOST_ROWS: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Shares of the variance, the largest first (k,): of the window, of as many rows of the reference (the middle of
    several draws), and between what 99 % of fresh windows lie. `along` is the share of the window's variance along the
    reference's own directions, in their order.
    """

    window: Float64[np.ndarray, "k"]
    reference: Float64[np.ndarray, "k"]
    low: Float64[np.ndarray, "k"]
    high: Float64[np.ndarray, "k"]
    along: Float64[np.ndarray, "k"]
    rows: int

    @property
    def ranks(self) -> tuple[float, float]:
        """The effective rank of either."""
        return effective_rank(self.window), effective_rank(self.reference)

    @property
    def needed(self) -> tuple[int, int]:
        """How many directions have nine tenths of the variance of either."""
        return directions(self.window), directions(self.reference)


def compare(sides: Sides) -> Spectrum:
    """Spectra of as many rows of either side, since a spectrum depends on their number."""
    n = min(sides.rows, MOST_ROWS)
    size = min(n, sides.window.shape[1])
    draws = int(np.clip(DRAWS[1] * (USUAL / size) ** 3, *DRAWS))
    window, nulls = shares(sides.window[:n]), np.stack([shares(x[:n]) for x in sides.subsets(draws)])
    least = 1e-9
    middle, low, high = np.exp(fresh(np.log(np.maximum(nulls, least)), sides.widening))
    return Spectrum(np.maximum(window, least), middle, low, high, _along(sides, n, len(window)), n)


def shares(x: Float32[np.ndarray, "n d"]) -> Float64[np.ndarray, "k"]:
    """The share of the variance along each principal direction of `x`, the largest first; k = min(n - 1, d)."""
    centred = (x - x.mean(0)).astype(np.float64)
    n, d = centred.shape
    product = centred.T @ centred if d < n else centred @ centred.T
    found = np.maximum(np.linalg.eigvalsh(product)[::-1][: min(n - 1, d)], 0.0)
    total = found.sum()
    even: Float64[np.ndarray, k] = found / total if total else np.zeros_like(found)
    return even


def effective_rank(of: Float64[np.ndarray, "k"]) -> float:
    """The number of directions in use: exp of the entropy, as in the detector of that name."""
    p = of[of > 0] / of.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def directions(of: Float64[np.ndarray, "k"], part: float = 0.9) -> int:
    """How many of the first directions have `part` of the variance."""
    return int(np.searchsorted(of.cumsum(), part * of.sum()) + 1)


def _along(sides: Sides, n: int, k: int) -> Float64[np.ndarray, "k"]:
    reference = sides.reference[: 2 * MOST_ROWS].astype(np.float64)
    axes = np.linalg.svd(reference - reference.mean(0), full_matrices=False)[2][:k]
    window = (sides.window[:n] - sides.window[:n].mean(0)).astype(np.float64)
    total = float((window**2).sum()) or 1.0
    found: Float64[np.ndarray, k] = np.maximum(((window @ axes.T) ** 2).sum(0) / total, 1e-9)
    return found
