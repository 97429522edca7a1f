"""Reference and windows in one plane: the two directions in which the reference varies most, so that axes stay put."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64
from scipy.cluster.vq import kmeans2

from drift.records import Reference, Rows, Span
from drift.store import references, views, windows
from drift.store.connect import Connection

LAST: Final = {
    "1 h": timedelta(hours=1),
    "1 d": timedelta(days=1),
    "7 d": timedelta(days=7),
    "14 d": timedelta(days=14),
}
ROWS: Final = {"2k": 2_000, "10k": 10_000, "100k": 100_000}
SHOWN: Final = 5_000  # rows of the reference that are drawn, and clustered
NEAR: Final = 500  # rows of the reference among which the nearest is looked for
CLUSTERS: Final = 6
MAJORITY: Final = 0.6  # of a cluster's rows, to be named by what they share
LONGEST: Final = 32  # characters of a name


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


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Rows in the plane (n, 2): by what they are known, when their windows began, and how far the nearest row of the
    reference is (n,), NaN where that was not asked."""

    places: Float32[np.ndarray, "n 2"]
    names: tuple[str, ...]
    starts: tuple[datetime, ...]
    groups: tuple[str, ...]
    distances: Float32[np.ndarray, "n"]


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A cluster of the reference's rows: its place in the plane, its share of them, what it is called."""

    x: float
    y: float
    share: float
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Rows of the newest windows and of the reference, in one plane."""

    version: str
    plane: Plane
    reference: Points
    window: Points
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is known at `at`: None where the stream has no reference, or no window has its rows still."""

    at: datetime
    projection: Projection | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of `stream`: at most `most` of windows that start in the newest `last`, split by the column `by`.

    The nearest row is looked for among so many of the reference as `near` says.
    """

    stream: str
    last: timedelta
    most: int
    by: str = ""
    near: int = 0


def read(conn: Connection, wanted: Wanted, *, show_inputs: bool) -> Kept:
    """The newest rows of a stream, and those of the reference that it is held against."""
    at = views.now(conn)
    chosen = references.choice(conn, wanted.stream)
    held = references.reference(conn, wanted.stream, chosen.in_use) if chosen else None
    if held is None:
        return Kept(at, None)
    plane, near = fitted(held), held.vectors[: wanted.near]
    found = [
        _points(rows, span.start, plane, near, wanted.by)
        for span, rows in windows.latest(conn, wanted.stream, Span(at - wanted.last, at), most=wanted.most)
        if rows.vectors.shape[1] == held.vectors.shape[1]
    ]
    if not found:
        return Kept(at, None)
    shown = held.rows.take(np.arange(min(SHOWN, len(held.rows))))
    # A row is not its own neighbour.
    drawn = _points(
        shown, held.created_at, plane, held.vectors[-NEAR:] if len(held.rows) > 2 * NEAR else near, wanted.by
    )
    names = clusters(shown, plane, show_inputs=show_inputs)
    return Kept(at, Projection(held.version, plane, drawn, _stacked(found), names))


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


def nearest(vectors: Float32[np.ndarray, "n d"], among: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "n"]:
    """The distance of each row to the nearest of `among` that is not equal to it; NaN where there are none."""
    if not len(among):
        return np.full(len(vectors), np.nan, np.float32)
    squares = (vectors**2).sum(1)[:, None] + (among**2).sum(1)[None, :] - 2 * vectors @ among.T
    apart = np.where(squares > 1e-6, squares, np.inf).min(1)
    found: Float32[np.ndarray, n] = np.sqrt(np.where(np.isfinite(apart), apart, 0.0)).astype(np.float32)
    return found


def clusters(rows: Rows, plane: Plane, *, show_inputs: bool) -> tuple[Cluster, ...]:
    """Clusters of the reference's rows (k-means) that have a name, the largest first.

    They are called like their most typical input where inputs may be shown, else by a label or segment that most share.
    """
    if len(rows) < 10 * CLUSTERS:
        return ()
    centres, of = kmeans2(rows.vectors.astype(np.float64), CLUSTERS, minit="++", rng=np.random.default_rng(0))
    found = []
    for i in np.unique(of):
        mine = np.flatnonzero(of == i)
        typical = mine[((rows.vectors[mine] - centres[i]) ** 2).sum(1).argmin()]
        x, y = plane.of(centres[i][None].astype(np.float32))[0]
        name = _name(rows, mine, int(typical), show_inputs=show_inputs)
        found.append(Cluster(float(x), float(y), len(mine) / len(rows), name))
    # Two of one name are parts of one thing: it is named once, where most of it lies.
    named = {cluster.name: cluster for cluster in sorted(found, key=lambda cluster: cluster.share) if cluster.name}
    return tuple(sorted(named.values(), key=lambda cluster: -cluster.share))


def _name(rows: Rows, mine: np.ndarray, typical: int, *, show_inputs: bool) -> str:
    text = rows.inputs[typical] if show_inputs and rows.inputs else None
    if text:
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    for column in (rows.labels, *rows.segments.values()):
        common = Counter(column[i] for i in mine if column and column[i]).most_common(1)
        value, count = common[0] if common else (None, 0)
        if value and count >= MAJORITY * len(mine):
            return str(value)[:LONGEST]
    return ""


def _points(rows: Rows, start: datetime, plane: Plane, near: Float32[np.ndarray, "m d"], by: str) -> Points:
    n = len(rows)
    groups = rows.segments.get(by, (None,) * n)
    names = tuple(row or "" for row in rows.ids) if rows.ids else ("",) * n
    return Points(
        plane.of(rows.vectors), names, (start,) * n, tuple(group or "" for group in groups), nearest(rows.vectors, near)
    )


def _stacked(parts: Sequence[Points]) -> Points:
    return Points(
        np.concatenate([part.places for part in parts]),
        tuple(name for part in parts for name in part.names),
        tuple(start for part in parts for start in part.starts),
        tuple(group for part in parts for group in part.groups),
        np.concatenate([part.distances for part in parts]),
    )
