"""Reference and windows in one picture: the plane in which the reference varies most, or one that was fitted to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

import numpy as np
from jaxtyping import Float32, Int

from dashboard.clusters import Cluster, Side, clusters
from dashboard.plane import fitted
from dashboard.sight import Seen, Sight
from drift.records import Reference, Rows, Span, Texts
from drift.store import pictures, references, views, windows
from drift.store.connect import Connection
from drift.store.pictures import MOST_FITTED, Picture

LAST: Final = {
    "1 h": timedelta(hours=1),
    "1 d": timedelta(days=1),
    "7 d": timedelta(days=7),
    "14 d": timedelta(days=14),
}
ROWS: Final = {"2k": 2_000, "10k": 10_000, "100k": 100_000}
SAMPLED: Final = 10_000  # rows of windows that clusters are made of


class Method(StrEnum):
    """How rows come into the plane."""

    PCA = "PCA"
    UMAP = "UMAP"


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Rows in the picture (n, 2): by what they are known, in which of `starts` their windows began, their segments,
    and what sets each apart."""

    places: Float32[np.ndarray, "n 2"]
    names: Texts
    starts: tuple[datetime, ...]
    start: Int[np.ndarray, "n"]
    groups: Texts
    seen: Seen


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Rows of the newest windows and of the reference of that version, in one picture.

    `shares` are those of the variance that its two directions have, by PCA alone.
    """

    version: str
    method: Method
    shares: tuple[float, float] | None
    reference: Points
    window: Points
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is known at `at`: None where the stream has no reference, or no window has its rows still.

    `picture` is what was fitted to the reference, where the stream has one; `placed` is the end of the newest window
    that has its place in it.
    """

    at: datetime
    projection: Projection | None
    picture: Picture | None = None
    placed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of `stream`: at most `most` of windows that start in the newest `last`, with the column `column`."""

    stream: str
    last: timedelta
    most: int
    column: str = ""
    method: Method = Method.PCA


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows of one window that are shown, and where they lie."""

    span: Span
    rows: Rows
    places: Float32[np.ndarray, "n 2"]


def read(conn: Connection, wanted: Wanted, *, show_inputs: bool) -> Kept:
    """The newest rows of a stream, and those of the reference that it is held against.

    Where the picture that was fitted is wanted and no row has its place in it, they are in the plane of PCA.
    """
    at = views.now(conn)
    chosen = references.choice(conn, wanted.stream)
    held = references.reference(conn, wanted.stream, chosen.in_use) if chosen else None
    if held is None:
        return Kept(at, None)
    span = Span(at - wanted.last, at)
    found = [
        (window, rows)
        for window, rows in windows.latest(conn, wanted.stream, span, most=wanted.most)
        if rows.vectors.shape[1] == held.vectors.shape[1]
    ]
    picture = pictures.find(conn, wanted.stream, held.version) if wanted.method is Method.UMAP else None
    if picture is not None and picture.is_fitted:
        places = pictures.placed(conn, wanted.stream, held.version, span)
        parts = [
            Part(window, rows, places[window.start][: len(rows)]) for window, rows in found if window.start in places
        ]
        if parts:
            drawn = _drawn(held, parts, picture.places, wanted, show_inputs=show_inputs)
            return Kept(at, drawn, picture, parts[0].span.end)
    if not found:
        return Kept(at, None, picture)
    plane = fitted(held)
    parts = [Part(window, rows, plane.of(rows.vectors)) for window, rows in found]
    drawn = _drawn(held, parts, plane.of(held.vectors[:MOST_FITTED]), wanted, show_inputs=show_inputs)
    return Kept(at, replace(drawn, method=Method.PCA, shares=plane.shares), picture)


def _drawn(
    held: Reference, parts: Sequence[Part], places: Float32[np.ndarray, "m 2"], wanted: Wanted, *, show_inputs: bool
) -> Projection:
    sample = _sample(parts)
    sight = Sight.between(held, sample.rows.vectors)
    shown = held.rows.take(np.arange(len(places)))
    seen = sight.of_reference(shown.vectors)
    reference = Points(
        places, ("",) * len(shown), (), np.zeros(len(shown), np.int64), _column(shown, wanted.column), seen
    )
    window = Points(
        np.concatenate([part.places for part in parts]),
        tuple(name for part in parts for name in (part.rows.ids or ("",) * len(part.rows))),
        tuple(part.span.start for part in parts),
        np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts]),
        tuple(group for part in parts for group in _column(part.rows, wanted.column)),
        Seen.stacked([sight.of_windows(part.rows.vectors) for part in parts]),
    )
    sides = Side(shown, places, seen.novelty), replace(sample, novelty=sight.of_windows(sample.rows.vectors).novelty)
    named = clusters(*sides, show_inputs=show_inputs)
    return Projection(held.version, wanted.method, None, reference, window, named)


def _sample(parts: Sequence[Part]) -> Side:
    """Of each part the same share of its rows, which are in random order; of few rows all."""
    share = min(1.0, SAMPLED / sum(len(part.rows) for part in parts))
    heads = [np.arange(ceil(share * len(part.rows))) for part in parts]
    rows = Rows.stack([part.rows.take(head) for part, head in zip(parts, heads, strict=True)])
    places = np.concatenate([part.places[head] for part, head in zip(parts, heads, strict=True)])
    return Side(rows, places, np.zeros(len(rows), np.float32))


def _column(rows: Rows, name: str) -> Texts:
    return rows.segments.get(name) or (None,) * len(rows)
