"""Permutations of two pooled samples: a kernel's statistic under many splits, as one product."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from detectors.kernels import mean_kernel, mmd2, squared_distances

STRIP: Final = {"cpu": 256, "cuda": 4096}
"""Rows of the kernel matrix that are made at once: few fit a core's cache and spare more of what lies below the
diagonal, many keep a GPU busy."""


Kernel: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""A symmetric function of two rows: for (n, d) and (k, d) rows the (n, k) values of all pairs.

A constant may be subtracted from it, and a function of either row: the statistic's weights sum to zero, so only
rounding notices.
"""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """The mean of the Gaussian kernels exp(-d2 / scale) over `scales`, less its mean value `level`."""

    scales: tuple[float, ...]
    level: float

    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
        return mean_kernel(squared_distances(x, y), self.scales).sub_(self.level)


def tail_chance(values: Float64[np.ndarray, "b"]) -> float:
    """(1 + exceedances) / (1 + permutations), where the first of `values` is the one observed.

    A split that only renames the two sides is a tie, not the smaller by a rounding error.
    """
    return int((values >= values[0] - 1e-4 * values.std()).sum()) / len(values)


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
    kernel: Kernel,
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
