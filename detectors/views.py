"""What views of the same inputs (augmentations, paraphrases, dropout) say of an encoder: LiDAR and VICReg's terms."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from detectors.arrays import Vectors, as_wide_rows
from detectors.kernels import entropy_rank
from drift.errors import TooFewRowsError, UnmeasurableError

RIDGE: Final = 1e-4
"""Of the mean variance within items, added to every direction: views that agree exactly must not count as infinity."""


@final
@dataclass(frozen=True, slots=True)
class ViewTerms:
    """The figures of `items` inputs in `views` views each. Compare them at equal numbers of both, between encoders.

    `lidar` (Thilak et al., ICLR 2024) is the effective rank of what tells items apart, measured in what their views
    differ by: in [1, min(items - 1, d)], 0 where no two items differ. Unlike the rank of the covariance it does not
    count directions of noise; it asks for 10 views or more of an item.

    `invariance`, `variance` and `covariance` are VICReg's (Bardes, Ponce and LeCun, ICLR 2022) of vectors of unit
    length times the root of d, so that dimensions of a healthy encoder have a standard deviation near 1: mean squared
    difference of two views of an item in a dimension, in [0, 4]; how far standard deviations fall short of 1, in
    [0, 1]; and squared covariances of two dimensions, summed, per dimension. The smaller the better; none is of use
    alone, since an encoder that maps all inputs to one vector has no invariance to lose.
    """

    items: int
    views: int
    lidar: float
    invariance: float
    variance: float
    covariance: float


def view_terms(views: Vectors) -> ViewTerms:
    """The figures of `views`, shape (n, q, d): q views of each of n items, in any order.

    Raises:
        UnmeasurableError: another shape, or numbers that are not finite.
        TooFewRowsError: fewer than 16 items or 2 views of each.
    """
    if not isinstance(views, np.ndarray | torch.Tensor):
        raise UnmeasurableError(f"views need a numpy array or a torch tensor, they are {type(views).__name__}")
    if views.ndim != 3 or not views.shape[2]:
        raise UnmeasurableError(
            f"views need shape (n, q, d), q views of each of n items, they have {tuple(views.shape)}: stack them so"
        )
    n, q, d = views.shape
    if n < 16 or q < 2:
        raise TooFewRowsError(f"views need at least 16 items with 2 views each, they have {n} with {q}")
    z = as_wide_rows(views.reshape(n * q, d), "views", 2).double().view(n, q, d)
    unit = torch.nn.functional.normalize(z, dim=2) * d**0.5
    flat = unit.view(n * q, d)
    covariance = flat.mT.cov()
    return ViewTerms(
        items=n,
        views=q,
        lidar=lidar(z),
        # The mean over pairs of views is twice the variance within an item.
        invariance=2 * float(unit.var(1).mean()),
        variance=float((1 - flat.std(0)).clamp(min=0).mean()),
        covariance=float(covariance.square().sum() - covariance.diagonal().square().sum()) / d,
    )


def lidar(z: Float64[Tensor, "n q d"]) -> float:
    """Effective rank of the covariance of items' means, whitened by that of their views about them."""
    n, q, d = z.shape
    means = z.mean(1)
    between = means - means.mean(0)
    about = (z - means[:, None]).reshape(n * q, d)
    if not between.any():
        return 0.0
    return entropy_rank(torch.linalg.eigvalsh(between @ _whitened(between, about, n * (q - 1)).mT).clamp(min=0))


def _whitened(x: Float64[Tensor, "n d"], about: Float64[Tensor, "k d"], freedom: int) -> Float64[Tensor, "n d"]:
    """x (W + r I)^-1 for the covariance W of the rows `about`, with the ridge r."""
    within = about.mT @ about / freedom
    scale = float(within.diagonal().mean())
    # Where all views agree the ridge alone is left, at any scale.
    within.diagonal().add_(RIDGE * scale if scale > 0 else 1.0)
    solved: Float[Tensor, "d n"] = torch.cholesky_solve(x.mT, torch.linalg.cholesky(within))
    return solved.mT
