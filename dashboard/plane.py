"""The plane in which a reference varies most: the same one whenever it is asked for, so that axes stay put."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from drift.records import Reference


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The centre of a reference and its first two principal directions, with their shares of the variance."""

    centre: Float64[np.ndarray, "d"]
    axes: Float64[np.ndarray, "d 2"]
    shares: tuple[float, float]

    def of(self, vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n 2"]:
        """Where the rows of `vectors` lie."""
        found: Float32[np.ndarray, "n 2"] = ((vectors - self.centre) @ self.axes).astype(np.float32)
        return found


def fitted(reference: Reference) -> Plane:
    """The plane in which the rows of `reference` vary most; signs are such that it is always the same one."""
    x = reference.vectors.astype(np.float64)
    centre = x.mean(0)
    variances, directions = np.linalg.eigh(np.cov(x, rowvar=False).reshape(len(centre), -1))
    axes = np.zeros((len(centre), 2))
    count = min(2, len(centre))
    axes[:, :count] = directions[:, ::-1][:, :count]
    axes *= np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    shares = [*(variances[::-1][:count] / variances.sum()), 0.0]
    return Plane(centre, axes, (float(shares[0]), float(shares[1])))
