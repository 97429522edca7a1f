"""Rows of the newest windows beside those of the reference: what a close look at a stream compares."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from drift.records import Span
from drift.store import references, windows
from drift.store.connect import Connection

MOST: Final = 2048  # rows of windows
LEAST: Final = 16


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows of windows from `span` are held against how many of the reference of that `version`."""

    window: int
    reference: int
    span: Span
    version: str


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Rows of windows (n, d) from `span`, and of the reference of that `version` (m, d)."""

    window: Float32[np.ndarray, "n d"]
    reference: Float32[np.ndarray, "m d"]
    span: Span
    version: str

    @property
    def rows(self) -> int:
        """How many rows both sides can be held against each other with: a reference must give subsets as large."""
        return min(len(self.window), len(self.reference) // 2)

    @property
    def sizes(self) -> Sizes:
        """What there is of them, without the rows."""
        return Sizes(len(self.window), len(self.reference), self.span, self.version)

    def subsets(self, draws: int) -> Iterator[Float32[np.ndarray, "k d"]]:
        """Random subsets of the reference that are as large as the window; always the same ones."""
        rng = np.random.default_rng(0)
        for _ in range(draws):
            yield self.reference[rng.permutation(len(self.reference))[: self.rows]]

    @property
    def widening(self) -> float:
        """How much further a fresh window lies from the reference than a subset of it, as in `detectors.nulls`."""
        n, m = self.rows, len(self.reference)
        return sqrt((m + n) / (m - n))


def read(conn: Connection, stream: str, within: Span) -> Sides | None:
    """The newest rows of windows that start in `within`, and the reference; None without one, or with too few rows."""
    chosen = references.choice(conn, stream)
    held = references.reference(conn, stream, chosen.in_use) if chosen else None
    if held is None:
        return None
    dim = held.vectors.shape[1]
    found = [(span, rows.vectors) for span, rows in windows.latest(conn, stream, within, most=MOST)]
    usable = [(span, vectors) for span, vectors in found if vectors.shape[1] == dim]
    if sum(len(vectors) for _, vectors in usable) < LEAST or len(held.rows) < 2 * LEAST:
        return None
    span = Span(usable[-1][0].start, usable[0][0].end)
    return Sides(np.concatenate([vectors for _, vectors in usable]), held.vectors, span, held.version)


def fresh(numbers: Float64[np.ndarray, "b k"], widening: float) -> Float64[np.ndarray, "3 k"]:
    """Where fresh windows lie, from `numbers` of subsets: middle, and two bounds between which 99 % of them lie.

    By a normal law over the subsets, whose spread is made up for being part of what they are held against.
    """
    middle, spread = numbers.mean(0), numbers.std(0, ddof=1)
    half = 2.576 * sqrt(widening**2 + 1 / len(numbers)) * spread
    return np.stack([middle, middle - half, middle + half])
