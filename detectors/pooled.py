"""Permutations of two pooled samples: a kernel's statistic under many splits, as one product."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from detectors.kernels import mmd2
from detectors.strips import TALL, Strips, reached

CPU: Final = torch.device("cpu")


def tail_chance(values: Float64[np.ndarray, "b"]) -> float:
    """(1 + exceedances) / (1 + permutations), where the first of `values` is the one observed.

    A split that only renames the two sides is a tie, not the smaller by a rounding error.
    """
    return int((values >= values[0] - 1e-4 * values.std()).sum()) / len(values)


def random_splits(
    rng: np.random.Generator, permutations: int, n: int, m: int, device: torch.device = CPU
) -> Bool[Tensor, "b k"]:
    """Which of the k = n + m pooled rows are on the side of `x`: first as observed, then at random."""
    k = n + m
    z = torch.zeros(1 + permutations, k, dtype=torch.bool, device=device)
    z[0, :n] = True
    random = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
    for start in range(1, len(z), 256):
        part = z[start : start + 256]
        # The rows that draw the n smallest numbers: every subset is as likely.
        drawn = torch.empty(part.shape, dtype=torch.int32, device=device).random_(generator=random)
        torch.le(drawn, drawn.kthvalue(n, 1, keepdim=True).values, out=part)
        for tied in (part.sum(1) != n).nonzero()[:, 0].tolist():  # two rows drew one number
            part[tied] = False
            part[tied, torch.from_numpy(rng.choice(k, n, replace=False, shuffle=False)).to(device)] = True
    return z


def permuted_mmd2(kernel: Strips, splits: Bool[Tensor, "b k"], tall: int | None = None) -> Float64[Tensor, "b"]:
    """Unbiased squared MMD of each of `b` splits of the pooled rows; every split has as many rows on its first side.

    With z a split and K the kernel matrix, z K z' and z K 1 give all three means, so no matrix is indexed again. K is
    made in strips of `tall` rows, right of the diagonal only, each used once for all splits. Sums of strips are in
    float64.
    """
    k, n, tall = splits.shape[1], int(splits[0].sum()), tall or TALL[splits.device.type]
    near = torch.zeros(len(splits), dtype=torch.float64, device=splits.device)
    sums, usual = torch.zeros(2, kernel.width, dtype=torch.float64, device=splits.device)
    z: Tensor | None = None
    for first in range(0, k, tall):
        last = min(first + tall, k)
        strip, right, down = kernel.strip(first, last)
        if z is None:
            z = torch.nn.functional.pad(splits.to(strip.dtype), (0, kernel.width - k))
        sums[first:last] += right
        sums[first:] += down
        # What a row reaches in any split is taken off before the product is rounded, or it would drown the rest.
        less = (right * (n / k)).bfloat16()
        usual[first:last] = less
        near += (reached(z[:, first:], strip, less) * z[:, first:last]).sum(1, dtype=right.dtype)
    taken = torch.stack([sums, usual], 1)[:k]
    rows, own = torch.cat([splits[at : at + 64].double() @ taken for at in range(0, len(splits), 64)]).unbind(1)
    return mmd2(2 * (near + own), rows, float(sums.sum()), n, k - n)
