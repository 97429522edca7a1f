"""Collapse of the embeddings, and what is mistaken for it: shrinking, noise, duplicates, dead dimensions, norms."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from enum import StrEnum
from math import ceil, copysign, log
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from detectors.arguments import require_whole
from detectors.arrays import Vectors, as_reference, as_rows, require_same_width
from detectors.figures import Shape, crosswise, live_dimensions, shape
from detectors.kernels import draw
from detectors.labels import Accuracy
from detectors.nulls import widening
from drift.errors import BadArgumentError, BadReferenceError

BEYOND = 5.0
"""So many standard deviations are far out: with eleven figures and 100 null windows, once in many thousand windows."""

RARE = 1e-4
"""The chance of all rows of a kind that the reference lacks up to which they are too many to be chance."""
FEW = 1 / 8

LOST = 0.01
"""The p-value at or below which accuracy has fallen."""


class Verdict(StrEnum):
    """What has happened to the shape of the embeddings."""

    COLLAPSE = "collapse"
    SHRINK = "shrink"
    NOISE = "noise: rank rises while accuracy falls"
    RANK_RISES = "rank rises"
    DUPLICATES = "duplicates"
    DEAD_DIMENSIONS = "dead dimensions"
    NORM_CHANGED = "norm changed"
    CHANGED = "changed"
    HEALTHY = "healthy"


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of the window, its mean over null windows of the reference, and the difference in their fresh sds.

    `z` is on the scale of a normal law where null windows are skewed to its side. Where few rows alone put a figure
    far out, no more than a healthy window may have of a kind that the reference lacks, it is the z without them.
    """

    value: float
    expected: float
    z: float


@final
@dataclass(frozen=True, slots=True)
class Collapse:
    """The verdict on a window, the number of rows it rests on, and each figure of `Shape` compared."""

    verdict: Verdict
    rows: int
    participation_ratio: Compared
    rank_me: Compared
    effective_rank: Compared
    trace: Compared
    anisotropy: Compared
    alpha_req: Compared
    mean_cosine: Compared
    uniformity: Compared
    duplicates: Compared
    dead_dimensions: Compared
    norm: Compared


def collapse(
    window: Vectors,
    reference: Vectors,
    null_windows: int = 100,
    seed: int = 0,
    most_rows: int = 1000,
    *,
    accuracy: Accuracy | None = None,
) -> Collapse:
    """Has the shape of `window`, shape (n, d), changed against `reference`, shape (m, d), and how is that called?

    Both are put in random order. Live dimensions come from the reference's first half, `null_windows` windows of the
    window's size from its second. The window is cut down to `most_rows` and to a quarter of the reference. "collapse"
    is said only where rank and trace both fall by more than five standard deviations. `accuracy`, one that
    `detectors.probe` gives for the window, tells noise from a rank that rises for other reasons.

    Raises:
        UnmeasurableError: vectors of two lengths, or numbers in the window that are not finite.
        TooFewRowsError: fewer than 16 rows in the window.
        BadReferenceError: fewer than 64 rows in the reference, numbers that are not finite, or hardly any that differ.
        BadArgumentError: a parameter is of another type or out of range.
    """
    for name, value, least in (("null_windows", null_windows, 10), ("seed", seed, 0), ("most_rows", most_rows, 16)):
        require_whole("collapse", name, value, least)
    if not isinstance(accuracy, Accuracy | None):
        raise BadArgumentError(f"collapse needs accuracy to be one that detectors.probe gives, it is {accuracy!r}")
    x, held = as_rows(window, "window", 16), as_reference(reference, 64).float()
    require_same_width(x.shape[1], held.shape[1], ("window", "reference"))
    rng = np.random.default_rng(seed)
    held = held[torch.from_numpy(rng.permutation(len(held))).to(held.device)]
    first, second = held.tensor_split(2)
    n, m = min(len(x), most_rows, len(second) // 2), len(second)
    live = live_dimensions(first)
    draws = [shape(draw(second, n, rng), live) for _ in range(null_windows)]
    if not all(of.trace for of in draws):
        raise BadReferenceError(
            "collapse needs reference rows that differ, a window drawn from them holds one vector only: de-duplicate it"
        )
    usual = _usual(draws, (widening(n, m) ** 2 + 1 / null_windows) ** 0.5)
    drawn = draw(x, n, rng)
    figures = _compared(shape(drawn, live), usual, n, int(live.sum()))
    if any(abs(of.z) > BEYOND for of in figures.values()):
        most = _most(drawn, first, few(n, m))
        figures = _confirmed(figures, _compared(shape(most, live), usual, n, int(live.sum())))
    lost = figures["trace"].expected - figures["trace"].value
    across = crosswise(drawn, first) / lost if lost > 0 else 0.0
    return Collapse(verdict(figures, accuracy, across), n, **figures)


@dataclass(frozen=True, slots=True)
class _Usual:
    """The figures of healthy windows: mean, standard deviation of fresh windows, skewness."""

    mean: Shape
    sd: Shape
    skew: Shape


def _usual(draws: Sequence[Shape], fresh: float) -> _Usual:
    null = np.array([astuple(of) for of in draws])
    sd = null.std(0, ddof=1)
    cubes = ((null - null.mean(0)) ** 3).mean(0)
    skew = np.divide(cubes, sd**3, out=np.zeros_like(sd), where=sd > 1e-9 * abs(null.mean(0)))
    return _Usual(*(Shape(*column.tolist()) for column in (null.mean(0), fresh * sd, skew)))


def few(n: int, m: int) -> int:
    """How many rows of a kind that none of `m` reference rows is of a window of `n` may have by chance.

    Of so many, each as likely to be in either, all are in the window with a chance of `RARE`; at most one eighth.
    """
    return min(ceil(log(RARE) / log(n / (n + m))), int(FEW * n))


def _most(x: Float[Tensor, "n d"], held: Float[Tensor, "m d"], k: int) -> Float[Tensor, "r d"]:
    """`x` without the `k` rows furthest from the mean of `held`, nor the `k` that point away from it most."""
    mean = held.mean(0)
    cosines = torch.nn.functional.normalize(x) @ mean
    strange = torch.cat([(x - mean).square().sum(1).topk(k).indices, cosines.topk(k, largest=False).indices])
    kept = torch.ones(len(x), dtype=torch.bool, device=x.device)
    kept[strange] = False
    return x[kept]


def _compared(value: Shape, usual: _Usual, n: int, live: int) -> dict[str, Compared]:
    # What hardly varies must not be called far out for a trifle: one row, a tenth of a dimension, .1 % of the length.
    least = {"duplicates": 1 / n, "dead_dimensions": 0.1 / max(live, 1), "norm": 1e-3 * usual.mean.norm}

    def of(name: str) -> Compared:
        found, mean, sd, skew = (float(getattr(of, name)) for of in (value, usual.mean, usual.sd, usual.skew))
        z = (found - mean) / max(sd, least.get(name, 0.0), 1e-6 * abs(mean), 1e-12)
        return Compared(found, mean, as_normal(z, skew))

    return {f.name: of(f.name) for f in fields(Shape)}


def _confirmed(figures: dict[str, Compared], most: dict[str, Compared]) -> dict[str, Compared]:
    """`figures`, those that are far out with the z that is nearer to 0 of theirs and that of `most` rows."""

    def of(name: str, found: Compared) -> Compared:
        there = copysign(1, found.z) * most[name].z
        return (
            found if abs(found.z) <= BEYOND else replace(found, z=copysign(min(abs(found.z), max(0.0, there)), found.z))
        )

    return {name: of(name, found) for name, found in figures.items()}


def as_normal(z: float, skew: float) -> float:
    """`z` standard deviations from the mean of a gamma law of that `skew`, as those of a normal law with the same
    chance beyond; on the side of the longer tail only (Wilson and Hilferty, PNAS 17, 1931)."""
    g = abs(skew)
    if z * skew <= 0 or g < 1e-3:
        return z
    return copysign(min(abs(z), 6 / g * ((1 + g * abs(z) / 2) ** (1 / 3) - 1) + g / 6), z)


def verdict(of: dict[str, Compared], accuracy: Accuracy | None = None, shifted: float = 0.0) -> Verdict:
    """The name of what the figures show. `shifted` is the part of what the trace has lost that `crosswise` explains.

    A fault of a minority of rows or dimensions is named before what it does to the rest; rows that are all near one
    another have copies and have shrunk, or collapsed, while rows that were sent twice are spread as ever. A rank that
    rises goes with noise: it is no good sign.
    """
    up, down = ({name for name, c in of.items() if s * c.z > BEYOND} for s in (1, -1))
    # Of a few copies no rank falls.
    copied = "rank_me" not in down or of["duplicates"].value >= MANY
    towards = "trace" in down and "mean_cosine" in up and "rank_me" not in up and shifted < SHIFTED
    same = of["duplicates"].value
    rules = (
        (Verdict.DUPLICATES, "duplicates" in up and copied and (same < 0.5 or "trace" not in down)),
        # In which dimensions a few vectors differ is chance.
        (Verdict.DEAD_DIMENSIONS, "dead_dimensions" in up and of["dead_dimensions"].value < 0.5 and same < 0.5),
        (Verdict.COLLAPSE, {"rank_me", "trace"} <= down),
        (Verdict.SHRINK, towards),
        (Verdict.NORM_CHANGED, "norm" in up | down),
        (Verdict.NOISE, "rank_me" in up and accuracy is not None and accuracy.p_value <= LOST),
        (Verdict.RANK_RISES, "rank_me" in up),
        (Verdict.CHANGED, WATCHED & (up | down)),
    )
    return next((name for name, holds in rules if holds), Verdict.HEALTHY)


SHIFTED = 0.5
"""From this part on, rows of length 1 lost spread because their mean was moved, not because they were drawn to it."""
MANY = 0.02
"""Share of copied rows from which they may be why a rank falls."""
WATCHED = frozenset({"participation_ratio", "rank_me", "trace", "mean_cosine", "duplicates", "dead_dimensions", "norm"})
"""The figures that give the alarm; the others explain."""
