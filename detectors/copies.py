"""Rows with equal vectors: which of them count where rows must be independent.

Copies come in two kinds. A popular input is drawn again and again, each time independently: leaving its copies out
would compare the distinct rows of a small window with those of a large reference, among which it weighs less. A row
that is there twice because something repeats it (a cache, a retry, a replay) says nothing new. The reference tells
which is which.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor

from detectors.arrays import Vectors, as_rows
from detectors.kernels import pinned, require_rows, squared_distances, tensor
from drift.errors import TooFewRowsError
from drift.records import Reference, Rows, Window

NEAR = 1e-3
"""Two encodings of one input, in production and here, are closer than this part of the mean squared distance of two
rows; in bfloat16 they are about 3e-4 apart."""


def distinct_rows(x: Vectors) -> Int64[np.ndarray, "k"]:
    """Positions of the rows of `x`, shape (n, d), that equal no earlier one in float32: `x[distinct_rows(x)]` has each
    once.

    Raises:
        UnmeasurableError: `x` has another shape or type, or numbers that are not finite.
    """
    first = first_equal(as_rows(x, "x", 0).cpu().numpy())
    return np.flatnonzero(first == np.arange(len(first)))


def first_equal(vectors: Float32[np.ndarray, "n d"]) -> Int64[np.ndarray, "n"]:
    """For each row the position of the first that is equal to it, which may be its own. -0 equals 0."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), at) for at, row in enumerate(vectors + np.float32(0))], np.int64)


def times_seen(first: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """How many rows are equal to each row, itself included, by what `first_equal` says."""
    return np.bincount(first)[first] if len(first) else first


def without_pairs(rows: Rows) -> Rows:
    """`rows` as a reference should hold them: of two equal ones the first, and all where there are three or more.

    A pair may be an accident (a file that was exported twice, a retried batch), and two rows of thousands hardly weigh;
    but one in each half of a reference make what is fitted on one half look too good on the other. Three equal rows are
    a popular input.
    """
    first = first_equal(rows.vectors)
    second = (times_seen(first) == 2) & (first != np.arange(len(first)))
    return rows.take(~second) if second.any() else rows


def independent(rows: Rows, reference: Reference) -> Rows:
    """`rows` of a window less the copies that `reference` does not explain."""
    return rows.take(_independent(rows, reference))


def _independent(rows: Rows, reference: Reference) -> Int64[np.ndarray, "k"]:
    """Places of the rows that count: of equal ones as many, the first, as the reference has; one where it has none."""
    first = first_equal(rows.vectors)
    if (first == np.arange(len(first))).all():
        return first
    order = np.argsort(first, kind="stable")
    earlier = np.empty_like(first)
    earlier[order] = np.arange(len(first)) - np.searchsorted(first[order], first[order])
    most = np.ones_like(first)
    repeated = first[earlier == 1]
    most[repeated] = popular(reference).times(rows.vectors[repeated])
    return np.flatnonzero(earlier < most[first])


def independent_places(detector: str, window: Window, reference: Reference, least: int) -> Int64[np.ndarray, "k"]:
    """Places of the `independent` rows of `window`, at least `least`.

    Raises:
        TooFewRowsError: there are fewer.
    """
    require_rows(detector, window, least)
    places = _independent(window.rows, reference)
    if len(places) < least:
        raise TooFewRowsError(
            f"{detector} needs at least {least} rows that are no copies, window {window} has {len(places)} among "
            f"{len(window.rows)}: see what the objective duplicates says, or widen the window"
        )
    return places


def independent_rows(detector: str, window: Window, reference: Reference, least: int) -> Rows:
    """The rows at `independent_places`, which may raise."""
    return window.rows.take(independent_places(detector, window, reference, least))


@dataclass(frozen=True, slots=True, eq=False)
class Popular:
    """The vectors that a reference has more than once, less `centre`, and how often. Those within the squared distance
    `near` of one are the same input."""

    vectors: Float[Tensor, "p d"]
    centre: Float[Tensor, "d"]
    counts: Int[Tensor, "p"]
    near: float

    def times(self, x: Float32[np.ndarray, "k d"]) -> npt.NDArray[np.int64]:
        """How often the reference has each of `x`; 1 where it has it once or not at all."""
        if not len(self.counts):
            return np.ones(len(x), np.int64)
        nearest = squared_distances(tensor(x) - self.centre, self.vectors).min(1)
        found = torch.where(nearest.values <= self.near, self.counts[nearest.indices], 1)
        return found.cpu().numpy()


@pinned
def popular(reference: Reference) -> Popular:
    """What is popular in `reference`."""
    first = first_equal(reference.vectors)
    counts = np.bincount(first)
    at = np.flatnonzero(counts > 1)
    x = tensor(reference.vectors)
    centre = x.double().mean(0)
    near = NEAR * 2 * float((x.double() - centre).square().sum(1).mean())
    centre = centre.to(x.dtype)
    return Popular(x[at] - centre, centre, torch.from_numpy(counts[at]).to(x.device), near)
