"""The figures that describe the shape of a set of embeddings: how wide, in how many directions, around what."""

from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from detectors.copies import NEAR, first_equal, times_seen
from detectors.kernels import entropy_rank, spectrum, squared_distances

LONGER: Final = 0.01


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
    equal = torch.from_numpy(times_seen(first_equal(x.float().cpu().numpy())) > 1).to(x.device)
    rounding = (8 * torch.finfo(x.dtype).eps) ** 2 * float(x.double().square().sum(1).mean())
    # Nearly equal rows are no further apart than rounding, in a constant window all the variance that there is; equal
    # ones may seem further apart than what is near, where there are few directions.
    close = nearest <= max(near(n, dimensions) * 2 * float(total), rounding)
    return Shape(
        participation_ratio=dimensions,
        rank_me=entropy_rank(variances.sqrt()),
        effective_rank=entropy_rank(variances),
        trace=float(total),
        anisotropy=float(variances.max() / total) if total > 0 else 1.0,
        alpha_req=decay(variances),
        mean_cosine=float(off.sum(dtype=torch.float64)) / pairs,
        uniformity=float((torch.exp(4 * off - 4).fill_diagonal_(0).sum(dtype=torch.float64) / pairs).log()),
        duplicates=float((close | equal).double().mean()),
        dead_dimensions=float((live & ~live_dimensions(x)).sum()) / max(int(live.sum()), 1),
        norm=float(torch.linalg.vector_norm(x.double(), dim=1).mean()),
    )


def crosswise(x: Float[Tensor, "n d"], held: Float[Tensor, "m d"]) -> float:
    """Squared distance by which the mean of `x` lies beside the line from 0 through that of `held`, less what chance
    alone gives; at least 0. So much spread do rows of length 1 lose where they are moved; drawn to their mean, none.

    0 where lengths have changed by more than 1 %: such rows lose no spread by being moved.
    """
    length, usual_length = (float(torch.linalg.vector_norm(of.double(), dim=1).mean()) for of in (x, held))
    if abs(length - usual_length) > LONGER * usual_length:
        return 0.0
    mean, usual = x.double().mean(0), held.double().mean(0)
    along = (mean @ usual) / (usual @ usual).clamp(min=torch.finfo(torch.float64).tiny)
    chance = held.double().var(0).sum() * (1 / len(x) + 1 / len(held))
    return max(float((mean - along * usual).square().sum() - chance), 0.0)


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
