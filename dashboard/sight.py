"""What sets single rows apart: how far each lies from the reference, and on which side of the change it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from jaxtyping import Float32

from drift.records import Reference

ANCHORS: Final = 500  # rows of either side, at most, to which distances are taken
USUAL: Final = 0.99  # of the reference's own rows have a novelty of at most 1
SAME: Final = 1e-5  # of the median squared distance: rows that are nearer than that are one
PIECE: Final = 2048  # rows at once


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is seen of each row.

    `novelty` is its distance to the nearest row of the reference, over what is usual: above 1 are 1 % of the
    reference's own. `witness` is MMD's (Gretton et al., JMLR 13, 2012): above 0 where windows have more rows than the
    reference has, below 0 where they have fewer.
    """

    novelty: Float32[np.ndarray, "n"]
    witness: Float32[np.ndarray, "n"]

    @classmethod
    def stacked(cls, parts: "Sequence[Seen]") -> "Seen":
        """What is seen of the rows of at least one part, one after another."""
        return cls(np.concatenate([one.novelty for one in parts]), np.concatenate([one.witness for one in parts]))


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Rows of the reference and of windows, centred, and the units in which others are held against them.

    `usual` is the distance to the nearest of `reference` within which `USUAL` of the reference's other rows have one;
    `scale` is the median squared distance in the reference.
    """

    centre: Float32[np.ndarray, "d"]
    reference: Float32[np.ndarray, "m d"]
    windows: Float32[np.ndarray, "w d"]
    usual: float
    scale: float

    @classmethod
    def between(cls, reference: Reference, rows: Float32[np.ndarray, "n d"]) -> "Sight":
        """The first rows of `reference`, which are in random order, and about as many of `rows`, evenly."""
        vectors = reference.vectors
        centre = vectors.mean(0, dtype=np.float64).astype(np.float32)
        # Of a small reference half, so that there are others to say what is usual.
        anchors = vectors[: min(ANCHORS, len(vectors) // 2)] - centre
        heads = rows[:: ceil(len(rows) / ANCHORS)] - centre
        squares = _squares(vectors[len(anchors) : len(anchors) + PIECE] - centre, anchors)
        scale = float(np.median(squares)) or 1.0
        usual = float(np.quantile(_nearest(squares, scale), USUAL)) or scale**0.5
        return cls(centre, anchors, heads, usual, scale)

    def of_reference(self, vectors: Float32[np.ndarray, "n d"]) -> Seen:
        """What is seen of each of `vectors`, which are the first rows of the reference; none is held against itself."""

        def seen(x: Float32[np.ndarray, "k d"], first: int) -> Seen:
            near = _squares(x, self.reference)
            own = np.arange(first, min(first + len(x), len(self.reference)))
            near[own - first, own] = np.inf
            return self._seen(near, _squares(x, self.windows))

        return _in_pieces(vectors - self.centre, seen)

    def of_windows(self, vectors: Float32[np.ndarray, "n d"]) -> Seen:
        """What is seen of each of `vectors`, which are rows of windows; one that equals a row of the reference is not
        novel."""

        def seen(x: Float32[np.ndarray, "k d"], _: int) -> Seen:
            around = _squares(x, self.windows)
            # One of those that equal a row may be itself. More of them are others, and show where windows have many.
            rows, nearest = np.arange(len(x)), around.argmin(1)
            is_same = around[rows, nearest] <= SAME * self.scale
            around[rows[is_same], nearest[is_same]] = np.inf
            return self._seen(_squares(x, self.reference), around)

        return _in_pieces(vectors - self.centre, seen)

    def _seen(self, near: Float32[np.ndarray, "n m"], around: Float32[np.ndarray, "n w"]) -> Seen:
        """By squared distances to the reference and to windows; infinite ones are left out."""
        return Seen(
            _nearest(near, self.scale) / np.float32(self.usual),
            _likeness(around, self.scale) - _likeness(near, self.scale),
        )


def _in_pieces(x: Float32[np.ndarray, "n d"], seen: Callable[[Float32[np.ndarray, "k d"], int], Seen]) -> Seen:
    return Seen.stacked([seen(x[first : first + PIECE], first) for first in range(0, len(x), PIECE)])


def _squares(x: Float32[np.ndarray, "n d"], y: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "n m"]:
    found: Float32[np.ndarray, "n m"] = (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2 * x @ y.T
    return found


def _nearest(squares: Float32[np.ndarray, "n m"], scale: float) -> Float32[np.ndarray, "n"]:
    """The distance to the nearest row, 0 where one is the same; 0 too where there is no other."""
    least = squares.min(1)
    found: Float32[np.ndarray, n] = np.sqrt(np.where(np.isfinite(least) & (least > SAME * scale), least, 0.0))
    return found.astype(np.float32)


def _likeness(squares: Float32[np.ndarray, "n m"], scale: float) -> Float32[np.ndarray, "n"]:
    """The mean Gaussian kernel, at the median distance."""
    kernel = np.exp(squares * np.float32(-1 / scale))
    found: Float32[np.ndarray, n] = kernel.sum(1) / np.maximum(1, np.isfinite(squares).sum(1, dtype=np.float32))
    return found
