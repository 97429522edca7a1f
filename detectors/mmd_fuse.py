"""MMD-FUSE: the maximum mean discrepancy at many bandwidths and with two kernels, fused into one exact test."""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Float, Float64
from numpy.random import Generator
from scipy.special import logsumexp
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import on_grid, pinned, squared_distances
from detectors.permuting import Block, apart, measurement, permuted
from detectors.strips import Gaussian
from drift.records import Measurement, Reference, Window

SPREAD_BY: Final = 1024


@final
@dataclass(frozen=True, slots=True)
class MmdFuse:
    """Change of distribution: MMDs of several kernels, fused (Biggs, Schrab and Gretton, NeurIPS 2023).

    log of the mean over kernels of exp(MMD^2 / sd), each in the standard deviation that the reference predicts for it
    when nothing has changed: then near 0, and close to that of the best kernel where one sees a change. One set of
    permutations serves all kernels, so the p-value, (1 + b) / (1 + permutations), is exact whatever the kernels. The
    band holds 99 % of the values that the permutations give.

    The kernels are Gaussian, exp(-d2 / (b s)), and Laplacian, exp(-d / (b s)^.5), for each b in `bandwidths`, with s
    the reference's median squared distance. Rows are used as in `mmd`.
    """

    name: ClassVar[str] = "mmd_fuse"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "at some scale the embeddings are not distributed as in the reference: the traffic, or the encoder, has changed"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the model may need "
        "retraining on it; if not, fix the serving path."
    )

    permutations: int = 999
    bandwidths: tuple[float, ...] = (0.0625, 0.25, 1.0)
    reference_rows: int = 2560
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.permutations < 1 or self.reference_rows < 2 or not self.bandwidths or min(self.bandwidths) <= 0:
            raise ValueError(f"mmd_fuse needs permutations >= 1, reference_rows >= 2 and bandwidths > 0, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        rows = independent_rows(self.name, window, reference, self.min_rows)
        n = on_grid(len(rows))
        seed = int(rng.integers(2**63))
        held = kernels(reference, self.reference_rows, self.bandwidths)
        # The same seed for each: the kernels are compared on the same splits.
        values = [
            permuted(reference, one.block, rows.vectors[:n], self.permutations, np.random.default_rng(seed))
            / (one.spread * (1 / n + 1 / len(one.block.rows)))
            for one in held
        ]
        return measurement(window, reference, self.name, fuse(np.stack(values)), n)


def fuse(standard: Float64[np.ndarray, "k b"]) -> Float64[np.ndarray, "b"]:
    """The soft maximum over `k` kernels of standardised values, for each of `b` splits."""
    return np.asarray(logsumexp(standard, axis=0) - np.log(len(standard)))


@dataclass(frozen=True, slots=True)
class Laplacian:
    """The kernel exp(-|x - y| / length), less `level`: only rounding notices."""

    length: float
    level: float

    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
        return squared_distances(x, y).sqrt_().mul_(-1 / self.length).exp_().sub_(self.level)


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """A block, and the standard deviation of its squared MMD when nothing has changed, times 1 / (1/n + 1/m)."""

    block: Block
    spread: float


@pinned
def kernels(reference: Reference, most: int, bandwidths: tuple[float, ...]) -> tuple[Standardised, ...]:
    """A block for each kernel, all of the first `most` rows; a thousand of them say how far apart rows lie.

    Raises:
        UnmeasurableError: those rows are all equal, so that there is no bandwidth.
    """
    held = apart(MmdFuse.name, reference, most)
    found: list[Gaussian | Laplacian] = []
    for scale in (b * held.scale for b in bandwidths):
        found.append(Gaussian((scale,), float((held.pairs / -scale).exp().double().mean())))
        found.append(Laplacian(scale**0.5, float((held.pairs / scale).sqrt().neg().exp().double().mean())))
    blocks = (Block(held.rows, held.centre, kernel) for kernel in found)
    return tuple(Standardised(block, spread(block)) for block in blocks)


def spread(block: Block) -> float:
    """The root of twice the mean square of the doubly centred kernel over pairs of rows, at most a thousand of them."""
    rows = block.rows[:SPREAD_BY]
    k = block.kernel(rows, rows).double().fill_diagonal_(0)
    n = len(rows)
    mean = k.sum(1) / max(n - 1, 1)
    k = (k - mean - mean[:, None] + mean.mean()).fill_diagonal_(0)
    return max(sqrt(2 * float(k.square().sum()) / max(n * (n - 1), 1)), 1e-12)
