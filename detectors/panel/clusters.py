"""Groups of rows alike, found once on the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor

from detectors.kernels import squared_distances

ROUNDS = 50
PARTITIONS, CLUSTERS = 4, 16


@dataclass(frozen=True, slots=True, eq=False)
class Partitions:
    """The reference cut into clusters several times over: where one cut parts a topic, another holds it together.

    `centres` are the clusters of each partition; `shares` the reference's in all of them, one partition after another.
    """

    centres: tuple[Float32[Tensor, "c k"], ...]
    shares: Float64[Tensor, "s"]

    def cells(self, x: Float32[Tensor, "n k"]) -> Int[Tensor, "n p"]:
        """The cluster of each row in each partition, numbered as `shares` are."""
        return _cells(x, self.centres)

    def distances(self, cells: Int[Tensor, "b n p"]) -> Float64[Tensor, "b"]:
        """How far each window's shares are from the reference's: chi-square, each expected share raised by an even one.

        As it is, a handful of rows in the smallest clusters would outweigh all others.
        """
        b, n, _ = cells.shape
        s = len(self.shares)
        place = cells + torch.arange(b, device=cells.device)[:, None, None] * s
        counts = torch.bincount(place.view(-1), minlength=b * s).view(b, s)
        return ((counts.double() / n - self.shares).square() / (self.shares + 1 / CLUSTERS)).sum(1)


def fit_partitions(anchors: Float32[Tensor, "a k"], x: Float32[Tensor, "m k"], rng: np.random.Generator) -> Partitions:
    """Partitions of `anchors`, from several starts; the shares are those of `x`."""
    centres = tuple(fit_centres(anchors, CLUSTERS, rng) for _ in range(PARTITIONS))
    counts = _cells(x, centres).view(-1).bincount(minlength=sum(map(len, centres)))
    return Partitions(centres, counts.double() / len(x))


def _cells(x: Float32[Tensor, "n k"], centres: Sequence[Float32[Tensor, "c k"]]) -> Int[Tensor, "n p"]:
    first = accumulate(map(len, centres), initial=0)
    return torch.stack([nearest(x, own) + start for own, start in zip(centres, first, strict=False)], 1)


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
