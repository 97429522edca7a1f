"""How alike two sets of centred vectors of the same inputs are, up to what a rotation can change."""

import torch
from jaxtyping import Float64
from torch import Tensor


def cka(x: Float64[Tensor, "n d"], y: Float64[Tensor, "n k"]) -> float:
    """Linear centred kernel alignment of centred rows, debiased; about [-1, 1], 0 where either has no structure."""
    both, own_x, own_y = hsic(x, y), hsic(x, x), hsic(y, y)
    return both / (own_x * own_y) ** 0.5 if own_x > 0 and own_y > 0 else 0.0


def hsic(x: Float64[Tensor, "n d"], y: Float64[Tensor, "n k"]) -> float:
    """The unbiased Hilbert-Schmidt independence criterion with linear kernels (Song et al., 2012, equation 5).

    In terms of x'y instead of the two n x n matrices; the diagonal is taken out, as the estimator demands. n >= 4.
    """
    n = len(x)
    own_x, own_y = x.square().sum(1), y.square().sum(1)
    sums_x, sums_y = x @ x.sum(0) - own_x, y @ y.sum(0) - own_y
    product = (x.mT @ y).square().sum() - own_x @ own_y
    whole = sums_x.sum() * sums_y.sum() / ((n - 1) * (n - 2))
    return float(product + whole - 2 * (sums_x @ sums_y) / (n - 2)) / (n * (n - 3))


def procrustes_residual(x: Float64[Tensor, "n d"], y: Float64[Tensor, "n k"]) -> float:
    """Share of the variance of `y` that no rotation and scaling of `x` explains (Schoenemann and Carroll, 1970)."""
    p, q = in_own_span(x), in_own_span(y)
    explained = torch.linalg.svdvals(p.mT @ q).sum().square() / (p.square().sum() * q.square().sum())
    return min(1.0, max(0.0, 1 - float(explained)))


def in_own_span(x: Float64[Tensor, "n d"]) -> Float64[Tensor, "n k"]:
    """The rows of `x` in k = min(n, d) dimensions, turned and not changed."""
    return x if x.shape[1] <= len(x) else torch.linalg.qr(x.mT, mode="r").R.mT
