"""Clusters of a reference, and of what is new in windows, called by what their most typical rows are known by."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float32, Float64, Int
from scipy.cluster.vq import kmeans2

from dashboard import words
from drift.records import Rows

KNOWN: Final = 6  # clusters of the reference
NEW: Final = 2  # clusters of novel rows
ONE: Final = 0.5  # of their spread, if more is left within clusters of novel rows, they are one
LEAST: Final = 10  # rows of a cluster
LEAST_NEW: Final = 0.02  # of the windows' rows, half as many again as are novel without any drift
TYPICAL: Final = 3  # rows that are told of each
MAJORITY: Final = 0.6  # of a cluster's rows, to be named by what they share
LONGEST: Final = 32  # characters of a name

Which: TypeAlias = Int[np.ndarray, "n"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of rows: what it is called, its place in the picture, and its share of the rows of either side.

    `typical` are the rows nearest to its centre: their inputs where these may be shown, else their ids. One that
    `is_new` is made of novel rows of windows, and no part of the reference.
    """

    name: str
    x: float
    y: float
    reference: float
    window: float
    typical: tuple[str, ...]
    is_new: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Rows, where they lie in the picture, and how novel they are."""

    rows: Rows
    places: Float32[np.ndarray, "n 2"]
    novelty: Float32[np.ndarray, "n"]


def clusters(reference: Side, window: Side, *, show_inputs: bool) -> tuple[Cluster, ...]:
    """The reference's clusters, the largest first, and then those of what is new in the windows."""
    is_novel = window.novelty > 1
    is_new = is_novel.sum() >= max(LEAST, LEAST_NEW * len(window.rows))
    rest = _taken(window, ~is_novel) if is_new else window
    known = _known(reference, rest, len(window.rows), show_inputs=show_inputs)
    fresh = _new(_taken(window, is_novel), len(window.rows), show_inputs=show_inputs) if is_new else ()
    return (*_merged(known), *_merged(fresh))


def _merged(found: Iterable[Cluster]) -> list[Cluster]:
    """The largest first. Those of one name are parts of one thing, which is named where most of it lies."""
    kept: dict[str, Cluster] = {}
    for each in sorted(found, key=lambda cluster: -cluster.reference - cluster.window):
        most = kept.setdefault(each.name, each)
        if most is not each:
            reference, window = most.reference + each.reference, most.window + each.window
            kept[each.name] = replace(most, reference=reference, window=window)
    return sorted(kept.values(), key=lambda cluster: -cluster.reference - cluster.window)


def _known(reference: Side, window: Side, shown: int, *, show_inputs: bool) -> Iterator[Cluster]:
    centres = _centres(reference.rows.vectors, KNOWN)
    if not len(centres):
        return
    of, of_window = (_nearest(side.rows.vectors, centres).argmin(1) for side in (reference, window))
    for i, centre in enumerate(centres):
        mine, others = np.flatnonzero(of == i), np.flatnonzero(of_window == i)
        if not len(mine):
            continue
        # A reference keeps no ids, so those of the windows' rows stand for it.
        typical = _called(reference.rows, mine, centre, show_inputs=show_inputs) or _called(
            window.rows, others, centre, show_inputs=show_inputs
        )
        name = _name(reference.rows, mine, typical, show_inputs=show_inputs) or f"cluster {i + 1}"
        x, y = np.median(reference.places[mine], axis=0).tolist()
        yield Cluster(words.cut(name, LONGEST), x, y, len(mine) / len(of), len(others) / max(1, shown), typical)


def _new(window: Side, shown: int, *, show_inputs: bool) -> Iterator[Cluster]:
    vectors = window.rows.vectors
    centres = _centres(vectors, NEW)
    of = _nearest(vectors, centres).argmin(1)
    if ((vectors - centres[of]) ** 2).sum() > ONE * ((vectors - vectors.mean(0)) ** 2).sum():
        centres, of = vectors.mean(0, keepdims=True), np.zeros(len(vectors), np.intp)
    for i, centre in enumerate(centres):
        if len(mine := np.flatnonzero(of == i)):
            typical = _called(window.rows, mine, centre, show_inputs=show_inputs)
            name = _name(window.rows, mine, typical, show_inputs=show_inputs) or "rows without ids"
            x, y = np.median(window.places[mine], axis=0).tolist()
            yield Cluster(words.cut(name, LONGEST), x, y, 0.0, len(mine) / shown, typical, is_new=True)


def _centres(vectors: Float32[np.ndarray, "n d"], most: int) -> Float64[np.ndarray, "k d"]:
    """The centres of at most `most` clusters (k-means), always the same ones; none of too few rows."""
    count = min(most, len(vectors) // LEAST)
    if not count:
        return np.zeros((0, vectors.shape[1]))
    found: Float64[np.ndarray, "k d"] = kmeans2(
        vectors.astype(np.float64), count, minit="++", rng=np.random.default_rng(0)
    )[0]
    return found


def _nearest(vectors: Float32[np.ndarray, "n d"], centres: Float64[np.ndarray, "k d"]) -> Float64[np.ndarray, "n k"]:
    """Squared distances, less what is the same for all centres."""
    found: Float64[np.ndarray, "n k"] = (centres**2).sum(1) - 2 * vectors @ centres.T
    return found


def _called(rows: Rows, mine: Which, centre: Float64[np.ndarray, "d"], *, show_inputs: bool) -> tuple[str, ...]:
    """The inputs, else the ids, of the rows nearest to `centre`, each once."""
    column = rows.inputs if show_inputs and rows.inputs else rows.ids
    if not column:
        return ()
    order = mine[((rows.vectors[mine] - centre) ** 2).sum(1).argsort(kind="stable")]
    return tuple(dict.fromkeys(text for i in order[: 10 * TYPICAL] if (text := column[i])))[:TYPICAL]


def _name(rows: Rows, mine: Which, typical: tuple[str, ...], *, show_inputs: bool) -> str:
    """Its most typical input where that may be shown, else what most of its rows share, else its most typical id."""
    most = typical[0] if typical else ""
    return most if show_inputs and rows.inputs else _shared(rows, mine) or most


def _shared(rows: Rows, mine: Which) -> str:
    """A label or segment that most of them have; "" where there is none."""
    for column in (rows.labels, *rows.segments.values()):
        common = Counter(column[i] for i in mine if column and column[i]).most_common(1)
        value, count = common[0] if common else (None, 0)
        if value and count >= MAJORITY * len(mine):
            return str(value)
    return ""


def _taken(side: Side, which: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Side:
    return Side(side.rows.take(which), side.places[which], side.novelty[which])
