"""Vectors made of a few stored pieces: each part of one is an entry of a codebook (Jegou et al., 2011)."""

from typing import Final

import numpy as np
from jaxtyping import Bool

from drift.diagnosis.pairs import Vectors

MOST_ROWS: Final = 128
SAME: Final = 2e-6
"""Ratios of numbers this near are one: float32 leaves so much."""
COPY: Final = 0.5
"""Rows that share more than this part are copies, or lie on one line."""
SHARED: Final = 0.08
"""Of float32 next to nothing is shared among 128 rows; of bfloat16, whose ratios are few, a twentieth."""


def coded(x: Vectors) -> Bool[np.ndarray, "n"]:
    """Which of the first `MOST_ROWS` rows share parts with other rows; none of the others.

    Where a part is an entry of a codebook, numbers side by side have the same ratio in all rows with that entry,
    whatever the rows' lengths.
    """
    rows = x[:MOST_ROWS].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = rows[:, 1:] / rows[:, :-1]
    # What was lost (zeros) or cut off (numbers of one size) is not shared.
    ratios[~np.isfinite(ratios) | (ratios == 0) | (np.abs(np.abs(ratios) - 1) <= SAME)] = np.nan
    found = np.zeros(len(x), bool)
    for i, row in enumerate(ratios):
        same = np.abs(ratios - row) <= SAME * np.abs(row)
        same[i] = False
        same[same.mean(1) > COPY] = False
        found[i] = same.any(0).mean() > SHARED
    return found
