"""Two encoders on the same inputs: may they share an index, do they carry the same information, can one be repaired?"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from detectors.alignment import cka, procrustes_residual
from detectors.arguments import require_whole
from detectors.arrays import Vectors, as_rows
from drift.errors import UnmeasurableError

NEIGHBOURS = 10
LEAST_ROWS = 32
TILE = 1024
LENGTH_WITHIN = 0.1


class Compatibility(StrEnum):
    """What may be done with the vectors of two encoders."""

    COMPATIBLE = "compatible"
    LENGTHS_DIFFER = "lengths differ: compatible by cosine only"
    WRONG_VERSION = "wrong version or rotation: information equal, spaces incompatible"
    REPAIRABLE = "repairable"
    DIFFERENT = "different"


@final
@dataclass(frozen=True, slots=True)
class VersionComparison:
    """How the vectors of two encoders for the same inputs compare.

    One space: `cosine` and `cosine_p01`, mean and 1st percentile of the cosine of the two vectors of an input; and
    `cross_recall`, the share of an old query's 10 nearest old vectors that the new query finds on the old index (None
    where the dimensions differ). A rotation spoils these three and none of the others. Cosines do not see lengths:
    `length_p01` and `length_p99` are the 1st and 99th percentile of an input's new length over its old one.

    One information: `cka` (Kornblith et al., ICML 2019) with the unbiased HSIC (Song et al., JMLR 13, 2012), about 0
    for independent vectors at every n; `overlap`, the share of an input's 10 nearest inputs in one space that are so in
    the other; `rsa`, Pearson's correlation of the cosines of all pairs (Kriegeskorte et al., 2008).

    Repair: `procrustes_residual`, the share of the new vectors' variance that the best rotation and scaling of the old
    leaves, in [0, 1]. It is fitted on these very rows: with few more rows than dimensions it is too small.
    """

    verdict: Compatibility
    rows: int
    cosine: float | None
    cosine_p01: float | None
    cross_recall: float | None
    length_p01: float
    length_p99: float
    cka: float
    overlap: float
    rsa: float
    procrustes_residual: float


def compare_versions(a: Vectors, b: Vectors, neighbours: int = NEIGHBOURS) -> VersionComparison:
    """Compare `a`, shape (n, d), by the old encoder, with `b`, shape (n, k), by the new one: row i is one input.

    `neighbours` is how many of the nearest count in `cross_recall` and `overlap`, in place of 10.

    "compatible" where the new finds at least .9 on the old index and 98 % of lengths are within a tenth of the old
    ones; "lengths differ" where only the latter fails, which an index by cosine does not mind. Otherwise information
    counts as equal from a CKA of .9 on: then it is a "wrong version or rotation" where less than half is found,
    "repairable" where a rotation and scaling leaves at most .05 of the variance. All else is "different".

    Raises:
        UnmeasurableError: two numbers of rows, numbers that are not finite, or vectors that are all equal.
        TooFewRowsError: fewer than 32 rows, or not more than `neighbours`.
        BadArgumentError: `neighbours` is no whole number of at least 1.
    """
    require_whole("compare_versions", "neighbours", neighbours, 1)
    least = max(LEAST_ROWS, neighbours + 1)
    old, new = as_rows(a, "a", least), as_rows(b, "b", least)
    if len(old) != len(new):
        raise UnmeasurableError(
            f"compare_versions needs paired rows, a has {len(old)} and b {len(new)}: encode the same inputs with both"
        )
    x, y = centred(old, "a"), centred(new, "b")
    same = old.shape[1] == new.shape[1]
    cosines = paired_cosines(old, new) if same else None
    near = neighbourhoods(unit(old), unit(new), neighbours)
    similarity, residual = cka(x, y), procrustes_residual(x, y)
    recall = cross_recall(unit(old), unit(new), neighbours) if same else None
    shorter, longer = (float(length_ratios(old, new).quantile(q)) for q in (0.01, 0.99))
    return VersionComparison(
        verdict=verdict(recall, similarity, residual, (shorter, longer)),
        rows=len(old),
        cosine=None if cosines is None else float(cosines.mean()),
        cosine_p01=None if cosines is None else float(cosines.quantile(0.01)),
        cross_recall=recall,
        length_p01=shorter,
        length_p99=longer,
        cka=similarity,
        overlap=near.overlap,
        rsa=near.rsa,
        procrustes_residual=residual,
    )


def verdict(
    cross_recall: float | None, similarity: float, residual: float, lengths: tuple[float, float] = (1, 1)
) -> Compatibility:
    """What the figures allow; a recall of None means that the spaces cannot be compared."""
    if cross_recall is not None and cross_recall >= 0.9:
        alike = all(abs(ratio - 1) <= LENGTH_WITHIN for ratio in lengths)
        return Compatibility.COMPATIBLE if alike else Compatibility.LENGTHS_DIFFER
    if similarity < 0.9:
        return Compatibility.DIFFERENT
    if cross_recall is not None and cross_recall < 0.5:
        return Compatibility.WRONG_VERSION
    return Compatibility.REPAIRABLE if residual <= 0.05 else Compatibility.DIFFERENT


def centred(x: Float[Tensor, "n d"], name: str) -> Float64[Tensor, "n d"]:
    """The rows of `x` less their mean.

    Raises:
        UnmeasurableError: they are all equal.
    """
    if bool((x == x[0]).all()):
        raise UnmeasurableError(f"compare_versions needs rows that differ, the {len(x)} rows of {name} are all equal")
    return x.double() - x.double().mean(0)


def unit(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """The rows of `x` at length 1; a zero row stays zero."""
    return torch.nn.functional.normalize(x)


def paired_cosines(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float64[Tensor, "n"]:
    """The cosine of each row of `x` to that of `y`; in float64, because what matters is the distance to 1."""
    return torch.nn.functional.cosine_similarity(x.double(), y.double())


def length_ratios(old: Float[Tensor, "n d"], new: Float[Tensor, "n k"]) -> Float64[Tensor, "n"]:
    """New over old length of each row; 1 where both are 0."""
    before, after = (torch.linalg.vector_norm(x.double(), dim=1) for x in (old, new))
    return torch.where(before + after > 0, after / before.clamp(min=torch.finfo(torch.float32).tiny), 1.0)


@dataclass(frozen=True, slots=True)
class Neighbourhoods:
    """How two spaces agree on which inputs are alike: on the nearest, and on all pairs."""

    overlap: float
    rsa: float


def neighbourhoods(x: Float[Tensor, "n d"], y: Float[Tensor, "n k"], neighbours: int = NEIGHBOURS) -> Neighbourhoods:
    """Overlap of the nearest neighbours and correlation of the cosines of all pairs of unit rows; no n x n matrix."""
    n, common = len(x), 0
    moments = torch.zeros(5, dtype=torch.float64, device=x.device)
    for start in range(0, n, TILE):
        p, q = (others(v[start : start + TILE], v, start) for v in (x, y))
        common += shared(nearest(p, neighbours), nearest(q, neighbours))
        # The row itself, -inf, is no pair.
        p, q = (v[v.isfinite()].double() for v in (p, q))
        moments += torch.stack([p.sum(), q.sum(), p @ p, q @ q, p @ q])
    mean_p, mean_q, pp, qq, pq = (moments / (n * (n - 1))).tolist()
    spread = (pp - mean_p**2) * (qq - mean_q**2)
    return Neighbourhoods(
        overlap=common / (n * neighbours), rsa=(pq - mean_p * mean_q) / spread**0.5 if spread > 0 else 0.0
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class KeptNeighbours:
    """Of each input's 10 nearest inputs in the old space, the share that stays; in [0, 1], row i is input i.

    `overlap`: that are its nearest in the new space. `cross_recall`: that its new vector finds among the old ones; None
    where the vectors have two lengths. Their means are those of `VersionComparison`.
    """

    overlap: Float64[np.ndarray, "n"]
    cross_recall: Float64[np.ndarray, "n"] | None


def kept_neighbours(a: Vectors, b: Vectors, neighbours: int = NEIGHBOURS) -> KeptNeighbours:
    """What each input keeps from `a`, shape (n, d), to `b`, shape (n, k): to say of which inputs most is lost.

    `neighbours` is how many of the nearest count, in place of 10.

    Raises as `compare_versions` does, but for vectors that are all equal.
    """
    require_whole("kept_neighbours", "neighbours", neighbours, 1)
    least = max(LEAST_ROWS, neighbours + 1)
    x, y = unit(as_rows(a, "a", least)), unit(as_rows(b, "b", least))
    if len(x) != len(y):
        raise UnmeasurableError(f"kept_neighbours needs paired rows, a has {len(x)} and b {len(y)}")
    overlap = kept(x, lambda part, start: others(y[part], y, start), neighbours)
    same = x.shape[1] == y.shape[1]
    recall = kept(x, lambda part, start: others(y[part], x, start), neighbours) if same else None
    return KeptNeighbours(overlap.cpu().numpy(), None if recall is None else recall.cpu().numpy())


def cross_recall(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], neighbours: int = NEIGHBOURS) -> float:
    """Share of the rows of `x` nearest to each row of `x` that its partner in `y` finds among them too."""
    return float(kept(x, lambda part, start: others(y[part], x, start), neighbours).mean())


def kept(
    x: Float[Tensor, "n d"], cosines: Callable[[slice, int], Float[Tensor, "p n"]], neighbours: int
) -> Float64[Tensor, "n"]:
    """Share of each row's nearest rows of `x` that are nearest by `cosines` of a tile, and where it starts, too."""
    shares = []
    for start in range(0, len(x), TILE):
        part = slice(start, start + TILE)
        near, also = (nearest(found, neighbours) for found in (others(x[part], x, start), cosines(part, start)))
        shares.append((near[:, :, None] == also[:, None, :]).sum((1, 2)).double() / neighbours)
    return torch.cat(shares)


def others(part: Float[Tensor, "p d"], rows: Float[Tensor, "n d"], start: int) -> Float[Tensor, "p n"]:
    """Cosines of the unit rows `part` to `rows`; -inf to the row of the same index, `part` beginning at `start`."""
    cosines = part @ rows.mT
    cosines.diagonal(start).fill_(-torch.inf)
    return cosines


def nearest(cosines: Float[Tensor, "p n"], neighbours: int = NEIGHBOURS) -> Int[Tensor, "p k"]:
    """Where the highest cosines of each row are."""
    return cosines.topk(neighbours, dim=1).indices


def shared(p: Int[Tensor, "p k"], q: Int[Tensor, "p k"]) -> int:
    """How many entries the rows of `p` and of `q` have in common, all rows together."""
    return int((p[:, :, None] == q[:, None, :]).sum())
