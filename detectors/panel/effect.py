"""How much has moved: the share of foreign rows that would move a statistic as far."""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int
from scipy.fft import dct
from torch import Tensor

from detectors.kernels import Z
from detectors.panel.space import Rows, Space, observe
from detectors.panel.statistics import NAMES, TWO_SIDED, evaluate

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
REPEATS = 32

FOREIGN: Final = frozenset({"ridge_strong", "ridge_light", "mahalanobis_mean", "mahalanobis_sd", "novelty"})
_FOREIGN = np.array([name in FOREIGN for name in NAMES])
_BOTH = np.array([name in TWO_SIDED for name in NAMES])


@dataclass(frozen=True, slots=True)
class Effect:
    """How much has moved. All intervals are of 95 %.

    `share` in [0, 1] is the equivalent contamination, and not a count of bad rows: what share of a window's rows,
    replaced by rows as far out as those of `Curves`, would move the statistic `by` as far; 0 where that is less than
    one row. `low` and `high` are the shares that could as well have given the value seen. Rows further out are fewer:
    `low` is at most the smallest share that can have moved the scores or the novelty so far. Rows less so are more:
    `high` is at least one row, and as many as are novel where novelty is significant.
    `mmd2` is the unbiased squared MMD at the median bandwidth, in kernel units, not floored.
    """

    share: float
    low: float
    high: float
    by: str
    mmd2: float
    mmd2_low: float
    mmd2_high: float


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Equivalent contamination by each statistic."""

    share: Float64[np.ndarray, "s"]
    low: Float64[np.ndarray, "s"]
    high: Float64[np.ndarray, "s"]

    def of(self, by: int) -> tuple[float, float, float]:
        """The share and its interval by the statistic `by`."""
        return float(self.share[by]), float(self.low[by]), float(self.high[by])


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the rows themselves say of the share: at least `fewest` are foreign, 1 where nothing speaks for so few, and
    `most` may be, the upper end of the share that is novel, 0 where novelty is not significant."""

    fewest: float
    most: float


def interval(share: float, low: float, high: float, n: int, rows: Bounds) -> tuple[float, float, float]:
    """The share and its interval as `Effect` has them, for a window of `n` rows."""
    high = max(high, rows.most, 1 / n)
    share, low = (0.0 if x < 1 / n else x for x in (share, min(low, rows.fewest)))
    return share, low, high


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """How far each statistic moves, on average and with what standard deviation, at each share of injected rows.

    No one kind of rows moves every statistic, so there are two. "Known": one region of the reference, its most extreme
    tenth along the widest axis, as when one topic grows. "Foreign", for the statistics `FOREIGN` that weigh or
    look for what is unusual in the reference: those same rows rotated, as if from another model; as long and as far
    apart as before, but in no healthy direction. How many rows it takes to move these depends on how unusual the rows
    are, so the upper end of their interval is that of the kind which moves them less: `least` is the lower end of what
    a statistic has moved by at each share, of either kind.
    """

    shares: Float64[np.ndarray, "e"]
    resting: Float64[np.ndarray, "s"]
    moved: Float64[np.ndarray, "e s"]
    spread: Float64[np.ndarray, "e s"]
    least: Float64[np.ndarray, "e s"]

    def equivalents(self, values: Float64[np.ndarray, "s"]) -> Shares:
        """The smallest share that moves each statistic as far as `values`; 1 if none does."""
        gap = values - self.resting
        gap = np.where(_BOTH, np.abs(gap), gap)
        return Shares(
            self._inverted(gap, self.moved),
            self._inverted(gap, self.moved + Z * self.spread),
            self._inverted(gap, self.least),
        )

    def _inverted(self, gap: Float64[np.ndarray, "s"], curves: Float64[np.ndarray, "e s"]) -> Float64[np.ndarray, "s"]:
        rising = np.maximum.accumulate(curves, axis=0)
        return np.array([_crossing(g, curve, self.shares) for g, curve in zip(gap, rising.T, strict=True)], np.float64)


def _crossing(level: float, curve: Float64[np.ndarray, "e"], shares: Float64[np.ndarray, "e"]) -> float:
    """Where the non-decreasing `curve` first reaches `level`; the last of `shares` if it never does."""
    at = int(np.searchsorted(curve, level, side="left"))
    if at == 0 or at == len(curve):
        return float(shares[min(at, len(curve) - 1)])
    part = (level - curve[at - 1]) / (curve[at] - curve[at - 1])
    return float(shares[at - 1] + part * (shares[at] - shares[at - 1]))


def fit_curves(space: Space, rows: Rows, bank: Float64[np.ndarray, "b s"], n: int, rng: np.random.Generator) -> Curves:
    """Curves from windows of R_cal (`rows`) of `n` rows, of which known shares are injected; none is there twice."""
    m, on = len(rows.centred), rows.centred.device
    source = rows.lead[:, 0].argsort(descending=True)[: max(ceil(m / 10), n)]
    everything = joined(rows, observe(space, turned(rows.centred[source], rng)))
    counts = sorted({max(1, round(share * n)) for share in SHARES})
    known = np.stack([_injected(source.cpu().numpy(), m, n, k, rng) for k in counts for _ in range(REPEATS)])
    place = np.arange(m)
    place[source.cpu().numpy()] = m + np.arange(len(source))
    first = np.arange(n) < np.repeat(counts, REPEATS)[:, None]
    foreign = np.where(first, place[known], known)
    by_kind = [evaluate(space, everything, torch.from_numpy(p).to(on)).cpu().numpy() for p in (known, foreign)]
    values = np.stack(by_kind).reshape(2, len(counts), REPEATS, len(NAMES))
    resting = bank.mean(0)
    moved = values.mean(2) - resting
    moved = np.pad(np.where(_BOTH, np.abs(moved), moved), ((0, 0), (1, 0), (0, 0)))
    spread = np.concatenate([np.tile(bank.std(0), (2, 1, 1)), values.std(2)], 1)
    known_least, foreign_least = np.maximum.accumulate(moved - Z * spread, axis=1)
    return Curves(
        np.array([0, *counts]) / n,
        resting,
        np.where(_FOREIGN, moved[1], moved[0]),
        np.where(_FOREIGN, spread[1], spread[0]),
        np.where(_FOREIGN, np.minimum(known_least, foreign_least), known_least),
    )


def _injected(source: Int[np.ndarray, "a"], m: int, n: int, k: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """`k` rows of `source`, then `n` - `k` others of the `m` rows."""
    inside = rng.choice(source, k, replace=False)
    spare = rng.choice(m, n, replace=False)
    return np.concatenate([inside, spare[~np.isin(spare, inside)]])[:n]


def turned(centred: Float32[Tensor, "n d"], rng: np.random.Generator) -> Float32[Tensor, "n d"]:
    """`centred` rotated as if at random: as long and as far apart as before, the length in all directions alike.

    Two cosine transforms of rows with random signs are that, at d log d instead of d^3.
    """
    x = centred.cpu().numpy()
    for _ in range(2):
        x = dct(x * rng.choice(np.array([-1, 1], np.float32), x.shape[1]), norm="ortho")
    return torch.from_numpy(x).to(centred.device)


def joined(first: Rows, second: Rows) -> Rows:
    """The rows of both, in this order."""
    return Rows(
        torch.cat([first.centred, second.centred]),
        torch.cat([first.lead, second.lead]),
        torch.cat([first.score, second.score]),
        torch.cat([first.near, second.near]),
        torch.cat([first.novel, second.novel]),
        first.anchored + second.anchored,
        torch.cat([first.along, second.along]),
        torch.cat([first.raw, second.raw]),
        torch.cat([first.clusters, second.clusters]),
    )
