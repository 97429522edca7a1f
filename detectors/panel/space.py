"""What the panel pins to the reference: centre, axes, bandwidths, neighbours, cells. No window moves any of it."""

from dataclasses import dataclass, replace
from math import inf

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, UInt8
from torch import Tensor

from detectors.kernels import DEAD, length_scale, pair_distances
from detectors.lengths import SCORES, limits, tail_index, within
from detectors.panel.clusters import Partitions, fit_partitions
from detectors.panel.grid import Grid, fit_grid
from drift.errors import BadReferenceError

ANCHORS = 5120
"""Rows at most against which kernels and neighbours are taken; more would cost every window time and gain little."""

LEAD = 128
"""Axes at most on which covariances are compared as matrices; what lies beyond them is compared as one number."""

NEIGHBOURS = 5
NOVEL = 0.01
SCORE_RIDGE = 0.001
PIECE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """The reference's geometry, fitted on its first half R_fit.

    Rows are seen less `centre`, and no further from `middle` than `reach` where the lengths of R_fit have a heavy tail.
    No score is more than `highest`, the largest of R_cal where these have a long tail.
    `axes` are the principal axes with any spread, widest first, each turned to its longer tail. `anchors` are centred
    rows of R_fit, `anchor_means` their mean kernels over pairs. `scale` is the median squared distance, the kernels are
    exp(-4 d2 / scale) and exp(-d2 / scale). A row is novel if fewer than `neighbours` anchors lie within the squared
    distance `radius`, which `above` of the rows of R_cal exceed and `below` - 1 do not.
    """

    centre: Float64[Tensor, "d"]
    middle: Float64[Tensor, "d"]
    reach: float
    axes: Float32[Tensor, "d r"]
    spread: Float64[Tensor, "r"]
    live: Int[Tensor, "l"]
    anchors: Float32[Tensor, "a d"]
    scale: float
    anchor_means: Float64[Tensor, "2"]
    along: Grid
    raw: Grid
    partitions: Partitions
    neighbours: int
    highest: float = inf
    radius: float = 0.0
    above: int = 0
    below: int = 0

    @property
    def mean_spread(self) -> float:
        """Mean variance per axis, the unit of every ridge."""
        return float(self.spread.mean())

    def centred(self, x: Float[Tensor, "n d"]) -> Float32[Tensor, "n d"]:
        """`x` as it is seen, less the centre: in float32 a large common offset would drown the rest."""
        return less(within(x, self.middle, self.reach), self.centre)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows as the panel sees them: all that depends on one row alone, computed once for every window that holds it.

    `lead` are coordinates on the widest axes, `score` squared Mahalanobis distances, `near` mean kernels to the anchors
    (narrow, wide). `anchored` alone is of all rows together: the sum of wide kernels of each anchor to them.
    """

    centred: Float32[Tensor, "n d"]
    lead: Float32[Tensor, "n k"]
    score: Float64[Tensor, "n"]
    near: Float64[Tensor, "n 2"]
    novel: Bool[Tensor, "n"]
    anchored: Float64[Tensor, "a"]
    along: UInt8[Tensor, "n r"]
    raw: UInt8[Tensor, "n l"]
    clusters: Int[Tensor, "n p"]


def fit_space(fit: Float[Tensor, "m d"], calibration: Float[Tensor, "c d"], rng: np.random.Generator) -> Space:
    """The geometry of `fit` (R_fit), with `rng` for k-means; only the novelty radius comes from `calibration` (R_cal).

    Raises:
        BadReferenceError: the rows are nearly all equal, so that there is no bandwidth.
    """
    middle, reach = limits(fit, calibration)
    x = within(fit, middle, reach)
    centre = mean(x)
    x = less(x, centre)
    scale = length_scale(pair_distances(x[:2000]))
    if scale <= 0:
        raise BadReferenceError(
            f"panel needs reference rows that differ, {len(x[:2000])} drawn from them are equal: de-duplicate them"
        )
    axes, spread = principal_axes(x)
    deviation = x.double().square().mean(0).sqrt()
    live = (deviation >= DEAD * deviation[deviation > 0].median()).nonzero()[:, 0]
    anchors = x[:ANCHORS]
    means = pair_means(anchors[None], scale).mean(1)[0]
    k = min(NEIGHBOURS, len(anchors))
    coordinates = x @ axes
    along, raw = fit_grid(coordinates), fit_grid(x[:, live])
    lead = coordinates[:, :LEAD]
    partitions = fit_partitions(lead[: len(anchors)], lead, rng)
    space = Space(centre, middle, reach, axes, spread, live, anchors, scale, means, along, raw, partitions, k)
    above = max(1, int(NOVEL * (len(calibration) + 1) + 1e-9))
    below = len(calibration) + 1 - above
    distances = neighbour_distances(space, space.centred(calibration))
    # Half-way to the next: the same row, computed among others, must not change sides by rounding.
    radius = float(distances.sort().values[below - 1 : below + 1].mean())
    scores = scored(space, space.centred(calibration))
    highest = float(scores.max()) if tail_index(scores.cpu().numpy()) >= SCORES else inf
    return replace(space, highest=highest, radius=radius, above=above, below=below)


def mean(x: Float[Tensor, "n d"]) -> Float64[Tensor, "d"]:
    """The mean row, added up in double precision."""
    return torch.stack([piece.double().sum(0) for piece in torch.split(x, 65_536)]).sum(0) / len(x)


def less(x: Float[Tensor, "n d"], centre: Float64[Tensor, "d"]) -> Float32[Tensor, "n d"]:
    """`x` less `centre`, subtracted in double precision."""
    return torch.cat([(piece.double() - centre).float() for piece in torch.split(x, 65_536)])


def principal_axes(x: Float32[Tensor, "m d"]) -> tuple[Float32[Tensor, "d r"], Float64[Tensor, "r"]]:
    """Axes of the centred rows `x` that are not dead, and the variances along them, both widest first."""
    wide = x.double()
    m, d = x.shape
    if m > d:
        variance, axes = torch.linalg.eigh(wide.mT @ wide / (m - 1))
    else:  # the smaller of the two products has the same spectrum
        variance, left = torch.linalg.eigh(wide @ wide.mT / (m - 1))
        axes = wide.mT @ left / (variance.clamp(min=1e-300) * (m - 1)).sqrt()
    noise = float(variance[-1]) * max(m, d) * torch.finfo(torch.float64).eps
    genuine = variance > noise
    genuine &= variance >= DEAD**2 * variance[genuine].median()
    axes, variance = axes[:, genuine].flip(1), variance[genuine].flip(0)
    # The sign of an eigenvector is chance; the longer tail is not, however the rows are turned.
    axes = torch.where((wide @ axes).pow(3).sum(0) < 0, -axes, axes)
    return axes.float().contiguous(), variance


def exponents(x: Float[Tensor, "*b n d"], y: Float[Tensor, "*b m d"], scale: float) -> Float[Tensor, "*b n m"]:
    """-d2 / scale for all pairs, as one product of rows with two numbers added: no pass over the result is needed."""
    one_x, one_y = torch.ones_like(x[..., :1]), torch.ones_like(y[..., :1])
    left = torch.cat([x * (2 / scale), x.square().sum(-1, keepdim=True) / -scale, one_x], -1)
    right = torch.cat([y, one_y, y.square().sum(-1, keepdim=True) / -scale], -1)
    return left @ right.mT


def pair_means(x: Float[Tensor, "b n d"], scale: float) -> Float64[Tensor, "b n 2"]:
    """Mean kernel (narrow, wide) of each row to the other rows of its window. The diagonal is left out by index."""
    sums = []
    for start in range(0, x.shape[1], 1024):
        k = exponents(x[:, start : start + 1024], x, scale).exp_()
        k.diagonal(start, 1, 2).zero_()
        wide = k.sum(2).double()
        sums.append(torch.stack([k.square_().square_().sum(2).double(), wide], 2))
    return torch.cat(sums, 1) / (x.shape[1] - 1)


def neighbour_distances(space: Space, centred: Float32[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """Squared distance of each row to its `neighbours`-th nearest anchor."""
    nearest = [
        exponents(piece, space.anchors, space.scale).topk(space.neighbours, dim=1).values[:, -1]
        for piece in torch.split(centred, PIECE)
    ]
    return torch.cat(nearest) * -space.scale


def observe(space: Space, centred: Float32[Tensor, "n d"]) -> Rows:
    """Rows, less the centre, as the panel sees them. One matrix of distances serves both kernels and novelty."""
    coordinates = centred @ space.axes
    near, novel, anchored = _against_anchors(space, centred)
    lead = coordinates[:, :LEAD].contiguous()
    return Rows(
        centred,
        lead,
        scored(space, centred),
        near,
        novel,
        anchored,
        space.along.cells(coordinates),
        space.raw.cells(centred[:, space.live]),
        space.partitions.cells(lead),
    )


def scored(space: Space, centred: Float32[Tensor, "n d"]) -> Float64[Tensor, "n"]:
    """Squared Mahalanobis distances with a ridge, none above `highest`."""
    coordinates = centred @ space.axes
    ridge = SCORE_RIDGE * space.mean_spread
    off_axes = (centred.square().sum(1) - coordinates.square().sum(1)).clamp(min=0).double()
    if space.axes.shape[1] == space.axes.shape[0]:
        off_axes = torch.zeros_like(off_axes)  # there is nothing else, and rounding must not pass for it
    weights = (1 / (space.spread + ridge)).float()
    return ((coordinates.square() @ weights).double() + off_axes / ridge).clamp(max=space.highest)


def _against_anchors(
    space: Space, centred: Float32[Tensor, "n d"]
) -> tuple[Float64[Tensor, "n 2"], Bool[Tensor, "n"], Float64[Tensor, "a"]]:
    near, novel = [], []
    anchored = torch.zeros(len(space.anchors), dtype=torch.float64, device=centred.device)
    for piece in torch.split(centred, PIECE):
        k = exponents(piece, space.anchors, space.scale)
        novel.append(torch.count_nonzero(k >= -space.radius / space.scale, dim=1) < space.neighbours)
        wide = k.exp_().mean(1).double()
        anchored += k.sum(0)
        near.append(torch.stack([k.square_().square_().mean(1).double(), wide], 1))
    return torch.cat(near), torch.cat(novel), anchored
