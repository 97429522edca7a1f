"""Numerics that detectors share: fits kept with their reference, draws, distances, and counts with their chances."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import update_wrapper
from threading import Lock
from typing import Generic, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from scipy.special import betaln, gammaln
from torch import Tensor

from drift.errors import TooFewRowsError
from drift.records import Reference, Window

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LEAST_P = float(np.finfo(np.float64).tiny)
"""A chance too small for a float64 is reported as this: a p-value is never zero."""

Z = 1.959964
"""So many standard deviations on either side hold 95 % of a normal law."""

DEAD = 1e-4
"""A dimension is dead where its standard deviation is smaller than this part of the median."""


def device() -> torch.device:
    """Where numerics run: the first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tensor(vectors: Float32[np.ndarray, "n d"]) -> Float32[Tensor, "n d"]:
    """A copy of `vectors` on the device; never a view, because stored vectors are read-only."""
    return torch.tensor(vectors, device=device())


@dataclass(slots=True)
class _Shelf(Generic[T]):
    """What one fit has given for one reference, by its further arguments."""

    lock: Lock = field(default_factory=Lock)
    kept: dict[Hashable, T] = field(default_factory=dict)


class Pinned(Generic[T, *Ts]):
    """A fit that runs once per reference object and further (hashable) arguments: see `pinned`."""

    def __init__(self, fit: Callable[[Reference, *Ts], T]) -> None:
        self._fit = fit
        self._shelves: WeakKeyDictionary[Reference, _Shelf[T]] = WeakKeyDictionary()
        self._guard = Lock()
        update_wrapper(self, fit)

    def __call__(self, reference: Reference, *args: *Ts) -> T:
        shelf = self._shelf(reference)
        with shelf.lock:  # one lock per reference: a long fit holds up nobody else's look-up
            if args not in shelf.kept:
                shelf.kept[args] = self._fit(reference, *args)
            return shelf.kept[args]

    def put(self, value: T, reference: Reference, *args: *Ts) -> None:
        """Hand in what the fit would give, from an earlier one."""
        shelf = self._shelf(reference)
        with shelf.lock:
            shelf.kept[args] = value

    def _shelf(self, reference: Reference) -> _Shelf[T]:
        with self._guard:
            return self._shelves.setdefault(reference, _Shelf())


def pinned(fit: Callable[[Reference, *Ts], T]) -> Pinned[T, *Ts]:
    """`fit`, run once per reference object and further (hashable) arguments, and kept as long as the reference lives.

    Two threads that ask for the same fit at once share one run. `fit` must be deterministic (randomness from `seeded`)
    and must not keep the reference itself in its result, or neither would ever be freed.
    """
    return Pinned(fit)


def seeded(reference: Reference, purpose: str) -> np.random.Generator:
    """Randomness that depends on the reference's version and on `purpose` alone, for fits that are pinned."""
    digest = hashlib.sha256(f"{reference.version}/{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def require_rows(detector: str, window: Window, least: int) -> None:
    """Raise TooFewRowsError unless `window` has at least `least` rows."""
    if (rows := len(window.rows)) < least:
        raise TooFewRowsError(
            f"{detector} needs at least {least} rows, window {window} has {rows}: "
            "widen the window or raise the stream's sample size"
        )


def on_grid(n: int) -> int:
    """The largest window size of a grid, with eight sizes between one power of two and the next, that is at most `n`.

    What is fitted for each window size is then fitted for a few sizes only, whatever the traffic.
    """
    step = 1 << max(0, n.bit_length() - 4)
    return n // step * step


def draw(x: Float[Tensor, "m d"], n: int, rng: np.random.Generator) -> Float[Tensor, "n d"]:
    """`n` of the rows of `x`, in random order and without replacement; `x` itself if it has no more than `n`."""
    if n >= len(x):
        return x
    return x[torch.from_numpy(drawn(len(x), n, rng)).to(x.device)]


def drawn(m: int, n: int, rng: np.random.Generator) -> Int[np.ndarray, "k"]:
    """The places of the rows that `draw` takes of `m` rows: k = min(n, m)."""
    return np.arange(m) if n >= m else rng.choice(m, n, replace=False)


def squared_distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Squared Euclidean distances, at least 0. Centre both by the reference mean first, or float32 cancels.

    The distance of a row to itself is rounding noise, not 0: leave it out by index.
    """
    norms = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.addmm(norms, x, y.mT, alpha=-2).clamp_(min=0)


def spectrum(x: Float[Tensor, "n d"]) -> Float64[Tensor, "k"]:
    """Sums of squares of `x` along its k = min(n, d) principal axes, ascending; all 0 where its rows are equal.

    Divided by n - 1 they are the eigenvalues of the covariance, less those that must be 0.
    """
    x = x.double()
    centred = x - x.mean(0)
    # The smaller of the two products has the same non-zero eigenvalues.
    product = centred @ centred.mT if len(x) < x.shape[1] else centred.mT @ centred
    found = torch.linalg.eigvalsh(product).clamp(min=0)
    # What float64 leaves of equal rows; float32 cannot hold less than 1e-15.
    return found if found.sum() > 1e-24 * x.square().sum() else torch.zeros_like(found)


def entropy_rank(weights: Float64[Tensor, "k"]) -> float:
    """exp of the entropy of `weights` (at least 0): k where they are equal, 1 where one has all, 0 where all are 0."""
    total = weights.sum()
    return float(torch.special.entr(weights / total).sum().exp()) if total > 0 else 0.0


def pair_distances(x: Float[Tensor, "n d"]) -> Float[Tensor, "p"]:
    """Squared distances of all p = n (n - 1) / 2 pairs of rows; n >= 2."""
    return squared_distances(x, x)[tuple(torch.triu_indices(len(x), len(x), 1, device=x.device))]


def length_scale(pairs: Float[Tensor, "p"]) -> float:
    """The median of squared distances, the unit of bandwidths; 0 only where all rows are equal."""
    median, mean = float(pairs.median()), float(pairs.mean())
    # More than half of the pairs may be duplicates, a rounding error apart; the mean is a length all the same.
    return median if median > 1e-5 * mean else mean


def mean_kernel(d2: Float[Tensor, "*shape"], scales: tuple[float, ...]) -> Float[Tensor, "*shape"]:
    """Mean over `scales` of the Gaussian kernel exp(-d2 / scale), in [0, 1]."""
    out = torch.zeros_like(d2)
    for scale in scales:
        out += torch.exp(d2 * (-1 / scale))
    return out / len(scales)


def mmd2(near: Float64[Tensor, "b"], rows: Float64[Tensor, "b"], total: float, n: int, m: int) -> Float64[Tensor, "b"]:
    """Unbiased squared MMD (Gretton et al., JMLR 13, 2012) of `b` splits of n + m rows from sums over ordered pairs.

    `near` sums the kernel over pairs on the side of n, `rows` over pairs whose first is, `total` over all; no row is
    paired with itself. n, m >= 2.
    """
    far = total - 2 * rows + near
    return far / (m * (m - 1)) + near / (n * (n - 1)) - 2 * (rows - near) / (m * n)


def wilson(successes: int, n: int, z: float = Z) -> tuple[float, float]:
    """Wilson's (1927) interval for a share, 95 % by default; inside [0, 1], around the share, never of zero
    width. `n` >= 1."""
    share, spread = successes / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (share * (1 - share) / n + spread / (4 * n)) ** 0.5
    # Rounding must not push a bound past the share itself where that is 0 or 1.
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def beta_binomial(n: int, a: float, b: float) -> Float64[np.ndarray, "k"]:
    """Chances of 0 .. `n` successes (k = n + 1) in `n` rows whose common rate is itself drawn from Beta(a, b)."""
    x = np.arange(n + 1, dtype=np.float64)
    ways = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)
    return np.asarray(np.exp(ways + betaln(x + a, n - x + b) - betaln(a, b)))


def central_range(chances: Float64[np.ndarray, "k"], mass: float = 0.99) -> tuple[int, int]:
    """The counts between which `mass` of `chances` (of 0 .. k - 1) lies, at most half of the rest on either side."""
    below = np.cumsum(chances)
    low, high = np.searchsorted(below, [(1 - mass) / 2, (1 + mass) / 2])
    return int(low), min(int(high), len(chances) - 1)


def chance(parts: Float64[np.ndarray, "k"]) -> float:
    """The sum of `parts` as a p-value: in (0, 1] whatever the rounding."""
    return float(np.clip(parts.sum(), LEAST_P, 1.0))
