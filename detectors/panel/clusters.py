"""Groups of rows alike, found once on the reference."""

from math import log

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from detectors.kernels import squared_distances

ROUNDS = 50


def fit_centres(x: Float32[Tensor, "m k"], clusters: int, rng: np.random.Generator) -> Float32[Tensor, "c k"]:
    """Centres of at most `clusters` clusters of the rows of `x`, the largest cluster first; fewer where fewer differ.

    k-means (Lloyd, 1982) from a greedy k-means++ start (Arthur and Vassilvitskii, SODA 2007). Sums are products of
    matrices, so that a GPU gives the same centres every time.
    """
    centres = _start(x, clusters, rng)
    of = nearest(x, centres)
    for _ in range(ROUNDS):
        sides = torch.nn.functional.one_hot(of, len(centres)).to(x.dtype)
        count = sides.sum(0)
        # One that has lost all its rows stays where it was.
        centres = torch.where(count[:, None] > 0, sides.mT @ x / count.clamp(min=1)[:, None], centres)
        before, of = of, nearest(x, centres)
        if bool((of == before).all()):
            break
    return centres[of.bincount(minlength=len(centres)).argsort(descending=True, stable=True)]


def nearest(x: Float32[Tensor, "n k"], centres: Float32[Tensor, "c k"]) -> Int[Tensor, "n"]:
    """The cluster of each row."""
    return squared_distances(x, centres).argmin(1)


def _start(x: Float32[Tensor, "m k"], clusters: int, rng: np.random.Generator) -> Float32[Tensor, "c k"]:
    """Rows far from one another: of a few drawn by their squared distance to the others, the one that helps most."""
    chosen = [int(rng.integers(len(x)))]
    gap = squared_distances(x, x[chosen])[:, 0]
    floor = 1e-6 * float(gap.mean())  # the distance of a row to itself is rounding noise
    while len(chosen) < clusters:
        weights = torch.where(gap > floor, gap, 0).double().cpu().numpy()
        if not weights.any():
            break
        tried = rng.choice(len(x), 2 + int(log(clusters)), p=weights / weights.sum())
        gaps = torch.minimum(squared_distances(x, x[torch.from_numpy(tried).to(x.device)]), gap[:, None])
        best = int(gaps.sum(0).argmin())
        chosen.append(int(tried[best]))
        gap = gaps[:, best]
    return x[torch.tensor(chosen, device=x.device)]
