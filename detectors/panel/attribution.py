"""Where a change comes from: a statistic as a sum over rows, over clusters and over segments; here the squared MMD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor

from detectors.panel.clusters import fit_centres, nearest
from detectors.panel.space import LEAD, Rows, Space, exponents
from drift.records import Part

Groups: TypeAlias = Int[np.ndarray, "n"]
"""The group of each row."""

WIDE: Final = "mmd_wide"


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """One of the panel's statistics taken apart: `by`, less `usual`, what it is in the reference.

    It is the squared MMD at the median bandwidth (`mmd_wide`, not floored, of which 0 is usual; see `Attributor`),
    unless that has not moved and a statistic of single rows has (`rowwise.TERMS`): then the most significant of these.

    `rows` has the contribution of each row that was tested, in the statistic's unit; `index` says which rows of the
    window these are (all, unless it was larger than `window_size`: the others were not looked at and have none),
    `rank` how much each stands out, `cluster` in which of `clusters` each lies. `rows`, `clusters` and, where segments
    were given, `segments` have one sum.
    """

    by: str
    usual: float
    index: Groups
    rows: Float64[np.ndarray, "n"]
    rank: Float64[np.ndarray, "n"]
    cluster: Groups
    clusters: tuple[Part, ...]
    segments: tuple[Part, ...]

    @property
    def order(self) -> Int[np.ndarray, "n"]:
        """The places in `rows`, that of the row which stands out most first."""
        order: npt.NDArray[np.intp] = np.argsort(-self.rank, kind="stable")
        return order

    def top(self, k: int) -> Int[np.ndarray, "k"]:
        """Which rows of the window stand out most, `k` of them or all, the first most of all."""
        return np.asarray(self.index[self.order[:k]])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attribution):
            return NotImplemented
        arrays = (
            (self.index, other.index),
            (self.rows, other.rows),
            (self.rank, other.rank),
            (self.cluster, other.cluster),
        )
        told, others = ((a.by, a.usual, a.clusters, a.segments) for a in (self, other))
        return told == others and all(np.array_equal(one, two) for one, two in arrays)

    def __hash__(self) -> int:
        return hash((self.by, self.clusters, self.segments))


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The anchors in groups: their names, the group of each anchor, and what its mean kernel lacks (see `lacking`)."""

    names: tuple[str, ...]
    of: Groups
    own: Float64[np.ndarray, "n"]


@dataclass(frozen=True, slots=True, eq=False)
class Attributor:
    """Takes the squared MMD apart by its witness f(x) = mean kernel to the window less mean kernel to the reference.

    No row counts its kernel to itself, so the unbiased MMD^2 is the mean of f over the window's rows less its mean f_0
    over the reference's (the anchors), exactly. Row i contributes (f(w_i) - f_0) / n: without drift about 0 wherever it
    lies, unlike within_i - 2 near_i + const, which has the same sum but favours thinly populated places. The bandwidth
    is the wide one, that of `Effect.mmd2`; the narrow one sees little but close neighbours.

    A group contributes what its rows in the window do, less the like sum over its rows in the reference (0 over all
    groups): so one that has vanished is seen. With shares p, q and mean f - f_0 of r, w in reference and window this is
    q w - p r = (q - p) (w + r) / 2 + (w - r) (p + q) / 2, the mix and the rates within (Kitagawa, JASA 50, 1955); a
    group on one side only is all mix. For this split, never for the sum, the kernel of a row to itself is put at the
    mean over pairs of its group: left out it would count chance, which is as large as what is looked for, as mix.

    `centres` are those of the clusters, in leading principal coordinates; `near` the anchors' mean kernels to others.
    """

    centres: Float32[Tensor, "c k"]
    near: Float64[np.ndarray, "a"]
    clusters: Grouping
    segments: Grouping | None

    def attribute(self, space: Space, seen: Rows, index: Groups, segments: Sequence[str] | None = None) -> Attribution:
        """The parts of the window `seen`, whose rows are those at `index` of the caller's, by `segments` as well."""
        n, cluster = len(index), nearest(seen.lead, self.centres).cpu().numpy()
        names = all_names(self.segments.names if self.segments else (), segments or ())
        groups = [cluster] if segments is None else [cluster, places(segments, names)]
        sums = pair_sums(seen.centred, space.scale, groups)
        near = sums[0] / (n - 1)
        there = seen.anchored.cpu().numpy() / n - self.near
        here = near - seen.near[:, 1].cpu().numpy() - there.mean()
        there -= there.mean()
        sides = [Side(of, here, lacking(near, own, of)) for of, own in zip(groups, sums[1:], strict=True)]
        held = [None if g is None else Side(g.of, there, -g.own) for g in (self.clusters, self.segments)]
        clusters = parts_of(self.clusters.names, sides[0], held[0])
        split = () if segments is None else parts_of(names, sides[1], held[1])
        return Attribution(WIDE, 0.0, index, here / n, here / n, cluster, clusters, split)


def fit_attributor(space: Space, clusters: int, segments: Sequence[str] | None, rng: np.random.Generator) -> Attributor:
    """The attributor for windows that `space` observes; `segments` are those of its anchors."""
    lead = space.anchors @ space.axes[:, :LEAD]
    centres = fit_centres(lead, clusters, rng)
    kinds = [(tuple(map(str, range(len(centres)))), nearest(lead, centres).cpu().numpy())]
    if segments is not None:
        names = tuple(sorted(set(segments)))
        kinds.append((names, places(segments, names)))
    sums = pair_sums(space.anchors, space.scale, [of for _, of in kinds])
    near = sums[0] / (len(lead) - 1)
    found = [Grouping(names, of, lacking(near, own, of)) for (names, of), own in zip(kinds, sums[1:], strict=True)]
    return Attributor(centres, near, found[0], found[1] if segments is not None else None)


def pair_sums(x: Float32[Tensor, "n d"], scale: float, groups: Sequence[Groups]) -> Float64[np.ndarray, "g n"]:
    """Sums of the wide kernel of each row to all others, then by each of `groups` to the others in its group."""
    of = [torch.from_numpy(g).to(x.device) for g in groups]
    tiles = []
    for start in range(0, len(x), 1024):
        part = slice(start, start + 1024)
        k = exponents(x[part], x, scale).exp_()
        k.diagonal(start).zero_()
        tiles.append(torch.stack([k.sum(1), *((k * (g[part, None] == g)).sum(1) for g in of)]).double())
    return torch.cat(tiles, 1).cpu().numpy()


def lacking(near: Float64[np.ndarray, "n"], sums: Float64[np.ndarray, "n"], of: Groups) -> Float64[np.ndarray, "n"]:
    """What to add to `near`, mean kernels to the other rows, for means over all rows with the row's kernel to itself
    put at the mean over pairs of its group; 0 where a group has no pairs. `sums` are over the others in the group."""
    count = np.bincount(of)
    pairs = count * (count - 1)
    own = np.bincount(of, sums) / np.maximum(pairs, 1)
    return np.where(pairs[of] > 0, own[of] - near, 0) / len(near)


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of the window or of the reference: the group of each, its witness (how much it is part of the change), and
    what completes the witness."""

    of: Groups
    witness: Float64[np.ndarray, "n"]
    lacking: Float64[np.ndarray, "n"]


def parts_of(names: tuple[str, ...], window: Side, reference: Side | None) -> tuple[Part, ...]:
    """The parts, one for each of `names`; those of a window alone where the reference's groups are not known."""
    q, sums, w = _means(window, len(names))
    if reference is None:
        return tuple(
            Part(name, None, share, total, None, None)
            for name, share, total in zip(names, q.tolist(), sums.tolist(), strict=True)
        )
    p, less, r = _means(reference, len(names))
    total = sums - less
    within = np.where((p > 0) & (q > 0), (w - r) * (p + q) / 2, 0)
    columns = np.stack([p, q, total, total - within, within], 1).tolist()
    return tuple(Part(name, *row) for name, row in zip(names, columns, strict=True))


def _means(
    side: Side, groups: int
) -> tuple[Float64[np.ndarray, "g"], Float64[np.ndarray, "g"], Float64[np.ndarray, "g"]]:
    """Of each group the share of rows, the sum of witnesses over the number of all rows, and their completed mean."""
    n, count = len(side.of), np.bincount(side.of, minlength=groups)
    sums = np.bincount(side.of, side.witness, groups)
    completed = np.bincount(side.of, side.witness + side.lacking, groups)
    return count / n, sums / n, completed / np.maximum(count, 1)


def all_names(known: tuple[str, ...], found: Sequence[str]) -> tuple[str, ...]:
    """The reference's names, then those that only the window has."""
    return (*known, *sorted(set(found) - set(known)))


def places(labels: Sequence[str], names: tuple[str, ...]) -> Groups:
    """The group of each row that is called `labels`, as its place among `names`."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[label] for label in labels], np.int64)
