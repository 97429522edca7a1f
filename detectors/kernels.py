"""Numerics that detectors share: fits kept with their reference, draws, distances, and counts with their chances."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import wraps
from threading import Lock
from typing import Generic, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from scipy.special import betaln, gammaln
from torch import Tensor

from drift.errors import TooFewRowsError
from drift.records import Reference, Window

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LEAST_P = float(np.finfo(np.float64).tiny)
"""A chance too small for a float64 is reported as this: a p-value is never zero."""


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


def pinned(fit: Callable[[Reference, *Ts], T]) -> Callable[[Reference, *Ts], T]:
    """`fit`, run once per reference object and further (hashable) arguments, and kept as long as the reference lives.

    Two threads that ask for the same fit at once share one run. `fit` must be deterministic (randomness from `seeded`)
    and must not keep the reference itself in its result, or neither would ever be freed.
    """
    shelves: WeakKeyDictionary[Reference, _Shelf[T]] = WeakKeyDictionary()
    guard = Lock()

    @wraps(fit)
    def fitted(reference: Reference, *args: *Ts) -> T:
        with guard:
            shelf = shelves.setdefault(reference, _Shelf())
        with shelf.lock:  # one lock per reference: a long fit holds up nobody else's look-up
            if args not in shelf.kept:
                shelf.kept[args] = fit(reference, *args)
            return shelf.kept[args]

    return fitted


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


def draw(x: Float[Tensor, "m d"], n: int, rng: np.random.Generator) -> Float[Tensor, "n d"]:
    """`n` of the rows of `x`, in random order and without replacement; `x` itself if it has no more than `n`."""
    if n >= len(x):
        return x
    return x[torch.from_numpy(rng.choice(len(x), n, replace=False)).to(x.device)]


def squared_distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Squared Euclidean distances, at least 0. Centre both by the reference mean first, or float32 cancels.

    The distance of a row to itself is rounding noise, not 0: leave it out by index.
    """
    norms = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.addmm(norms, x, y.mT, alpha=-2).clamp_(min=0)


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
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
