"""Lengths with a heavy tail: how to tell, and how far out rows are told apart then."""

from math import inf
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

HEAVY: Final = 0.5
"""From this tail index on, squares have no variance."""

LONG: Final = 0.2
"""From this tail index on, windows have rows further out than any of a reference's often enough to matter."""

SCORES: Final = 0.3
"""That of Mahalanobis scores, which see few foreign rows by how far out these are: ordinary embeddings have less."""

REACHED: Final = 0.95

TOP: Final = 0.05
LEAST_TOP: Final = 20


def limits(x: Float[Tensor, "m d"], others: Float[Tensor, "c d"]) -> tuple[Float64[Tensor, "d"], float]:
    """The median of each dimension, and how far from it rows are told apart: infinity unless lengths have a heavy tail.

    Where they have one, the few rows that are furthest out decide every mean and variance, and no two halves of a
    reference agree on these. So they are seen no further out than the share `REACHED` of the rows is, or, where the
    tail is only `LONG`, than the furthest of `x` and the furthest of the reference's `others` are.
    """
    middle = x.median(0).values.double()
    lengths = _lengths(x, middle)
    index = tail_index(lengths.square().cpu().numpy())
    if index >= HEAVY:
        return middle, float(lengths.quantile(REACHED))
    return middle, min(float(lengths.max()), float(_lengths(others, middle).max())) if index >= LONG else inf


def _lengths(x: Float[Tensor, "n d"], middle: Float64[Tensor, "d"]) -> Float64[Tensor, "n"]:
    return torch.cat([torch.linalg.vector_norm(piece.double() - middle, dim=1) for piece in torch.split(x, 65_536)])


def within(x: Float[Tensor, "n d"], middle: Float64[Tensor, "d"], reach: float) -> Float[Tensor, "n d"]:
    """`x`, whose rows further than `reach` from `middle` are moved straight towards it until they are not."""
    if reach == inf:
        return x
    return torch.cat([_pulled(piece.double() - middle, reach) + middle for piece in torch.split(x, 65_536)])


def _pulled(away: Float64[Tensor, "n d"], reach: float) -> Float64[Tensor, "n d"]:
    lengths: Tensor = torch.linalg.vector_norm(away, dim=1, keepdim=True)
    return away * (reach / lengths.clamp(min=reach))


def tail_index(x: Float64[np.ndarray, "n"]) -> float:
    """Hill's (1975) index of the largest twentieth of `x`, at least 0; 0 where that is hardly any number.

    For squared lengths of rows that are t with f degrees of freedom it is 2 / f, for those of normal rows about 0.1.
    """
    top = np.sort(x)[::-1][: int(len(x) * TOP) + 1]
    if len(top) <= LEAST_TOP or top[-1] <= 0:
        return 0.0
    return float(np.log(top[:-1] / top[-1]).mean())
