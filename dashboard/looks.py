"""What a closer look at a stream reads and computes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Final, Self

from dashboard import dimensions, past, sides, spectrum
from dashboard.dimensions import Dimensions
from dashboard.series import Range, Series
from dashboard.sides import Sizes
from dashboard.spectrum import Spectrum
from drift.records import Measurement, Span
from drift.slo import Sli, Slo
from drift.store import attainment, views
from drift.store.connect import Connection
from drift.store.reads import StreamRow

SEGMENTS: Final = 24  # as many as are seen at a glance
POINTS: Final = 400
GUESSED: Final = "estimated_accuracy"
PROBES: Final = ("probe", "refit_probe", "knn_probe", "recall")


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements as they are known at `at`: of several detectors, or of one on several segments.

    `guessed` is accuracy as it was estimated without labels.
    """

    at: datetime
    series: tuple[Series, ...]
    guessed: tuple[Measurement, ...] = ()

    def only(self, sees: Callable[[str], bool]) -> Self:
        """Those of the streams that may be seen."""
        return replace(self, series=tuple(one for one in self.series if sees(one.slo.stream)))


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What a look made of rows of windows and of the reference, as they are known at `at`, and of how many.

    All None where there is no reference, or too few rows are kept still.
    """

    at: datetime
    sizes: Sizes | None
    dimensions: Dimensions | None = None
    spectrum: Spectrum | None = None


def by_dimension(conn: Connection, chosen: Slo, wanted: Range, also: int | None) -> Compared:
    """The newest rows in `wanted`, dimension by dimension; `also` is one that is wanted in any case."""
    at, found = views.now(conn), sides.read(conn, chosen.stream, _span(conn, chosen, wanted))
    return Compared(
        at, found.sizes if found else None, dimensions=dimensions.compare(found, also=also) if found else None
    )


def by_direction(conn: Connection, chosen: Slo, wanted: Range) -> Compared:
    """The spectrum of the newest rows in `wanted`."""
    at, found = views.now(conn), sides.read(conn, chosen.stream, _span(conn, chosen, wanted))
    return Compared(at, found.sizes if found else None, spectrum=spectrum.compare(found) if found else None)


def measured(conn: Connection, chosen: Slo, wanted: Range, detectors: Sequence[str], guess: str = "") -> Measured:
    """What `detectors` measured in `wanted`, whether or not there are objectives on them; and `guess`, where named."""
    span = _span(conn, chosen, wanted)

    def series(detector: str) -> Series:
        found = views.thinned(conn, chosen.stream, detector, span, most=POINTS)
        gaps = views.gap_runs(conn, chosen.stream, detector, span)
        return Series(_unjudged(chosen, detector), span, tuple(found), tuple(gaps))

    guessed = views.thinned(conn, chosen.stream, guess, span, most=POINTS) if guess else ()
    return Measured(views.now(conn), tuple(map(series, detectors)), tuple(guessed))


def segments(chosen: Slo, known: Sequence[StreamRow], declared: Mapping[str, Slo]) -> tuple[Slo, ...]:
    """The objective `chosen` on the whole stream and on each of its segments that are `known`, as each is `declared`.

    Of many segments the first; `declared` and the objectives are by their keys.
    """
    name = chosen.stream.split("/", 1)[0]
    keys = [row.stream.key for row in known if row.stream.name == name]
    return tuple(declared.get(key) or replace(chosen, stream=key) for key in keys[: SEGMENTS + 1])


def by_segment(conn: Connection, chosen: Slo, wanted: Range, slos: Sequence[Slo]) -> Measured:
    """What was measured for each of `slos` in the span that is `wanted` of `chosen`."""
    span = _span(conn, chosen, wanted)
    bad = attainment.bad_windows(conn, [slo.stream for slo in slos], chosen.name, span)
    found = ((past.series(conn, slo, span, most=past.FEW_POINTS), bad.get(slo.stream, 0)) for slo in slos)
    return Measured(views.now(conn), tuple(replace(series, bad=count) for series, count in found))


def _span(conn: Connection, chosen: Slo, wanted: Range) -> Span:
    return wanted.span(views.now(conn), views.reach(conn, chosen.stream, chosen.name))


def _unjudged(chosen: Slo, detector: str) -> Slo:
    """Stands for a measurement by itself: nothing of it is bad."""
    return Slo(detector, chosen.stream, Sli(detector), Fraction(1, 2), chosen.interval)
