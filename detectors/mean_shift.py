"""Slow drift: has the mean of the embeddings moved, over one window or over many that are merged?"""

from dataclasses import dataclass
from math import copysign, inf, isinf, log, sqrt
from typing import ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Float64
from numpy.random import Generator
from scipy.optimize import brentq
from scipy.special import ndtr
from torch import Tensor

from detectors.copies import independent, independent_rows
from detectors.kernels import LEAST_P, pinned, tensor
from detectors.lengths import limits, within
from detectors.nulls import guarded
from drift.errors import TooFewRowsError, UnmeasurableError
from drift.records import Measurement, Reference, Rows, Sketch, Span, Stream, Window

RIDGES: Final = (inf, 4.0, 0.04)


@final
@dataclass(frozen=True, slots=True)
class MeanShift:
    """Shift of the mean: squared distance of the window's mean from the reference's, over the reference's variance.

    Ratio, unbiased and unfloored: about 0, and negative half of the time, when nothing has moved; a share e of rows
    that lie one standard deviation off gives e squared. low and high are 95 %, the band 99 % of healthy windows.

    It needs sums only, and sums of windows add up: merged windows find a shift that no single one shows. The p-value is
    Bonferroni's over the `ridges` r of (y - m)' (S + r v I)^-1 (y - m), v the mean variance of a direction: a large r
    sees shifts along the directions in which the reference varies most, a small one along the quiet ones ("ridge
    Hotelling"; Li, Aue, Paul, Peng and Wang, Ann. Statist. 48, 2020). Infinity is the plain distance, that is MMD with
    a linear kernel. Each has a weighted sum of chi-squares as its null law, of which the saddlepoint gives the tail.

    The reference's own error is the same in every window: where it has fewer than 20 rows for each of theirs the
    p-value is doubled, which keeps 19 references of 20 to the nominal share, down to half a row for each.
    """

    name: ClassVar[str] = "mean_shift"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "the embeddings have moved as a whole: slowly, if the merged windows see it and the single ones do not"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic drifts, and reference and model may need to "
        "follow; if not, fix the serving path."
    )

    ridges: tuple[float, ...] = RIDGES
    min_rows: int = 64

    def __post_init__(self) -> None:
        if not self.ridges or min(self.ridges) <= 0:
            raise ValueError(f"mean_shift needs ridges > 0, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        rows = independent_rows(self.name, window, reference, self.min_rows)
        return self.measure_sketch(_sums(rows, reference), window.stream, window.span, reference)

    def sketch(self, window: Window, reference: Reference) -> Sketch:
        """The sums of `window` that this detector needs: over independent rows, since the null law is of their mean."""
        return _sums(independent(window.rows, reference), reference)

    def measure_sketch(self, sketch: Sketch, stream: Stream, span: Span, reference: Reference) -> Measurement:
        """The measurement of the windows of `span` that were merged into `sketch`."""
        if sketch.rows < self.min_rows:
            raise TooFewRowsError(
                f"{self.name} needs at least {self.min_rows} rows, window {stream} {span} has {sketch.rows}: "
                "widen the window or raise the stream's sample size"
            )
        held = directions(reference)
        scale = 1 / sketch.rows + 1 / held.rows
        moved = held.basis.mT @ torch.from_numpy(sketch.sums / sketch.rows).to(held.basis.device)
        chances = []
        for ridge in self.ridges:
            law = null_law(reference, ridge)
            chances.append(tail(float((law.weights * moved.square()).sum()) / scale, law.spectrum))
        smallest = max(LEAST_P, min(1.0, len(chances) * min(chances)))
        plain = null_law(reference, inf)
        total, spread = float(plain.spectrum.sum()), scale * sqrt(2 * float(np.square(plain.spectrum).sum()))
        value = (float(moved.square().sum()) - scale * total) / total
        # What a shift adds to the variance: 4 s d'Sd, estimated without what the noise alone gives.
        along = float((held.factor @ moved).square().sum())
        added = 4 * scale * (along - scale * float(np.square(plain.spectrum).sum()))
        half = 1.96 * sqrt(spread**2 + max(0.0, added)) / total
        low, high = (scale * (bound / total - 1) for bound in plain.band)
        return Measurement(
            stream.key,
            span,
            self.name,
            reference.version,
            value,
            sketch.rows,
            p_value=guarded(smallest, sketch.rows, held.rows),
            low=value - half,
            high=value + half,
            band_low=low,
            band_high=high,
        )


def _sums(rows: Rows, reference: Reference) -> Sketch:
    held = directions(reference)
    x = torch.from_numpy(rows.vectors).to(held.centre.device, torch.float64)
    centred = within(x, held.middle, held.reach) - held.centre
    return Sketch(reference.version, len(rows), centred.sum(0).cpu().numpy())


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """The reference's principal directions (columns of `basis`), from its first half.

    `fitted` are the variances of that half along them. F = `factor` has the covariance F'F of the second half in the
    same coordinates, to which the directions have not been fitted: in its own sample a fit looks tighter than it is.
    Rows are seen no further from `middle` than `reach`, in the reference and in windows.
    """

    middle: Float64[Tensor, "d"]
    reach: float
    centre: Float64[Tensor, "d"]
    basis: Float64[Tensor, "d d"]
    fitted: Float64[Tensor, "d"]
    factor: Float64[Tensor, "k d"]
    rows: int


@pinned
def directions(reference: Reference) -> Directions:
    """Centre of all rows, principal directions of the first half and covariance of the second.

    Raises:
        UnmeasurableError: the rows of one of the halves are all equal, so that nothing has a scale.
    """
    x = tensor(reference.vectors).double()
    middle, reach = limits(x[: len(x) // 2], x[len(x) // 2 :])
    x = within(x, middle, reach)
    first, second = x[: len(x) // 2], x[len(x) // 2 :]
    if min(float(half.var(0, correction=0).sum()) for half in (first, second)) <= 0:
        raise UnmeasurableError(
            f"mean_shift needs rows that differ in both halves of the reference, {reference} has not: give it more rows"
        )
    fitted, basis = _principal(first)
    return Directions(middle, reach, x.mean(0), basis, fitted.clamp(min=0), _factor(second @ basis), len(x))


def _factor(x: Float64[Tensor, "n d"]) -> Float64[Tensor, "k d"]:
    """A matrix F of k = min(n, d) rows with F'F the covariance of the rows of `x`."""
    root: Tensor = torch.linalg.qr((x - x.mean(0)) / (len(x) - 1) ** 0.5, mode="r").R
    return root


def _principal(x: Float64[Tensor, "n d"]) -> tuple[Float64[Tensor, "d"], Float64[Tensor, "d d"]]:
    """Variances along the principal directions of the rows of `x`, and these directions, with 0 along the others."""
    factor = _factor(x)
    k, d = factor.shape
    variances, axes = torch.linalg.eigh(factor @ factor.mT if k < d else factor.mT @ factor)
    if k < d:
        # The smaller product has all that varies; what completes the basis is orthogonal to every row.
        variances = torch.nn.functional.pad(variances.flip(0), (0, d - k))
        axes = torch.linalg.qr(factor.mT @ axes.flip(1), mode="complete").Q
    return variances, axes


@dataclass(frozen=True, slots=True, eq=False)
class NullLaw:
    """Weights of a quadratic form of the mean, and of the chi-squares that make its law when nothing has moved.

    `band` holds 99 % of that law.
    """

    weights: Float64[Tensor, "d"]
    spectrum: Float64[np.ndarray, "k"]
    band: tuple[float, float]


@pinned
def null_law(reference: Reference, ridge: float) -> NullLaw:
    """The form of one ridge. Chi-squares that weigh nothing are left out."""
    held = directions(reference)
    weights = torch.ones_like(held.fitted)
    if not isinf(ridge):
        weights /= held.fitted + ridge * held.fitted.mean()
    root = weights.sqrt()
    weighted = held.factor * root
    # The smaller of the two products has the same eigenvalues, less those that are 0.
    spectrum = torch.linalg.eigvalsh(weighted @ weighted.mT).clamp(min=0).cpu().numpy()
    spectrum = spectrum[spectrum > 1e-12 * spectrum.max()]
    return NullLaw(weights, spectrum, (quantile(0.995, spectrum), quantile(0.005, spectrum)))


def tail(value: float, spectrum: Float64[np.ndarray, "k"]) -> float:
    """Chance that the sum of chi-squares of one degree each, weighted by `spectrum`, is at least `value`.

    Saddlepoint approximation of Lugannani and Rice (Kuonen, Biometrika 86, 1999): its relative error stays small far
    out in the tail, where matching a few moments is off by factors.
    """
    if value <= 0:
        return 1.0
    top = float(spectrum.max())
    w = spectrum / top
    q = value / top
    if q > 1e6 * len(w):
        return 0.0  # beyond all that a float can tell from it, and the equation below loses its digits

    def slope(t: float) -> float:
        return float((w / (1 - 2 * t * w)).sum()) - q

    low = -len(w) / (2 * q)  # there each chi-square contributes less than q / k
    t = float(brentq(slope, low, 0.5 * (1 - 1e-12), xtol=1e-15, rtol=1e-14))
    curvature = 2 * float(np.square(w / (1 - 2 * t * w)).sum())
    r = copysign(sqrt(max(0.0, 2 * (t * q + 0.5 * float(np.log1p(-2 * t * w).sum())))), t)
    u = t * sqrt(curvature)
    # At the mean both vanish, and rounding decides; this is the limit, a sixth of the skewness.
    shift = log(u / r) / r if abs(u) > 1e-3 else 8 * float((w**3).sum()) / (6 * curvature**1.5)
    return float(ndtr(-(r + shift)))


def quantile(chance: float, spectrum: Float64[np.ndarray, "k"]) -> float:
    """The value that a sum of weighted chi-squares exceeds with probability `chance` in (0, 1)."""
    mean, spread = float(spectrum.sum()), sqrt(2 * float(np.square(spectrum).sum()))
    high = mean + spread
    while tail(high, spectrum) > chance:
        high += spread
    return float(brentq(lambda value: tail(value, spectrum) - chance, 1e-9 * mean, high, rtol=1e-6))
