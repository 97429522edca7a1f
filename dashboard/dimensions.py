"""Dimension by dimension: variance against the reference, and the distributions that have changed most."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64
from scipy.special import ndtri

from dashboard.sides import Sides

DRAWS: Final = 24
SHOWN: Final = 512  # dimensions on one axis; of more, the least and the greatest of each stretch stay
MOST_ROWS: Final = 1000
BINS: Final = 32
TAILS: Final = 0.005  # of the pooled rows, outside of a histogram's bins on either side
LEVEL: Final = 0.01  # chance that a healthy window has any dimension beyond


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Shares of rows in bins between `edges` (k + 1,), (k,) each: of the window and of the reference.

    `apart` is the largest difference of the two distribution functions (Kolmogorov and Smirnov).
    """

    name: str
    edges: Float64[np.ndarray, "e"]
    window: Float64[np.ndarray, "k"]
    reference: Float64[np.ndarray, "k"]
    apart: float


@dataclass(frozen=True, slots=True, eq=False)
class Dimensions:
    """Variance ratios of `shown` dimensions, the range of healthy ones, and histograms of those that differ most.

    `beyond` of `count` dimensions lie outside of the range `low` to `high`; `moved` have another distribution. Those in
    which both sides together vary by no more than rounding does are neither, nor among those that differ most.
    """

    shown: tuple[int, ...]
    ratios: Float64[np.ndarray, "k"]
    low: float
    high: float
    beyond: int
    moved: int
    count: int
    histograms: tuple[Histogram, ...]


def compare(sides: Sides, *, most: int = 5, also: int | None = None) -> Dimensions:
    """All dimensions of both sides; `also` is a dimension whose histogram is wanted in any case."""
    window, d = sides.window[: sides.rows], sides.window.shape[1]
    live = spread(sides) > rounding(sides.reference)
    ratios = np.where(live, _ratios(window, sides.reference), 1.0)
    subsets = (_ratios(subset, sides.reference) for subset in sides.subsets(DRAWS))
    nulls = np.log(np.stack([each[live] for each in subsets]))
    # One range for all, since a spread of its own would be told by few subsets; it allows for as many as there are.
    half = float(ndtri(1 - LEVEL / (2 * d)) * sides.widening * nulls.std()) if live.any() else 0.0
    low, high = float(np.exp(-half)), float(np.exp(half))
    apart = np.where(live, distances(sides.window, sides.reference), 0.0)
    order = [int(i) for i in np.argsort(-apart)[:most] if live[i]]
    if also is not None and 0 <= also < d and also not in order:
        order = [also, *order]
    norms = histogram("norm", *(np.linalg.norm(x, axis=1) for x in (sides.window, sides.reference)))
    shown = thinned(ratios)
    return Dimensions(
        shown=tuple(shown),
        ratios=ratios[shown],
        low=low,
        high=high,
        beyond=int(((ratios < low) | (ratios > high)).sum()),
        moved=int((apart > bound(sides, d)).sum()),
        count=d,
        histograms=(
            norms,
            *(histogram(f"dimension {i}", sides.window[:, i], sides.reference[:, i]) for i in order),
        ),
    )


def distances(x: Float32[np.ndarray, "n d"], y: Float32[np.ndarray, "m d"]) -> Float64[np.ndarray, "d"]:
    """The Kolmogorov-Smirnov distance of each dimension, of at most `MOST_ROWS` rows of either."""
    x, y = (each[:MOST_ROWS] for each in (x, y))
    n, m = len(x), len(y)
    order = np.concatenate([x, y]).argsort(axis=0, kind="stable")
    steps = np.where(order < n, 1 / n, -1 / m).cumsum(axis=0)
    # Between equal values there is no step to be seen.
    ordered = np.take_along_axis(np.concatenate([x, y]), order, axis=0)
    last = np.vstack([ordered[1:] != ordered[:-1], np.ones((1, x.shape[1]), bool)])
    found: Float64[np.ndarray, d] = np.abs(np.where(last, steps, 0.0)).max(0)
    return found


def spread(sides: Sides) -> Float64[np.ndarray, "d"]:
    """The standard deviation of each dimension over the rows of both sides, so that a constant that moved has one."""
    found: Float64[np.ndarray, d] = np.concatenate([sides.window, sides.reference]).std(0, dtype=np.float64)
    return found


def rounding(x: Float32[np.ndarray, "n d"]) -> float:
    """By how much vectors as long as `x` are off, in any dimension, where they are computed in 32 bits."""
    return float(np.finfo(np.float32).eps * np.sqrt(np.square(x, dtype=np.float64).sum(1).mean()))


def bound(sides: Sides, dims: int) -> float:
    """The distance that any of `dims` dimensions of a healthy window exceeds with a chance of at most `LEVEL`."""
    n, m = (min(len(x), MOST_ROWS) for x in (sides.window, sides.reference))
    return float(np.sqrt(np.log(2 * dims / LEVEL) / 2 * (n + m) / (n * m)))


def histogram(name: str, x: Float32[np.ndarray, "n"], y: Float32[np.ndarray, "m"]) -> Histogram:
    """Both in bins of one width; what lies outside of them is counted in the outermost."""
    low, high = np.quantile(np.concatenate([x, y]), [TAILS, 1 - TAILS])
    margin = 0.02 * (high - low) or 1e-3 * abs(high) or 1e-3
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    shares = [np.histogram(np.clip(of, edges[0], edges[-1]), edges)[0] / len(of) for of in (x, y)]
    return Histogram(name, edges, shares[0], shares[1], float(distances(x[:, None], y[:, None])[0]))


def thinned(ratios: Float64[np.ndarray, "d"]) -> list[int]:
    """The dimensions to show: all, or the least and the greatest ratio of each stretch of them."""
    if len(ratios) <= SHOWN:
        return list(range(len(ratios)))
    parts = np.array_split(np.arange(len(ratios)), SHOWN // 2)
    return sorted({int(part[pick(ratios[part])]) for part in parts for pick in (np.argmin, np.argmax)})


def _ratios(x: Float32[np.ndarray, "n d"], y: Float32[np.ndarray, "m d"]) -> Float64[np.ndarray, "d"]:
    """Variance of each dimension over that of the reference; a constant one counts as the least that can be told."""
    least = np.finfo(np.float32).tiny
    window, reference = (np.maximum(of.var(0, ddof=1, dtype=np.float64), least) for of in (x, y))
    found: Float64[np.ndarray, d] = window / reference
    return found
