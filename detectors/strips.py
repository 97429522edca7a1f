"""Kernel matrices that are never held: strips of them, in the type in which they are multiplied."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from detectors.kernels import mean_kernel, squared_distances
from drift.processor import multiplies_bfloat16_fast

FEW: Final = 256
"""Rows with which a rounded product gains nothing."""
TALL: Final = {"cpu": 256, "cuda": 8192}
"""Rows of a strip: few fit a core's cache and spare more of what lies below the diagonal, many keep a GPU busy."""

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


@runtime_checkable
class Strips(Protocol):
    """The kernel matrix of some rows. Its strips are as wide as there are rows, or a few zeros wider."""

    @property
    def width(self) -> int: ...

    def strip(self, first: int, last: int) -> tuple[Float[Tensor, "n w"], Float[Tensor, "n"], Float[Tensor, "w"]]:
        """Rows `first` to `last` of the matrix from column `first` on, 0 up to the diagonal; its sums along rows, and
        down columns."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """Strips from one product of matrices each, for any kernel; rounded to the type `product`."""

    rows: Float[Tensor, "k d"]
    kernel: Kernel
    product: torch.dtype

    @property
    def width(self) -> int:
        return len(self.rows)

    def strip(self, first: int, last: int) -> tuple[Float[Tensor, "n w"], Float[Tensor, "n"], Float[Tensor, "w"]]:
        """See `Strips`."""
        block = self.kernel(self.rows[first:last], self.rows[first:])
        block[:, : last - first].triu_(1)
        block = block.to(self.product)
        return block, block.sum(1, dtype=self.rows.dtype), block.sum(0, dtype=self.rows.dtype)


def strips_of(rows: Float[Tensor, "k d"], kernel: Kernel) -> Strips:
    """The kernel matrix of `rows`, by the fastest way that there is for it.

    A rounded kernel is still one kernel for all splits, so a test on it stays exact. The statistic moves by less than a
    hundredth of its null standard deviation.
    """
    if len(rows) < FEW or rows.dtype is not torch.float32:
        return Plain(rows, kernel, rows.dtype)
    if rows.is_cuda:
        return (fused(rows, kernel) if isinstance(kernel, Gaussian) else None) or Plain(rows, kernel, torch.float16)
    fast = multiplies_bfloat16_fast(torch.cpu.get_capabilities())
    return Plain(rows, kernel, torch.bfloat16 if fast else rows.dtype)


def fused(rows: Float[Tensor, "k d"], kernel: Gaussian) -> Strips | None:
    """The strips of one kernel for distances, exponentials and sums; None where Triton or the rows do not allow it."""
    try:
        from detectors.fused import HalfRows
    except ModuleNotFoundError:  # torch brings Triton for CUDA on Linux only
        return None
    return HalfRows.of(rows, kernel.scales, kernel.level)


def reached(
    splits: Float[Tensor, "b w"], strip: Float[Tensor, "n w"], less: Float[Tensor, "n"]
) -> Float[Tensor, "b n"]:
    """The sums of each row of `strip` over what each of `splits` takes, minus `less`."""
    if splits.dtype is torch.float16:
        return torch.mm(splits, strip.mT, out_dtype=torch.float32).sub_(less)
    return torch.addmm(-less.to(splits.dtype), splits, strip.mT)
