"""The distributional panel as a detector of the service: one joint test, and how much has moved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import copysign
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Float64, Int64
from numpy.random import Generator

from detectors.copies import independent_places
from detectors.kernels import pinned, seeded, tensor
from detectors.nulls import AMPLE
from detectors.panel import Panel, Result
from drift.errors import UnmeasurableError
from drift.records import KeptAttribution, Measurement, Part, Reference, Rows, TopRow, Window

PANEL: Final = 4
"""Changes with the panel's statistics, so that no older bank of null windows is taken for theirs."""

TELLING: Final = 0.05
"""The p-value up to which it is kept where a change comes from. Beyond, it comes from nowhere: all of it is chance."""
MOST_PARTS, MOST_ROWS = 20, 20


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """Joint drift test: the equivalent contamination of the window, with the panel's joint p-value (`Panel`).

    Share in [0, 1] of foreign rows that would move the distribution as far, with its 95 % interval; near 0 when
    healthy. A panel is for windows of one size: the largest power of two that the window has, for which the reference
    has `AMPLE` rows for each of the window's, and at least `min_rows`. It is fitted when windows of that size first
    come, which takes seconds: `nulls` null windows are drawn from the reference. The reference's own error is the same
    in every window: with fewer than 40 of its rows for each of the window's the p-value is doubled (twice as many rows
    of a window find more than that costs: `benchmarks.conditional`, `benchmarks.operating`), and so it is where the
    reference has too heavy a tail.

    Where the p-value is at most `TELLING` the measurement says from which clusters of the reference, segments and rows
    the change comes.
    """

    name: ClassVar[str] = "joint"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "something about the embeddings' distribution has changed: their place, spread, shape or kinds"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the other objectives say "
        "how; if not, fix the serving path."
    )

    nulls: int = 1000
    min_rows: int = 128

    def __post_init__(self) -> None:
        if self.nulls < 19 or self.min_rows < 2:
            raise ValueError(f"joint needs nulls >= 19 and min_rows >= 2, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        # The null laws are of independent rows.
        places = independent_places(self.name, window, reference, self.min_rows)
        rows = window.rows.take(places)
        size = self._size(reference, len(rows))
        panel = fitted_panel(reference, size, self.nulls)
        result = panel.tested(tensor(rows.vectors), segments=_segments(rows, reference), rng=rng)
        effect = result.effect
        p_value = min(1.0, 2 * result.p_value) if panel.warning else result.p_value
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=effect.share,
            rows=size,
            p_value=p_value,
            interval=(effect.low, effect.high),
            attribution=kept(result, rows, places) if p_value <= TELLING else None,
        )

    def bank_key(self, reference: Reference, rows: int) -> str:
        """See `Prepared`."""
        return f"joint {PANEL}, {self.nulls} windows of {self._size(reference, rows)} rows"

    def prepare(
        self,
        reference: Reference,
        rows: int,
        bank: Float64[np.ndarray, "b s"] | None,
        progress: Callable[[int, int], None] | None,
    ) -> Float64[np.ndarray, "b s"]:
        """See `Prepared`."""
        panel = _fit(reference, self._size(reference, rows), self.nulls, bank, progress)
        fitted_panel.put(panel, reference, panel.window_size, self.nulls)
        return panel.bank

    def _size(self, reference: Reference, rows: int) -> int:
        """The number of rows that is used of a window of `rows` rows."""
        most = max(1, min(rows, len(reference.rows) // AMPLE))
        return max(self.min_rows, 1 << (most.bit_length() - 1))


@pinned
def fitted_panel(reference: Reference, window_size: int, nulls: int) -> Panel:
    """The panel of `reference`.

    Raises:
        UnmeasurableError: the reference has fewer rows than four windows.
    """
    return _fit(reference, window_size, nulls, None, None)


def _fit(
    reference: Reference,
    window_size: int,
    nulls: int,
    bank: Float64[np.ndarray, "b s"] | None,
    progress: Callable[[int, int], None] | None,
) -> Panel:
    if (rows := len(reference.rows)) < 4 * window_size:
        raise UnmeasurableError(
            f"joint needs a reference of {4 * window_size} rows for windows of {window_size}, {reference} has {rows}: "
            "give the reference more rows or the stream a smaller sample"
        )
    seed = int(seeded(reference, "joint").integers(2**32))
    columns = reference.rows.segment_columns
    segments = reference.rows.segments_by(columns) if columns else None
    return Panel.fitted(
        tensor(reference.vectors),
        window_size,
        0.01,
        seed,
        nulls=nulls,
        segments=segments,
        bank=bank,
        progress=progress,
    )


def _segments(rows: Rows, reference: Reference) -> list[str] | None:
    """The segment of each row by the columns of the reference, or by its own where the reference has none."""
    columns = reference.rows.segment_columns or rows.segment_columns
    return rows.segments_by(columns) if set(columns) & set(rows.segment_columns) else None


def kept(result: Result, tested: Rows, places: Int64[np.ndarray, "n"]) -> KeptAttribution:
    """What is kept of where the change of the rows `tested` comes from; `places` are theirs in the window."""
    found = result.attribution
    taken = result.statistics[found.by]
    place = {int(row): i for i, row in enumerate(found.index)}
    ids = tested.ids
    rows = tuple(
        TopRow(
            position=int(places[row]),
            id=ids[row] if ids else None,
            cluster=found.clusters[found.cluster[place[row]]].name,
            contribution=float(found.rows[place[row]]),
        )
        for row in found.top(MOST_ROWS).tolist()
    )
    total = taken.value - found.usual
    clusters, segments = (largest(parts, total) for parts in (found.clusters, found.segments))
    return KeptAttribution(found.by, total, taken.p_value, clusters, segments, rows)


def largest(parts: Sequence[Part], total: float) -> tuple[Part, ...]:
    """At most `MOST_PARTS` parts, those first that contribute most to `total`, which may be negative; where there are
    more, the last is all others."""
    ordered = sorted(parts, key=lambda part: -copysign(1, total) * part.contribution)
    if len(ordered) <= MOST_PARTS:
        return tuple(ordered)
    others = ordered[MOST_PARTS - 1 :]

    def added(numbers: Sequence[float | None]) -> float | None:
        return None if None in numbers else sum(number for number in numbers if number is not None)

    rest = Part(
        name=f"{len(others)} others",
        reference=added([part.reference for part in others]),
        window=sum(part.window for part in others),
        contribution=sum(part.contribution for part in others),
        mix=added([part.mix for part in others]),
        within=added([part.within for part in others]),
    )
    return (*ordered[: MOST_PARTS - 1], rest)
