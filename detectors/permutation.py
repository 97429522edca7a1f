"""The permutation test on the maximum mean discrepancy for any two sets of vectors, with no matrix of all pairs."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from detectors.arrays import Vectors, as_rows, require_same_width
from detectors.kernels import draw, length_scale, mean_kernel, mmd2, pair_distances, squared_distances
from drift.errors import UnmeasurableError

SCALE_ROWS = 512
"""So many rows (130,000 pairs) give the median distance to about one part in a hundred."""


@final
@dataclass(frozen=True, slots=True)
class PermutationTest:
    """What a permutation test found.

    `p_value` is (1 + b) / (1 + permutations), in (0, 1]. `statistic` is the unbiased squared MMD in kernel units (at
    most 2), about 0 and negative half of the time where nothing differs: never floored. `null_band` holds 99 % of its
    values under permutation.
    """

    p_value: float
    statistic: float
    null_band: tuple[float, float]


def mmd_permutation_test(
    x: Vectors, y: Vectors, permutations: int = 1000, seed: int = 0, bandwidths: tuple[float, ...] = (0.25, 1.0)
) -> PermutationTest:
    """Do `x`, shape (n, d), and `y`, shape (m, d), come from one distribution? (Gretton et al., JMLR 13, 2012.)

    Exact at every n, m >= 2: of all tests where they do, at most a share alpha has p <= alpha. The rows must be
    independent: keep one row of each session, and leave copies out (`distinct_rows`) that are no popular inputs: twice
    the same rows are a small p. The kernel is the mean of Gaussian kernels
    exp(-d2 / (b * s)) for b in `bandwidths`, s the median squared distance of the pooled rows. One seed, one answer.

    It takes (n + m)^2 * (permutations + d) multiplications and (n + m) * permutations bytes.

    Raises:
        UnmeasurableError: vectors of two lengths, numbers that are not finite, or rows that are all equal.
        TooFewRowsError: fewer than 2 rows on a side.
    """
    if permutations < 1 or not bandwidths or min(bandwidths) <= 0:
        raise ValueError(
            f"mmd_permutation_test needs permutations >= 1 and bandwidths > 0, got {permutations} and {bandwidths}"
        )
    a, b = as_rows(x, "x", 2), as_rows(y, "y", 2)
    require_same_width(a.shape[1], b.shape[1], ("x", "y"))
    pooled = torch.cat([a, b])
    # The test does not see a shift of both sides; float32 does.
    pooled -= pooled.double().mean(0).float()
    rng = np.random.default_rng(seed)
    kernel = pooled_kernel(pooled, bandwidths, rng)
    splits = random_splits(rng, permutations, len(a), len(b)).to(pooled.device)
    values = permuted_mmd2(pooled, splits, kernel, tile_rows(pooled)).cpu().numpy()
    observed, permuted = float(values[0]), values[1:]
    # A split that only renames the two sides is a tie, not the smaller by a rounding error.
    exceeding = int((permuted >= observed - 1e-4 * values.std()).sum())
    low, high = np.quantile(permuted, (0.005, 0.995))
    return PermutationTest((1 + exceeding) / (1 + permutations), observed, (float(low), float(high)))


@dataclass(frozen=True, slots=True)
class PooledKernel:
    """A mean of Gaussian kernels, less its mean value `level`: the statistic's weights sum to zero, so only rounding
    notices."""

    scales: tuple[float, ...]
    level: float

    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
        return mean_kernel(squared_distances(x, y), self.scales) - self.level


def pooled_kernel(
    pooled: Float[Tensor, "n d"], bandwidths: tuple[float, ...], rng: np.random.Generator
) -> PooledKernel:
    """The kernel that a random part of the pooled rows gives; it must not know which side a row is on.

    Raises:
        UnmeasurableError: these rows are all equal, so that there is no bandwidth.
    """
    pairs = pair_distances(draw(pooled, SCALE_ROWS, rng))
    if (scale := length_scale(pairs)) <= 0:
        raise UnmeasurableError("mmd_permutation_test needs rows that differ, x and y hold one vector only")
    scales = tuple(b * scale for b in bandwidths)
    return PooledKernel(scales, float(mean_kernel(pairs, scales).double().mean()))


def random_splits(rng: np.random.Generator, permutations: int, n: int, m: int) -> Bool[Tensor, "b k"]:
    """Which of the k = n + m pooled rows are on the side of `x`: first as observed, then at random."""
    z = np.zeros((1 + permutations, n + m), np.bool_)
    z[0, :n] = True
    for split in z[1:]:
        split[rng.choice(n + m, n, replace=False, shuffle=False)] = True
    return torch.from_numpy(z)


def tile_rows(pooled: Float[Tensor, "k d"]) -> int:
    """A good size of tiles: small ones fit a core's cache and spare more of the half below the diagonal, large ones
    keep a GPU busy, and cores that others use too from waiting for one another at the end of each."""
    return 4096 if pooled.device.type == "cuda" else min(2048, max(512, len(pooled) // 8))


def permuted_mmd2(
    pooled: Float[Tensor, "k d"], splits: Bool[Tensor, "b k"], kernel: PooledKernel, tile: int
) -> Float64[Tensor, "b"]:
    """Unbiased squared MMD of each of `b` splits of the pooled rows; every split has as many rows on its first side.

    With z a split and K the kernel matrix, z K z' and z K 1 give all three means, so no matrix is indexed again. K is
    made in square tiles of `tile` rows, each used once for all splits; those below the diagonal are never made. Sums
    within a tile are in the type of `pooled`, sums of tiles in float64.
    """
    k = len(pooled)
    near = torch.zeros(len(splits), dtype=torch.float64, device=pooled.device)
    sums = torch.zeros(k, dtype=torch.float64, device=pooled.device)
    for i in range(0, k, tile):
        rows, z = pooled[i : i + tile], splits[:, i : i + tile].to(pooled.dtype)
        block = kernel(rows, rows).fill_diagonal_(0)
        sums[i : i + tile] += block.sum(1, dtype=torch.float64)
        near += torch.linalg.vecdot(z, z @ block)
        for j in range(i + tile, k, tile):
            block = kernel(rows, pooled[j : j + tile])
            sums[i : i + tile] += block.sum(1, dtype=torch.float64)
            sums[j : j + tile] += block.sum(0, dtype=torch.float64)
            near += 2 * torch.linalg.vecdot(splits[:, j : j + tile].to(z.dtype), z @ block)
    reached = splits.double() @ sums
    n = int(splits[0].sum())
    return mmd2(near, reached, float(sums.sum()), n, k - n)
