"""Rows that come of integers of few bits."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32

MOST_LEVELS: Final = 256
LEAST_DIM: Final = 32


def few_levels(x: Float32[np.ndarray, "n d"]) -> Bool[np.ndarray, "n"]:
    """Which rows take so few values as integers of 8 bits do; below 32 dimensions that may be chance, and none does."""
    if x.shape[1] < LEAST_DIM:
        return np.zeros(len(x), bool)
    levels = 1 + (np.diff(np.sort(x, axis=1), axis=1) > 0).sum(1)
    few: Bool[np.ndarray, n] = (levels >= 2) & (levels <= min(MOST_LEVELS, 0.9 * x.shape[1]))
    return few
