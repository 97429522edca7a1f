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

STRIP = {"cpu": 256, "cuda": 4096}
"""Rows of the kernel matrix that are made at once: few fit a core's cache and spare more of what lies below the
diagonal, many keep a GPU busy."""


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
    independent: leave out duplicates, and keep one row of each session. The kernel is the mean of Gaussian kernels
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
    values = permuted_mmd2(pooled, splits, kernel, product_type(pooled)).cpu().numpy()
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
        return mean_kernel(squared_distances(x, y), self.scales).sub_(self.level)


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
    k = n + m
    z = np.zeros((1 + permutations, k), np.bool_)
    z[0, :n] = True
    for first in range(1, len(z), 256):
        part = z[first : first + 256]
        # The rows that draw the n smallest numbers: every subset is as likely.
        drawn = rng.integers(2**32, size=part.shape, dtype=np.uint32)
        np.less_equal(drawn, np.partition(drawn, n - 1, axis=1)[:, n - 1, None], out=part)
        for split in part[np.count_nonzero(part, axis=1) != n]:  # two rows drew one number
            split[:] = False
            split[rng.choice(k, n, replace=False, shuffle=False)] = True
    return torch.from_numpy(z)


def product_type(pooled: Float[Tensor, "k d"]) -> torch.dtype:
    """The type in which splits and kernel are multiplied: bfloat16 where that is several times as fast.

    A rounded kernel is still one kernel for all splits, so the test stays exact. The statistic moves by less than a
    hundredth of its null standard deviation. A few rows would gain nothing.
    """
    if len(pooled) < STRIP["cpu"] or pooled.dtype is not torch.float32:
        return pooled.dtype
    fast = torch.cuda.is_bf16_supported() if pooled.device.type == "cuda" else native_bfloat16()
    return torch.bfloat16 if fast else pooled.dtype


def native_bfloat16() -> bool:
    """Whether this CPU has instructions for products of bfloat16; without them torch emulates them, slowly."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def permuted_mmd2(
    pooled: Float[Tensor, "k d"],
    splits: Bool[Tensor, "b k"],
    kernel: PooledKernel,
    product: torch.dtype,
    strip: int | None = None,
) -> Float64[Tensor, "b"]:
    """Unbiased squared MMD of each of `b` splits of the pooled rows; every split has as many rows on its first side.

    With z a split and K the kernel matrix, z K z' and z K 1 give all three means, so no matrix is indexed again. K is
    made in strips of `strip` rows, right of the diagonal only, each used once for all splits, whose products are taken
    in the type `product`. Sums of strips are in float64.
    """
    k, n, strip = len(pooled), int(splits[0].sum()), strip or STRIP[pooled.device.type]
    z = splits.to(product)
    near = torch.zeros(len(splits), dtype=torch.float64, device=pooled.device)
    sums, usual = torch.zeros(2, k, dtype=torch.float64, device=pooled.device)
    for i in range(0, k, strip):
        block = kernel(pooled[i : i + strip], pooled[i:])
        width = len(block)
        own, rows = block[:, :width], slice(i, i + width)
        own.fill_diagonal_(0)
        block = block.to(product)
        sums[rows] += block.sum(1, dtype=pooled.dtype)
        sums[i + width :] += block[:, width:].sum(0, dtype=pooled.dtype)
        block[:, :width] *= 0.5  # each of its pairs is there twice, all others once
        # What a row reaches in any split is taken off before the product is rounded, or it would drown the rest.
        less = (block.sum(1, dtype=pooled.dtype) * (n / k)).to(product)
        usual[rows] = less
        reached = torch.addmm(-less, z[:, i:], block.mT)
        near += (reached * z[:, rows]).sum(1, dtype=pooled.dtype)
    fixed = splits.double()
    return mmd2(2 * (near + fixed @ usual), fixed @ sums, float(sums.sum()), n, k - n)
