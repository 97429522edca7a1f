"""Where new rows lie in a picture that was fitted to a reference. Pure; nothing here is fitted."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

NEIGHBOURS: Final = 15
"""As UMAP has it, for fitting and for placing alike."""
PIECE: Final = 1024  # rows at once
SAMPLED: Final = 500  # places from which it is found how far neighbours are apart
STEPS: Final = 32  # of the search for a width

Places = Float32[np.ndarray, "n 2"]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Rows of a reference, centred, and their places in the plane, in which neighbours are about `reach` apart."""

    centre: Float32[np.ndarray, "d"]
    rows: Float32[np.ndarray, "m d"]
    places: Float32[np.ndarray, "m 2"]
    reach: float

    @classmethod
    def of(cls, vectors: Float32[np.ndarray, "m d"], places: Float32[np.ndarray, "m 2"]) -> "Fitted":
        """The first rows of `vectors`, as many as have places."""
        centre = vectors[: len(places)].mean(0, dtype=np.float64).astype(np.float32)
        apart = np.sort(_squares(places[:SAMPLED], places), axis=1)[:, : NEIGHBOURS + 1]
        reach = float(np.sqrt(np.maximum(np.median(apart[:, -1]), 0))) or 1.0
        return cls(centre, vectors[: len(places)] - centre, places, reach)

    def place(self, vectors: Float32[np.ndarray, "n d"]) -> Places:
        """Where the rows of `vectors` lie: amid those of their nearest rows of the reference that lie together.

        Weights are those of UMAP (McInnes, Healy and Melville, 2018), exp(-(distance - nearest) / width), the width
        such that they add up to the logarithm of their number. The mean of all would lie between clusters, where
        nothing is like the row. A row depends on no other, and on no chance.
        """
        pieces = [self._place(vectors[i : i + PIECE] - self.centre) for i in range(0, len(vectors), PIECE)]
        return np.concatenate([self.places[:0], *pieces])

    def _place(self, x: Float32[np.ndarray, "n d"]) -> Places:
        squares = _squares(x, self.rows)
        count = min(NEIGHBOURS, len(self.rows))
        near = np.argpartition(squares, count - 1, axis=1)[:, :count]
        distances = np.sqrt(np.maximum(np.take_along_axis(squares, near, axis=1), 0))
        weights = _weights(distances - distances.min(1, keepdims=True))
        spots = self.places[near]
        apart = ((spots[:, :, None] - spots[:, None]) ** 2).sum(3)
        kernel = np.exp(apart / np.float32(-2 * self.reach**2))
        densest = (kernel * weights[:, None, :]).sum(2).argmax(1)
        weights = weights * kernel[np.arange(len(x)), densest]
        found: Places = (weights[:, :, None] * spots).sum(1, dtype=np.float32) / weights.sum(1, keepdims=True)
        return found


def _squares(x: Float32[np.ndarray, "n d"], y: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "n m"]:
    found: Float32[np.ndarray, "n m"] = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return found


def _weights(beyond: Float32[np.ndarray, "n k"]) -> Float32[np.ndarray, "n k"]:
    """Weights that add up to 1, by how far each neighbour is beyond the nearest."""
    goal = np.log2(beyond.shape[1]) if beyond.shape[1] > 1 else 1.0
    low, high = np.zeros((len(beyond), 1)), np.maximum(beyond.max(1, keepdims=True) * 64.0, 1e-12)
    for _ in range(STEPS):
        width = (low + high) / 2
        is_wide = np.exp(-beyond / width).sum(1, keepdims=True) > goal
        low, high = np.where(is_wide, low, width), np.where(is_wide, width, high)
    weights = np.exp(-beyond / high)
    found: Float32[np.ndarray, "n k"] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return found
