"""Gaussian kernel matrices on CUDA, where neither distances nor float32 kernel values leave the chip."""

from dataclasses import dataclass
from typing import Final, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Float16, Float32
from torch import Tensor

LARGEST: Final = 60_000.0
"""What float16 holds, about: coordinates in units of the widest bandwidth."""

DEPTH: Final = 64
"""Coordinates that a tile takes at once; vectors are padded to a multiple of them."""
TILE: Final = (128, 128)
WARPS, STAGES = 4, 3
"""Two tiles fit a multiprocessor of an H100 at once: one takes exponentials while the other multiplies."""
ALIGNED: Final = 8
"""Numbers of 2 bytes in the 16 bytes in which tensor cores are fed: a strip's width is a multiple."""


@dataclass(frozen=True, slots=True, eq=False)
class HalfRows:
    """Rows in float16 and units of the widest bandwidth, with their squared norms and, per kernel, -log2(e) / scale.

    Norms are those of the rounded rows: then rounding moves rows a little, and no distance becomes wrong.
    """

    rows: Float16[Tensor, "k c"]
    norms: Float32[Tensor, "k"]
    rates: Float32[Tensor, "s"]
    level: float

    @classmethod
    def of(cls, rows: Float[Tensor, "k d"], scales: tuple[float, ...], level: float) -> "HalfRows | None":
        """None where a coordinate is too large for float16."""
        unit = max(scales)
        scaled = rows * unit**-0.5
        if float(scaled.abs().max()) > LARGEST:
            return None
        half = torch.nn.functional.pad(scaled.half(), (0, -rows.shape[1] % DEPTH))
        rates = torch.tensor([-1.4426950408889634 * unit / scale for scale in scales], device=rows.device)
        return cls(half, half.float().square().sum(1), rates, level)

    @property
    def width(self) -> int:
        """The number of rows, rounded up to a multiple of `ALIGNED`."""
        return len(self.rows) + -len(self.rows) % ALIGNED

    def strip(self, first: int, last: int) -> tuple[Float16[Tensor, "n w"], Float32[Tensor, "n"], Float32[Tensor, "w"]]:
        """The mean kernel less `level` of rows `first` to `last` to all rows from `first` on, 0 up to the diagonal and
        beyond the last row; its sums along rows, and down columns."""
        n, w = last - first, self.width - first
        grid = (triton.cdiv(n, TILE[0]), triton.cdiv(w, TILE[1]))
        values = torch.empty(n, w, dtype=torch.float16, device=self.rows.device)
        right = torch.empty(grid[1], n, device=self.rows.device)
        down = torch.empty(grid[0], w, device=self.rows.device)
        k, depth = self.rows.shape
        _upper[grid](
            self.rows, self.norms, self.rates, self.level, values, right, down, first, n, w, k, depth,
            scales=len(self.rates), tall=TILE[0], wide=TILE[1], deep=DEPTH, num_warps=WARPS, num_stages=STAGES,
        )  # fmt: skip
        return values, right.sum(0), down.sum(0)


@no_type_check  # a run-time check of types would wrap what Triton reads
@triton.jit
def _upper(
    rows, norms, rates, level, values, right, down, first, n, w, k, depth,
    scales: tl.constexpr, tall: tl.constexpr, wide: tl.constexpr, deep: tl.constexpr,
):  # fmt: skip
    """One tile of a strip: see `HalfRows.strip`. Each tile has sums of its own, so that the order of tiles, which
    varies, does not matter."""
    i = tl.program_id(0) * tall + tl.arange(0, tall)
    j = tl.program_id(1) * wide + tl.arange(0, wide)
    here, there = first + i, first + j
    place = values + i.to(tl.int64)[:, None] * w + j[None, :]
    inside = (i[:, None] < n) & (j[None, :] < w)
    tile = tl.zeros((tall, wide), tl.float16)
    if (tl.program_id(1) + 1) * wide > tl.program_id(0) * tall:
        across = tl.zeros((tall, wide), tl.float32)
        # Rows beyond the last are the last again: what they give is masked below.
        a = rows + tl.minimum(here, k - 1).to(tl.int64)[:, None] * depth + tl.arange(0, deep)[None, :]
        b = rows + tl.minimum(there, k - 1).to(tl.int64)[None, :] * depth + tl.arange(0, deep)[:, None]
        for _ in range(0, depth, deep):
            across = tl.dot(tl.load(a), tl.load(b), across)
            a += deep
            b += deep
        own = tl.load(norms + here, mask=here < k, other=0.0)
        other = tl.load(norms + there, mask=there < k, other=0.0)
        distances = tl.maximum(own[:, None] + other[None, :] - 2 * across, 0.0)
        kernel = tl.zeros((tall, wide), tl.float32)
        for scale in tl.static_range(scales):
            kernel += tl.exp2(distances * tl.load(rates + scale))
        above = (j[None, :] > i[:, None]) & (i[:, None] < n) & (there[None, :] < k)
        tile = tl.where(above, kernel / scales - level, 0.0).to(tl.float16)
    tl.store(place, tile, mask=inside)
    rounded = tile.to(tl.float32)
    tl.store(right + tl.program_id(1) * n + i, tl.sum(rounded, 1), mask=i < n)
    tl.store(down + tl.program_id(0) * w + j, tl.sum(rounded, 0), mask=j < w)
