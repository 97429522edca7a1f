"""Statistics as their papers write them: slow, in float64, with nothing of ours."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def gram(x: Matrix, scales: tuple[float, ...]) -> Matrix:
    """The mean of Gaussian kernels, pair by pair."""
    distances = ((x[:, None] - x[None]) ** 2).sum(2)
    return np.mean([np.exp(-distances / scale) for scale in scales], axis=0)


def mmd2_by_definition(k: Matrix, of_window: npt.NDArray[np.bool_]) -> float:
    """Gretton et al. (2012), equation 3, the rows of the Gram matrix picked anew."""
    x, y = np.flatnonzero(~of_window), np.flatnonzero(of_window)
    xx, yy, xy = k[np.ix_(x, x)], k[np.ix_(y, y)], k[np.ix_(x, y)]
    m, n = len(x), len(y)
    return (xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1)) - 2 * xy.mean()
