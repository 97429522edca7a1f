"""Permutation tests of windows against a reference whose share of each permutation is computed once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from numpy.random import Generator
from torch import Tensor

from detectors.kernels import length_scale, mean_kernel, mmd2, pair_distances, pinned, seeded, tensor
from detectors.pooled import tail_chance
from detectors.strips import Gaussian, Kernel
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window

SCALED_BY: Final = 1024
STRIP: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The reference's rows, centred (no kernel of distances sees a shift of both sides; float32 does), and a kernel
    pinned to them."""

    rows: Float[Tensor, "m d"]
    centre: Float[Tensor, "d"]
    kernel: Kernel


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """The rows of a block before it has a kernel, their centre, and squared distances of pairs of some of them."""

    rows: Float[Tensor, "m d"]
    centre: Float[Tensor, "d"]
    pairs: Float[Tensor, "p"]

    @property
    def scale(self) -> float:
        """The median squared distance, the unit of bandwidths."""
        return length_scale(self.pairs)

    def gaussian(self, bandwidths: tuple[float, ...]) -> Block:
        """The block with the mean of Gaussian kernels exp(-d2 / (b * scale)), one for each b in `bandwidths`."""
        scales = tuple(b * self.scale for b in bandwidths)
        return Block(self.rows, self.centre, Gaussian(scales, float(mean_kernel(self.pairs, scales).double().mean())))


def apart(detector: str, reference: Reference, most: int) -> Apart:
    """The first `most` rows, of which a thousand say how far apart rows lie.

    Raises:
        UnmeasurableError: that thousand is all equal, so that there is no unit.
    """
    x = tensor(reference.vectors[:most])
    centre = x.double().mean(0).to(x.dtype)
    found = Apart(x - centre, centre, pair_distances(x[:SCALED_BY] - centre))
    if found.scale <= 0:
        raise UnmeasurableError(
            f"{detector} needs reference rows that differ, the first {min(len(x), SCALED_BY)} rows of {reference} are "
            "equal: de-duplicate the reference or raise reference_rows"
        )
    return found


@pinned
def gaussian_block(reference: Reference, detector: str, most: int, bandwidths: tuple[float, ...]) -> Block:
    """The first `most` rows with the mean of Gaussian kernels at `bandwidths`, in units of how far apart they lie.

    Raises:
        UnmeasurableError: they are all equal, so that there is no bandwidth.
    """
    return apart(detector, reference, most).gaussian(bandwidths)


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Which rows each of `b` splits puts on the other side: their `places`, split after split.

    Those of one begin at its entry of `starts`; `taken` is their number.
    """

    places: Int[Tensor, "k"]
    starts: Int[Tensor, "b"]
    taken: Int[Tensor, "b"]

    @classmethod
    def of(cls, z: Bool[Tensor, "b m"]) -> "Moved":
        """Those that are True in `z`."""
        taken = z.sum(1)
        return cls(z.nonzero()[:, 1].int(), (taken.cumsum(0) - taken).int(), taken)

    def sums(self, x: Float[Tensor, "m c"]) -> Float[Tensor, "b c"]:
        """For each split the sum of the rows of `x` that it moves: so few that a product with 0 and 1 takes longer."""
        return torch.nn.functional.embedding_bag(self.places, x, self.starts, mode="sum")


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePart:
    """What `b` ways to split the pooled rows owe to the reference alone. The first way is the observed one.

    `moved` says which reference rows each way puts on the window's side, `within` is the sum of the Gram matrix over
    ordered pairs of those, `across` over pairs of one of those and any reference row, `total` over all pairs.
    """

    moved: Moved
    within: Float64[Tensor, "b"]
    across: Float64[Tensor, "b"]
    total: float


def measurement(
    window: Window, reference: Reference, detector: str, values: Float64[np.ndarray, "b"], rows: int
) -> Measurement:
    """The first of `values` as what `detector` measured of `rows` rows, with its p-value among them all, and a band
    that holds 99 % of the others."""
    low, high = np.quantile(values[1:], (0.005, 0.995))
    return Measurement.of(
        window,
        reference,
        detector=detector,
        value=float(values[0]),
        rows=rows,
        p_value=tail_chance(values),
        band=(float(low), float(high)),
    )


def permuted(
    reference: Reference, held: Block, vectors: Float32[np.ndarray, "n d"], permutations: int, rng: Generator
) -> Float64[np.ndarray, "b"]:
    """The kernel's unbiased squared MMD of `vectors` to `held`, first as observed, then for random splits of both.

    `held` is one of `reference`'s own blocks, the same object each time: its share of the splits is kept.
    """
    n = len(vectors)
    part = reference_part(reference, held, n, permutations)
    rows = tensor(vectors) - held.centre
    stay = chosen(random_orders(rng, 1 + permutations, n).to(rows.device), n - part.moved.taken).to(rows.dtype)
    values = split_mmd2(part, held.kernel(held.rows, rows), held.kernel(rows, rows).fill_diagonal_(0), stay)
    return values.cpu().numpy()


@pinned
def orderings(reference: Reference, m: int, permutations: int) -> Int[Tensor, "b m"]:
    """The place of each of `m` reference rows in each of `permutations` random orders, after one for the observed."""
    return random_orders(seeded(reference, "mmd"), 1 + permutations, m)


@pinned
def reference_part(reference: Reference, held: Block, n: int, permutations: int) -> ReferencePart:
    """The reference's share of `permutations` random splits for windows of `n` rows.

    It takes m / n times what a window's own share takes. So all windows of one size meet the same splits of the
    reference, and fresh ones of their own rows. The Gram matrix is made in strips and not kept: with 5120 rows it would
    be 105 MB for each reference.
    """
    m = len(held.rows)
    own = seeded(reference, f"mmd/{n}").hypergeometric(n, m, n, size=1 + permutations)
    own[0] = n
    taken = torch.from_numpy(n - own).to(held.rows.device)
    ways = chosen(orderings(reference, m, permutations).to(taken.device), taken)
    moved, z = Moved.of(ways), ways.to(held.rows.dtype)
    within = torch.zeros(1 + permutations, dtype=torch.float64, device=z.device)
    sums = torch.zeros(m, dtype=torch.float64, device=z.device)
    for first in range(0, m, STRIP):
        part = slice(first, min(first + STRIP, m))
        strip = held.kernel(held.rows[part], held.rows)
        strip[:, part].fill_diagonal_(0)
        within += (z[:, part] * moved.sums(strip.mT.contiguous())).sum(1, dtype=torch.float64)
        sums[part] = strip.sum(1, dtype=torch.float64)
    return ReferencePart(moved, within, z.double() @ sums, float(sums.sum()))


def random_orders(rng: Generator, b: int, m: int) -> Int[Tensor, "b m"]:
    """`b` independent permutations of 0 .. m - 1."""
    narrow = np.int16 if m <= np.iinfo(np.int16).max else np.int32
    return torch.from_numpy(rng.permuted(np.tile(np.arange(m, dtype=narrow), (b, 1)), axis=1))


def chosen(places: Int[Tensor, "b m"], counts: Int[Tensor, "b"]) -> Bool[Tensor, "b m"]:
    """Which rows come among the first `counts` of each order: a uniformly random subset of that size."""
    return places < counts[:, None].to(places.dtype)


def split_mmd2(
    part: ReferencePart, k_rw: Float[Tensor, "m n"], k_ww: Float[Tensor, "n n"], stay: Float[Tensor, "b n"]
) -> Float64[Tensor, "b"]:
    """Unbiased squared MMD of `b` splits of the pooled rows into n and m; the diagonal of `k_ww` is zero.

    `stay` is 1 where a split leaves a window row on the window's side, else 0. No matrix is indexed again: with z a
    split and K the pooled Gram matrix, z K z' and z K 1 give all three means.
    """
    m, n = k_rw.shape
    reached = part.moved.sums(k_rw)
    sums = k_rw.sum(0, dtype=torch.float64) + k_ww.sum(1, dtype=torch.float64)
    near = part.within + (stay * (2 * reached + stay @ k_ww)).sum(1, dtype=torch.float64)
    rows = part.across + reached.sum(1, dtype=torch.float64) + stay.double() @ sums
    total = part.total + float(k_rw.sum(dtype=torch.float64) + sums.sum())
    return mmd2(near, rows, total, n, m)
