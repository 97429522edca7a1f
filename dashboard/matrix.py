"""Windows against windows over months: how far apart their means are, from sums that are kept of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

import numpy as np
from jaxtyping import Float64

from dashboard.standing import unjudged
from drift.records import Measurement, Span
from drift.slo import Slo
from drift.store import references, sketches, views
from drift.store.connect import Connection
from drift.store.reads import BudgetRow

KEPT_BY: Final = "mean_shift"  # the detector that keeps sums
MOST: Final = 180  # stretches on a side
LENGTHS: Final = {
    "1 d": timedelta(days=1),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "90 d": timedelta(days=90),
    "1 y": timedelta(days=366),
}
MINUTES: Final = (1, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 2880, 10_080)


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Stretches of time, each `step` long from its start on, with the rows of its windows and all distances (n, n)."""

    step: timedelta
    starts: tuple[datetime, ...]
    rows: tuple[int, ...]
    distances: Float64[np.ndarray, "n n"]

    def span(self, i: int) -> Span:
        return Span(self.starts[i], self.starts[i] + self.step)


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A reference's centre (d,), and its total variance: the mean squared distance of its rows from there."""

    centre: Float64[np.ndarray, "d"]
    variance: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known at `at`: no matrix where the sums of fewer than two windows are kept."""

    at: datetime
    matrix: Matrix | None


@dataclass(frozen=True, slots=True)
class Pair:
    """What each detector measured in the newest window of two stretches, by its name.

    `slots` are what became of them, by objective and start, where that is not what it makes of their own p-value.
    """

    first: Mapping[str, Measurement]
    second: Mapping[str, Measurement]
    slots: Mapping[tuple[str, datetime], BudgetRow]


def step_for(span: Span, window: timedelta) -> timedelta:
    """The shortest round length of which not more than `MOST` lie in `span`, and in which windows fit without a rest.

    With a rest some stretches would have fewer windows than others, or none, and look like a gap.
    """
    least = window * max(1, ceil(span.length / MOST / window))
    lengths = (timedelta(minutes=m) for m in MINUTES)
    return next((length for length in lengths if least <= length <= 2 * least and not length % window), least)


def read(conn: Connection, stream: str, last: timedelta) -> Kept:
    """All pairs of stretches of the newest `last`."""
    at = views.now(conn)
    return Kept(at, _read(conn, stream, last, at))


def _read(conn: Connection, stream: str, last: timedelta, at: datetime) -> Matrix | None:
    kept = sketches.reach(conn, stream, KEPT_BY)
    if kept is None or kept.end <= at - last:
        return None
    span = Span(max(at - last, kept.start), at)
    window = sketches.spacing(conn, stream, KEPT_BY, span)
    if window is None:
        return None
    step = step_for(span, window)
    found = sketches.binned(conn, stream, KEPT_BY, span, step)
    held = {version: _held(conn, stream, version) for version in {sketch.reference for _, sketch in found}}
    usable = [(start, sketch, known) for start, sketch in found if (known := held[sketch.reference]) is not None]
    if not usable:
        return None
    newest = usable[-1][2]
    usable = [row for row in usable if len(row[2].centre) == len(newest.centre)]
    means = np.array([known.centre + sketch.sums / sketch.rows for _, sketch, known in usable])
    rows = tuple(sketch.rows for _, sketch, _ in usable)
    return Matrix(step, tuple(start for start, *_ in usable), rows, distances(means, rows, newest.variance))


def _held(conn: Connection, stream: str, version: str) -> _Held | None:
    vectors = references.vectors(conn, stream, version)
    if vectors is None:
        return None
    return _Held(vectors.mean(0, dtype=np.float64), float(vectors.var(0, ddof=1, dtype=np.float64).sum()))


def distances(means: Float64[np.ndarray, "n d"], rows: Sequence[int], variance: float) -> Float64[np.ndarray, "n n"]:
    """How far apart means are, in standard deviations of a row of the reference; what chance alone gives is taken off.

    Squared, that is |a - b|^2 / `variance` less 1 / rows of a + 1 / rows of b, and 0 where this is below 0. Without any
    change it is near 0 however few rows a stretch has.
    """
    centred = means - means.mean(0)
    squares = (centred**2).sum(1)
    apart = np.maximum(squares[:, None] + squares[None, :] - 2 * centred @ centred.T, 0.0)
    chance = 1 / np.asarray(rows, np.float64)
    found: Float64[np.ndarray, "n n"] = np.sqrt(np.maximum(apart / variance - chance[:, None] - chance[None, :], 0.0))
    np.fill_diagonal(found, 0.0)
    return found


def pair(conn: Connection, stream: str, first: Span, second: Span, slos: Sequence[Slo]) -> Pair:
    """What was measured in the newest window of either stretch, and what became of it by `slos`."""
    one, other = _newest(conn, stream, first), _newest(conn, stream, second)
    wanted = [*unjudged(one.values(), slos), *unjudged(other.values(), slos)]
    return Pair(one, other, {(slot.slo, slot.span.start): slot for slot in views.slots(conn, wanted)})


def _newest(conn: Connection, stream: str, span: Span) -> Mapping[str, Measurement]:
    return {m.detector: m for m in views.newest_within(conn, stream, span)}
