"""Collapse of the embeddings, and what is mistaken for it: shrinking, noise, duplicates, dead dimensions, norms."""

from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from detectors.arguments import require_whole
from detectors.arrays import Vectors, as_reference, as_rows, require_same_width
from detectors.copies import NEAR
from detectors.kernels import draw, entropy_rank, spectrum, squared_distances
from detectors.labels import Accuracy
from detectors.nulls import widening
from drift.errors import BadReferenceError

BEYOND = 5.0
"""So many standard deviations are far out: with eleven figures and 100 null windows, once in many thousand windows."""


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
class Shape:
    """The figures of one set of vectors. Most depend on the number of rows: compare them at equal numbers only.

    `participation_ratio` is corrected for that number; `rank_me` (Garrido et al., ICML 2023) and `effective_rank` (Roy
    and Vetterli, EUSIPCO 2007) count directions by the entropy of the singular values and of the variances, centred.
    `trace` is the total variance, `anisotropy` the share of it in the first principal component, `alpha_req` (Agrawal
    et al., NeurIPS 2022) the exponent by which variances fall. `mean_cosine` and `uniformity` (Wang and Isola, ICML
    2020; towards 0 in a point) are over pairs of rows. `duplicates` is the share of rows that have another within a
    thousandth of the mean squared distance, less in few dimensions (near copies too, where the detector `duplicates`
    counts equal ones),
    `dead_dimensions` the share of the reference's live dimensions whose standard deviation is below a tenth of the
    median. `norm` is the mean length.
    """

    participation_ratio: float
    rank_me: float
    effective_rank: float
    trace: float
    anisotropy: float
    alpha_req: float
    mean_cosine: float
    uniformity: float
    duplicates: float
    dead_dimensions: float
    norm: float


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of the window, its mean over null windows of the reference, and the difference in their fresh sds."""

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
    fresh = (widening(n, m) ** 2 + 1 / null_windows) ** 0.5
    null = np.array([astuple(of) for of in draws])
    expected, spread = Shape(*null.mean(0).tolist()), Shape(*(fresh * null.std(0, ddof=1)).tolist())
    return compared(shape(draw(x, n, rng), live), expected, spread, n, int(live.sum()), accuracy=accuracy)


def compared(
    value: Shape, expected: Shape, spread: Shape, n: int, live: int, *, accuracy: Accuracy | None = None
) -> Collapse:
    """The figures of a window of `n` rows against those of null windows with standard deviations `spread`."""
    # What hardly varies must not be called far out for a trifle: one row, a tenth of a dimension, .1 % of the length.
    least = {"duplicates": 1 / n, "dead_dimensions": 0.1 / max(live, 1), "norm": 1e-3 * expected.norm}

    def of(name: str) -> Compared:
        found, mean, sd = (float(getattr(figures, name)) for figures in (value, expected, spread))
        return Compared(found, mean, (found - mean) / max(sd, least.get(name, 0.0), 1e-6 * abs(mean), 1e-12))

    figures = {f.name: of(f.name) for f in fields(Shape)}
    return Collapse(verdict(figures, accuracy), n, **figures)


def verdict(of: dict[str, Compared], accuracy: Accuracy | None = None) -> Verdict:
    """The name of what the figures show.

    A fault of a minority of rows or dimensions is named before what it does to the rest; rows that are all near one
    another have copies and have shrunk, or collapsed, while rows that were sent twice are spread as ever. A rank that
    rises goes with noise: it is no good sign.
    """
    up, down = ({name for name, c in of.items() if s * c.z > BEYOND} for s in (1, -1))
    # Of a few copies no rank falls.
    copied = "rank_me" not in down or of["duplicates"].value >= MANY
    rules = (
        (Verdict.DUPLICATES, "duplicates" in up and copied and (of["duplicates"].value < 0.5 or "trace" not in down)),
        (Verdict.DEAD_DIMENSIONS, "dead_dimensions" in up and of["dead_dimensions"].value < 0.5),
        (Verdict.COLLAPSE, {"rank_me", "trace"} <= down),
        (Verdict.SHRINK, "trace" in down and "mean_cosine" in up and "rank_me" not in up),
        (Verdict.NORM_CHANGED, "norm" in up | down),
        (Verdict.NOISE, "rank_me" in up and accuracy is not None and accuracy.p_value <= LOST),
        (Verdict.RANK_RISES, "rank_me" in up),
        (Verdict.CHANGED, WATCHED & (up | down)),
    )
    return next((name for name, holds in rules if holds), Verdict.HEALTHY)


MANY = 0.02
"""Share of copied rows from which they may be why a rank falls."""
WATCHED = frozenset({"participation_ratio", "rank_me", "trace", "mean_cosine", "duplicates", "dead_dimensions", "norm"})
"""The figures that give the alarm; the others explain."""


def live_dimensions(x: Float[Tensor, "n d"]) -> Bool[Tensor, "d"]:
    """The dimensions whose standard deviation is at least a tenth of the median over those that vary at all."""
    sd = x.double().std(0)
    return (sd > 0) & (sd >= 0.1 * sd[sd > 0].median()) if sd.any() else sd > 0


def shape(x: Float[Tensor, "n d"], live: Bool[Tensor, "d"]) -> Shape:
    """The figures of `x`, of whose dimensions `live` should vary. Ranks of equal rows are 0."""
    n = len(x)
    variances = spectrum(x) / (n - 1)
    total = variances.sum()
    units = torch.nn.functional.normalize(x)
    cosines = units @ units.mT
    pairs = n * (n - 1)
    off = cosines.fill_diagonal_(0)
    centred = x - x.mean(0)
    nearest = squared_distances(centred, centred).fill_diagonal_(torch.inf).amin(1)
    dimensions = participation_ratio(variances, n, x.shape[1])
    return Shape(
        participation_ratio=dimensions,
        rank_me=entropy_rank(variances.sqrt()),
        effective_rank=entropy_rank(variances),
        trace=float(total),
        anisotropy=float(variances.max() / total) if total > 0 else 1.0,
        alpha_req=decay(variances),
        mean_cosine=float(off.sum(dtype=torch.float64)) / pairs,
        uniformity=float((torch.exp(4 * off - 4).fill_diagonal_(0).sum(dtype=torch.float64) / pairs).log()),
        duplicates=float((nearest <= near(n, dimensions) * 2 * total).double().mean()),
        dead_dimensions=float((live & ~live_dimensions(x)).sum()) / max(int(live.sum()), 1),
        norm=float(torch.linalg.vector_norm(x.double(), dim=1).mean()),
    )


def near(n: int, dimensions: float) -> float:
    """How near a copy lies, in parts of the mean squared distance.

    Of `n` rows the nearest to one is at about n^(-2 / m) in m dimensions, without being a copy; with many dimensions
    that is far, with few it is not.
    """
    natural: float = 0.005 * n ** (-2 / max(dimensions, 1e-3))
    return min(NEAR, natural)


def participation_ratio(variances: Float64[Tensor, "k"], n: int, d: int) -> float:
    """(tr C)^2 / tr C^2 of the covariance C behind the sample variances of `n` normal rows along their principal axes.

    In [0, d]; 0 where all rows are equal. Numerator and denominator are unbiased; the ratio of the sample's own traces
    is a quarter too small at n = 250 and d = 384.
    """
    v, a, b = n - 1, float(variances.square().sum()), float(variances.sum()) ** 2
    squares, square = v * (a - b / v), (v + 1) * b - 2 * a
    if b == 0:
        return 0.0
    return min(square / squares, float(d)) if squares > 0 else float(d)


def decay(variances: Float64[Tensor, "k"]) -> float:
    """The exponent a of variances that fall as i^-a, by least squares on logarithms; 0 for fewer than two."""
    kept = variances[variances > 1e-9 * variances.max()].sort(descending=True).values
    if len(kept) < 2:
        return 0.0
    place = torch.arange(1, len(kept) + 1, dtype=torch.float64, device=kept.device).log()
    centred = place - place.mean()
    return -float((centred * kept.log()).sum() / centred.square().sum())
