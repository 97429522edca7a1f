"""The permutation test on the maximum mean discrepancy for any two sets of vectors, with no matrix of all pairs."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from detectors.arguments import require_positive, require_whole
from detectors.arrays import Vectors, as_wide_rows, require_same_width
from detectors.kernels import draw, length_scale, mean_kernel, pair_distances
from detectors.pooled import permuted_mmd2, random_splits, tail_chance
from detectors.strips import Gaussian, strips_of
from drift.errors import BadArgumentError, UnmeasurableError

NAME: Final = "mmd_permutation_test"
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
        BadArgumentError: a parameter is of another type or out of range.
    """
    require_whole(NAME, "permutations", permutations, 1)
    require_whole(NAME, "seed", seed, 0)
    if not isinstance(bandwidths, tuple | list) or not bandwidths:
        raise BadArgumentError(f"{NAME} needs bandwidths to be a tuple of one number or more, it is {bandwidths!r}")
    for bandwidth in bandwidths:
        require_positive(NAME, "each of bandwidths", bandwidth)
    a, b = as_wide_rows(x, "x", 2), as_wide_rows(y, "y", 2)
    require_same_width(a.shape[1], b.shape[1], ("x", "y"))
    pooled = torch.cat([a, b])
    # The test does not see a shift of both sides; float32 does.
    pooled = (pooled - pooled.double().mean(0).to(pooled.dtype)).float()
    rng = np.random.default_rng(seed)
    kernel = pooled_kernel(pooled, bandwidths, rng)
    splits = random_splits(rng, permutations, len(a), len(b), pooled.device)
    values = permuted_mmd2(strips_of(pooled, kernel), splits).cpu().numpy()
    low, high = np.quantile(values[1:], (0.005, 0.995))
    return PermutationTest(tail_chance(values), float(values[0]), (float(low), float(high)))


def pooled_kernel(pooled: Float[Tensor, "n d"], bandwidths: tuple[float, ...], rng: np.random.Generator) -> Gaussian:
    """The kernel that a random part of the pooled rows gives; it must not know which side a row is on.

    Raises:
        UnmeasurableError: these rows are all equal, so that there is no bandwidth.
    """
    pairs = pair_distances(draw(pooled, SCALE_ROWS, rng))
    if (scale := length_scale(pairs)) <= 0:
        raise UnmeasurableError("mmd_permutation_test needs rows that differ, x and y hold one vector only")
    scales = tuple(b * scale for b in bandwidths)
    return Gaussian(scales, float(mean_kernel(pairs, scales).double().mean()))
