"""Permutation test on the maximum mean discrepancy: has the distribution of the embeddings changed?"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from numpy.random import Generator
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import (
    device,
    length_scale,
    mean_kernel,
    mmd2,
    on_grid,
    pair_distances,
    pinned,
    seeded,
    squared_distances,
    tensor,
)
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window

SCALED_BY: Final = 1024
STRIP: Final = 512


@final
@dataclass(frozen=True, slots=True)
class Mmd:
    """Change of distribution: unbiased squared MMD with a permutation p-value (Gretton et al., JMLR 13, 2012).

    Squared distance of mean embeddings, in kernel units (at most 2); about 0, and negative half of the time, when
    nothing has changed: it is never floored. The p-value is (1 + b) / (1 + permutations). The band holds 99 % of the
    values that the permutations give.

    The kernel is the mean of Gaussian kernels exp(-d2 / (b * s)), one for each b in `bandwidths`, where s is the median
    squared distance in the reference. A mean of kernels is a kernel, so value, band and p-value are about one number
    and the test is exact as it stands; a maximum over bandwidths would have to be standardised within the permutations.

    The reference's first `reference_rows` rows are used (they are in random order), and of the window as many as the
    grid of window sizes has: each size needs a fit of its own. Windows should have at most a
    twentieth as many: with fewer reference rows a healthy stream's own share of small p-values strays from nominal.
    """

    name: ClassVar[str] = "mmd"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "the embeddings are not distributed as in the reference: the traffic, or the encoder, has changed"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the model may need "
        "retraining on it; if not, fix the serving path."
    )

    permutations: int = 999
    bandwidths: tuple[float, ...] = (0.25, 1.0)
    reference_rows: int = 5120
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.permutations < 1 or self.reference_rows < 2 or not self.bandwidths or min(self.bandwidths) <= 0:
            raise ValueError(f"mmd needs permutations >= 1, reference_rows >= 2 and bandwidths > 0, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        # Copies move together, where the permutations move each row by itself.
        used = independent_rows(self.name, window, reference, self.min_rows)
        n = on_grid(len(used))
        held = reference_block(reference, self.reference_rows, self.bandwidths)
        part = reference_part(reference, self.reference_rows, self.bandwidths, n, self.permutations)
        rows = tensor(used.vectors[:n]) - held.centre
        values = split_mmd2(
            part,
            held.kernel(rows, held.rows),
            held.kernel(rows, rows).fill_diagonal_(0),
            chosen(orderings(reference, len(held.rows), self.permutations), part.taken).to(rows.dtype),
            chosen(random_orders(rng, len(part.taken), n).to(rows.device), n - part.taken).to(rows.dtype),
        )
        observed, permuted = float(values[0]), values[1:].cpu().numpy()
        p = (1 + int((permuted >= observed).sum())) / (1 + self.permutations)
        low, high = np.quantile(permuted, (0.005, 0.995))
        return Measurement.of(
            window, reference, detector=self.name, value=observed, rows=n, p_value=p, band=(float(low), float(high))
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceBlock:
    """The reference's rows, centred (MMD does not see a shift of both sides; float32 does), and the kernel they pin."""

    rows: Float[Tensor, "m d"]
    centre: Float[Tensor, "d"]
    scales: tuple[float, ...]
    level: float

    def kernel(self, x: Float[Tensor, "n d"], y: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
        """Mean kernel of the pairs, less `level`: the statistic's weights sum to zero, so only rounding notices."""
        return mean_kernel(squared_distances(x, y), self.scales) - self.level


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePart:
    """What `b` ways to split the pooled rows owe to the reference alone. The first way is the observed one.

    `taken` is how many reference rows each way puts on the window's side, `within` the sum of the Gram matrix over
    ordered pairs of those, `across` over pairs of one of those and any reference row, `total` over all pairs.
    """

    taken: Int[Tensor, "b"]
    within: Float64[Tensor, "b"]
    across: Float64[Tensor, "b"]
    total: float


@pinned
def reference_block(reference: Reference, most: int, bandwidths: tuple[float, ...]) -> ReferenceBlock:
    """Centre and bandwidths of the first `most` rows; a thousand of them say how far apart rows lie.

    Raises:
        UnmeasurableError: those rows are all equal, so that there is no bandwidth.
    """
    x = tensor(reference.vectors[:most])
    centre = x.double().mean(0).to(x.dtype)
    x = x - centre
    pairs = pair_distances(x[:SCALED_BY])
    if (scale := length_scale(pairs)) <= 0:
        raise UnmeasurableError(
            f"mmd needs reference rows that differ, the first {min(len(x), SCALED_BY)} rows of {reference} are equal: "
            "de-duplicate the reference or raise reference_rows"
        )
    scales = tuple(b * scale for b in bandwidths)
    return ReferenceBlock(x, centre, scales, float(mean_kernel(pairs, scales).double().mean()))


@pinned
def orderings(reference: Reference, m: int, permutations: int) -> Int[Tensor, "b m"]:
    """The place of each of `m` reference rows in each of `permutations` random orders, after one for the observed."""
    return random_orders(seeded(reference, "mmd"), 1 + permutations, m).to(device())


@pinned
def reference_part(
    reference: Reference, most: int, bandwidths: tuple[float, ...], n: int, permutations: int
) -> ReferencePart:
    """The reference's share of `permutations` random splits for windows of `n` rows.

    It takes m * m * permutations multiplications, where a window's own share takes n * m * permutations. So all windows
    of one size meet the same splits of the reference, and fresh ones of their own rows. The Gram matrix is made in
    strips and not kept: with 5120 rows it would be 105 MB for each reference.
    """
    held = reference_block(reference, most, bandwidths)
    m = len(held.rows)
    own = seeded(reference, f"mmd/{n}").hypergeometric(n, m, n, size=1 + permutations)
    own[0] = n
    taken = torch.from_numpy(n - own).to(held.rows.device)
    z = chosen(orderings(reference, m, permutations), taken).to(held.rows.dtype)
    within = torch.zeros(1 + permutations, dtype=torch.float64, device=z.device)
    sums = torch.zeros(m, dtype=torch.float64, device=z.device)
    for first in range(0, m, STRIP):
        part = slice(first, min(first + STRIP, m))
        strip = held.kernel(held.rows[part], held.rows)
        strip[:, part].fill_diagonal_(0)
        within += (z[:, part] * (z @ strip.mT)).sum(1, dtype=torch.float64)
        sums[part] = strip.sum(1, dtype=torch.float64)
    return ReferencePart(taken, within, z.double() @ sums, float(sums.sum()))


def random_orders(rng: Generator, b: int, m: int) -> Int[Tensor, "b m"]:
    """`b` independent permutations of 0 .. m - 1."""
    narrow = np.int16 if m <= np.iinfo(np.int16).max else np.int32
    return torch.from_numpy(rng.permuted(np.tile(np.arange(m, dtype=narrow), (b, 1)), axis=1))


def chosen(places: Int[Tensor, "b m"], counts: Int[Tensor, "b"]) -> Bool[Tensor, "b m"]:
    """Which rows come among the first `counts` of each order: a uniformly random subset of that size."""
    return places < counts[:, None].to(places.dtype)


def split_mmd2(
    part: ReferencePart,
    k_wr: Float[Tensor, "n m"],
    k_ww: Float[Tensor, "n n"],
    z_r: Float[Tensor, "b m"],
    z_w: Float[Tensor, "b n"],
) -> Float64[Tensor, "b"]:
    """Unbiased squared MMD of `b` splits of the pooled rows into n and m; the diagonal of `k_ww` is zero.

    `z_r` and `z_w` are 1 where a split puts a reference row, a window row on the window's side, else 0. No matrix is
    indexed again: with z the two together and K the pooled Gram matrix, z K z' and z K 1 give all three means.
    """
    n, m = k_wr.shape
    reached = z_r @ k_wr.mT
    sums = k_wr.sum(1, dtype=torch.float64) + k_ww.sum(1, dtype=torch.float64)
    near = part.within + (z_w * (2 * reached + z_w @ k_ww)).sum(1, dtype=torch.float64)
    rows = part.across + reached.sum(1, dtype=torch.float64) + z_w.double() @ sums
    total = part.total + float(k_wr.sum(dtype=torch.float64) + sums.sum())
    return mmd2(near, rows, total, n, m)
