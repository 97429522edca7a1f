"""The panel's statistics, for many windows at once."""

from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor

from detectors.panel.grid import BINS
from detectors.panel.space import Rows, Space, exponents, pair_means

NAMES: Final = (
    "mmd_narrow",
    "mmd_wide",
    "ridge_strong",
    "ridge_light",
    "frechet",
    "clusters",
    "mahalanobis_mean",
    "mahalanobis_sd",
    "trace",
    "ks_axes",
    "ks_dimensions",
    "novelty",
)
"""The columns of a null bank.

Squared MMD (unbiased, never floored) at a quarter of and at the median squared distance; Hotelling's statistic of the
mean with ridges of 0.4 and 0.04 mean variances; squared Frechet distance of mean and covariance; chi-square of the
shares of clusters; mean and standard deviation of the rows' squared Mahalanobis distances; total variance; largest
Kolmogorov-Smirnov distance over the principal axes and over the dimensions that are not dead; share of novel rows.
"""

QUADRATIC: Final = frozenset({"mmd_narrow", "mmd_wide", "ridge_strong", "ridge_light", "frechet", "clusters"})
"""Squared lengths of mean deviations: under the null weighted sums of chi-squares, Frechet's at small deviations."""

TWO_SIDED: Final = frozenset({"mahalanobis_mean", "mahalanobis_sd", "trace"})
"""Those that drift may lower as well as raise."""

RIDGES: Final = (0.4, 0.04)

GROUP: Final = 64
"""Windows whose means are multiplied with the axes at once."""

Progress = Callable[[int, int], None]
"""Told how many windows are done, and of how many."""


def evaluate(
    space: Space, rows: Rows, picks: Int[Tensor, "b n"], progress: Progress | None = None
) -> Float64[Tensor, "b s"]:
    """The statistics `NAMES` of `b` windows, each made of the rows that `picks` names."""
    n, d = picks.shape[1], rows.centred.shape[1]
    # A few windows at a time: their Gram matrices and counts should stay in the cache.
    at_once = max(1, 1_600_000 // max(n * n, n * d, d * BINS))
    axes = space.axes.double()
    within = _by_all_rows(space, rows, picks)
    groups = []
    # The axes do not fit there, so one product has the means of many windows; its two columns follow those of MMD.
    for start in range(0, len(picks), GROUP):
        some = slice(start, start + GROUP)
        means, found = _measured(space, rows, picks[some], None if within is None else within[some], at_once)
        groups.append(torch.cat([found[:, :2], hotelling(space, axes, means), found[:, 2:]], 1))
        if progress is not None:
            progress(min(start + GROUP, len(picks)), len(picks))
    return torch.cat(groups)


def _measured(
    space: Space, rows: Rows, picks: Int[Tensor, "b n"], within: Float64[Tensor, "b 2"] | None, at_once: int
) -> tuple[Float64[Tensor, "b d"], Float64[Tensor, "b s"]]:
    """The means of windows, and all of their statistics but Hotelling's."""
    blocks = torch.split(picks, at_once)
    known = [None] * len(blocks) if within is None else torch.split(within, at_once)
    means, found = zip(*(_block(space, rows, *each) for each in zip(blocks, known, strict=True)), strict=True)
    return torch.cat(means), torch.cat(found)


def _by_all_rows(space: Space, rows: Rows, picks: Int[Tensor, "b n"]) -> Float64[Tensor, "b 2"] | None:
    """`pair_means` of each window, by one product of all rows' kernel with all windows; None where that is more work.

    With many windows of many rows the kernel of two rows is needed again and again; here it is made once, in tiles.
    """
    (b, n), (m, d) = picks.shape, rows.centred.shape
    if m * m * (d + 2 * b) > b * n * n * d:
        return None
    held = torch.zeros(m, b, device=picks.device)
    held.scatter_add_(0, picks.mT, torch.ones_like(picks.mT, dtype=held.dtype))
    sums = torch.zeros(b, 2, dtype=torch.float64, device=picks.device)
    for start in range(0, m, 1024):
        tile = held[start : start + 1024]
        k = exponents(rows.centred[start : start + 1024], rows.centred, space.scale).exp_()
        k.diagonal(start).fill_(1)
        sums[:, 1] += ((k @ held) * tile).sum(0)
        sums[:, 0] += ((k.square_().square_() @ held) * tile).sum(0)
    return (sums - n) / (n * (n - 1))


def _block(
    space: Space, rows: Rows, picks: Int[Tensor, "b n"], within: Float64[Tensor, "b 2"] | None
) -> tuple[Float64[Tensor, "b d"], Float64[Tensor, "b s"]]:
    x = rows.centred[picks]
    if within is None:
        within = pair_means(x, space.scale).mean(1)
    mean = x.mean(1, dtype=torch.float64)
    n = x.shape[1]
    total = (x.square().sum((1, 2), dtype=torch.float64) - n * mean.square().sum(1)) / (n - 1)
    score = rows.score[picks]
    columns = [
        *mmd2(space, within, rows.near[picks].mean(1)).unbind(1),
        frechet(space, mean, rows.lead[picks], total),
        space.partitions.distances(rows.clusters[picks]),
        score.mean(1),
        score.std(1),
        total,
        space.along.distances(rows.along[picks]).double(),
        space.raw.distances(rows.raw[picks]).double(),
        rows.novel[picks].double().mean(1),
    ]
    return mean, torch.stack(columns, 1)


def mmd2(space: Space, within: Float64[Tensor, "b 2"], across: Float64[Tensor, "b 2"]) -> Float64[Tensor, "b 2"]:
    """Unbiased squared MMD to the anchors (Gretton et al., JMLR 13, 2012); below 0 half of the time without drift."""
    return within - 2 * across + space.anchor_means


def hotelling(space: Space, axes: Float64[Tensor, "d r"], mean: Float64[Tensor, "b d"]) -> Float64[Tensor, "b 2"]:
    """mean' (S + r I)^-1 mean for both `RIDGES`, r mean variances; what lies off the axes is weighted by 1 / r.

    `axes` are those of `space`, in double precision.
    """
    along = (mean @ axes).square()
    off_axes = (mean.square().sum(1) - along.sum(1)).clamp(min=0)
    ridges = [ridge * space.mean_spread for ridge in RIDGES]
    return torch.stack([(along / (space.spread + r)).sum(1) + off_axes / r for r in ridges], 1)


def frechet(
    space: Space, mean: Float64[Tensor, "b d"], lead: Float32[Tensor, "b n k"], total: Float64[Tensor, "b"]
) -> Float64[Tensor, "b"]:
    """Squared Frechet distance: that of the means, and Bures' of the covariances on the leading axes.

    What the covariances have beyond those axes is compared as if it lay in one direction: a lower bound, for a tenth of
    the time. The trace of the root comes from a symmetric product, whose eigenvalues are real.
    """
    x = lead - lead.mean(1, keepdim=True)
    covariance = (x.mT @ x).double() / (lead.shape[1] - 1)
    spread = space.spread[: lead.shape[2]]
    root = spread.sqrt()
    shared = torch.linalg.eigvalsh(root[:, None] * covariance * root).clamp(min=0).sqrt().sum(1)
    held = covariance.diagonal(0, 1, 2).sum(1)
    rest = (total - held).clamp(min=0).sqrt() - (space.spread.sum() - spread.sum()).clamp(min=0).sqrt()
    return torch.stack([mean.square().sum(1), spread.sum() + held - 2 * shared, rest.square()]).sum(0)
