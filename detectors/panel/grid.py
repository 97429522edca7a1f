"""Kolmogorov-Smirnov distances of many dimensions at once, at quantiles of the reference."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

BINS = 256
LEVELS = 2048
PIECE = 512
"""Dimensions whose counts are taken at once: those of more would leave the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Pinned cells, about 1 / BINS of the reference in each, and the reference's distribution function at their ends.

    The distance at those ends falls short of the two-sample statistic by at most the reference's share in one cell. In
    return no row is searched for among the reference's, ties need no care, and counts of windows can be added up.
    """

    low: Float[Tensor, "k"]
    per_unit: Float[Tensor, "k"]
    table: UInt8[Tensor, "k levels"]
    reached: Float[Tensor, "k bins"]

    def cells(self, x: Float[Tensor, "n k"]) -> UInt8[Tensor, "n k"]:
        """The cell of each number, 0 .. BINS - 1."""
        return self.table.gather(1, _levels(x, self.low, self.per_unit).mT).mT.contiguous()

    def distances(self, cells: UInt8[Tensor, "b n k"]) -> Float[Tensor, "b"]:
        """For each window the largest distance of distribution functions over all dimensions; 0 if there are none."""
        b, _, k = cells.shape
        if k == 0:
            return torch.zeros(b, device=cells.device)
        pieces = zip(torch.split(cells, PIECE, 2), torch.split(self.reached, PIECE), strict=True)
        return torch.stack([_largest_gap(*piece) for piece in pieces]).amax(0)


def fit_grid(x: Float[Tensor, "m k"]) -> Grid:
    """The grid of the reference's rows `x`.

    A dimension is cut into equal levels between its outer thousandths, and levels are joined to cells by how much of
    the reference lies below their middle: finding a number's cell is then arithmetic and one look-up.
    """
    m, k = x.shape
    outer = m // 1000
    ordered = x.mT.sort(1).values
    low, high = ordered[:, outer], ordered[:, m - 1 - outer]
    per_unit = (LEVELS - 3) / (high - low).clamp(min=torch.finfo(x.dtype).tiny ** 0.5)
    below = torch.zeros(k, LEVELS + 1, dtype=torch.float64, device=x.device)
    levels = _levels(x, low, per_unit).mT
    below[:, 1:].scatter_add_(1, levels, torch.ones_like(levels, dtype=torch.float64))
    below = below.cumsum(1) / m
    # By the middle of a level's share, so that a value which many rows have is alone in its cell.
    middle = (below[:, :-1] + below[:, 1:]) / 2
    table = (middle * BINS).floor().clamp(max=BINS - 1).to(torch.uint8)
    counts = torch.zeros(k, BINS, dtype=torch.float64, device=x.device)
    cells = table.gather(1, levels).long()
    counts.scatter_add_(1, cells, torch.ones_like(cells, dtype=torch.float64))
    return Grid(low, per_unit, table, (counts.cumsum(1) / m).float())


def _levels(x: Float[Tensor, "n k"], low: Float[Tensor, "k"], per_unit: Float[Tensor, "k"]) -> Int[Tensor, "n k"]:
    # The first and the last level are for what lies beyond.
    return ((x - low) * per_unit + 1).clamp_(0, LEVELS - 1).long()


def _largest_gap(cells: UInt8[Tensor, "b n k"], reached: Float[Tensor, "k bins"]) -> Float[Tensor, "b"]:
    gaps = _counts(cells).cumsum(2).div(cells.shape[1]).sub_(reached)
    return torch.maximum(gaps.amax((1, 2)), -gaps.amin((1, 2)))


def _counts(cells: UInt8[Tensor, "b n k"]) -> Int[Tensor, "b k bins"]:
    """How many of the `n` numbers lie in each cell."""
    b, _, k = cells.shape
    first = torch.arange(b * k, dtype=torch.int32, device=cells.device).view(b, 1, k) * BINS
    return torch.bincount((cells + first).view(-1), minlength=b * k * BINS).view(b, k, BINS)
