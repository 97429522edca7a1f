"""Charts of a closer look: variance and distribution by dimension, spectra, accuracy, skew by percentile. Pure."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from dashboard import palette, words
from dashboard.charts import LOW, TALL, measured, middle, padded
from dashboard.dimensions import Dimensions, Histogram
from dashboard.layers import Area, Axis, Chart, Kind, Level, Line, Mark, Points, backdrop, over, rounded, when
from dashboard.series import Series
from dashboard.spectrum import Spectrum
from drift.records import PERCENTILES, Measurement

RANKS: Final = 160  # of more, those that lie evenly on a logarithmic axis
LEAST_OFF: Final = 1e-6
FADES: Final = ("#9CC9E3", "#6FB1D8", palette.LINE, "#1F6E9C", "#15506F", palette.BAD)
"""From the middle row to the worst one: darker, and the worst in another colour."""


def variances(found: Dimensions) -> Chart:
    """The variance of each dimension over that of the reference, upon the range of healthy ones."""
    numbers = found.ratios.tolist()
    least, most = max(min([*numbers, found.low]) / 1.2, 1e-6), min(max([*numbers, found.high]) * 1.2, 1e6)
    edge = (0.0, float(max(1, found.count - 1)))
    marks: list[Mark] = [
        Area(edge, (found.low,) * 2, (found.high,) * 2, palette.BAND, 0.22),
        Line(edge, (1.0, 1.0), palette.GREY, 1.0, dash=(2, 3)),
    ]
    for is_beyond, shape, colour, size in ((False, "dot", palette.LINE, 1.7), (True, "triangle", palette.BAD, 4.5)):
        mine = [
            (i, ratio)
            for i, ratio in zip(found.shown, numbers, strict=True)
            if (ratio < found.low or ratio > found.high) is is_beyond
        ]
        if mine:
            at, ratios = (tuple(float(pair[k]) for pair in mine) for k in (0, 1))
            tips = tuple(f"dimension {i}: {words.number(ratio)} times the reference's variance" for i, ratio in mine)
            marks.append(Points(at, rounded(np.clip(ratios, least, most).tolist()), shape, colour, size, tips))
    x = Axis(Kind.LINEAR, *edge, "dimension")
    y = Axis(Kind.LOG, least, most, "variance ratio", ticks=_ratio_ticks(least, most))
    return Chart("variance by dimension", TALL, x, y, tuple(marks))


def distribution(found: Histogram) -> Chart:
    """The reference's rows as an area, the window's as a line upon it."""
    edges = rounded(found.edges.tolist())
    shares = [rounded([*of.tolist(), of[-1]]) for of in (found.reference, found.window)]
    most = max(*(number or 0.0 for column in shares for number in column), 1e-3)
    marks = (
        Area(edges, (0.0,) * len(edges), shares[0], palette.BAND, 0.4, step=True),
        Line(edges, shares[1], palette.LINE, step=True),
    )
    x = Axis(Kind.LINEAR, float(found.edges[0]), float(found.edges[-1]))
    y = Axis(Kind.LINEAR, 0.0, 1.08 * most, "rows", "percent")
    return Chart(
        found.name, LOW, x, y, marks, heading=found.name, note=f"{words.number(found.apart)} apart at most, of 1"
    )


def spectra(found: Spectrum) -> Chart:
    """Shares of variance by rank on logarithmic axes: window, reference, and the window along the reference's axes."""
    count = len(found.window)
    ranks = np.unique(np.geomspace(1, count, min(count, RANKS)).round().astype(int))
    at, (window, usual, low, high, along) = (
        tuple(ranks.tolist()),
        (of[: len(found.window)][np.minimum(ranks, len(of)) - 1]
         for of in (found.window, found.reference, found.low, found.high, found.along)),
    )  # fmt: skip
    least = max(1e-7, float(min(window.min(), low.min())) / 1.5)
    most = 1.3 * float(max(window.max(), high.max(), along.max()))
    tips = tuple(
        f"direction {rank}: {words.share(mine)} of the variance, {words.share(other)} in the reference"
        for rank, mine, other in zip(at, window, usual, strict=True)
    )
    columns = [rounded(np.clip(of, least, most).tolist()) for of in (window, usual, low, high, along)]
    marks = (
        Area(at, columns[2], columns[3], palette.BAND, 0.3),
        Line(at, columns[1], palette.GREY, 1.2),
        Line(at, columns[4], palette.SHORT, 1.3, dash=(4, 2)),
        Line(at, columns[0], palette.LINE, 1.8),
        Points(at, columns[0], "none", palette.LINE, 0, tips),
    )
    x, y = Axis(Kind.LOG, 1.0, float(max(2, count)), "direction"), Axis(Kind.LOG, least, most, "share of variance")
    return Chart("spectrum", TALL, x, y, marks)


def accuracy(series: Series, guessed: Sequence[Measurement]) -> Chart:
    """Accuracy as measured with its interval and band, and as estimated without labels."""
    found, span = series.measurements, series.span
    shown = [n for m in found for n in (m.value, m.low, m.high, m.band_low, m.band_high) if n is not None]
    shown += [m.value for m in guessed]
    marks: list[Mark] = [*backdrop(span, (), series.gaps, series.maintenance, series.moments)]
    marks += measured(found, span)
    if guessed:
        at = tuple(middle(m, span) for m in guessed)
        numbers = rounded([m.value for m in guessed])
        tips = tuple(f"estimated {words.share(m.value)}, without labels\n{when(m.span)}" for m in guessed)
        marks += [Line(at, numbers, palette.WARN, dash=(5, 3)), Points(at, numbers, "none", palette.WARN, 0, tips)]
    at, numbers = tuple(middle(m, span) for m in found), rounded([m.value for m in found])
    tips = tuple(f"{words.share(m.value)} right of {words.several(m.rows, 'row')}\n{when(m.span)}" for m in found)
    marks.append(Points(at, numbers, "dot" if len(found) <= RANKS else "none", palette.LINE, 2.2, tips))
    low, high = padded(shown)
    return Chart(
        "accuracy", TALL, over(span), Axis(Kind.LINEAR, max(low, -0.02), min(high, 1.02), "right"), tuple(marks)
    )


def skew(series: Series) -> Chart:
    """How far rows are off, in tolerances, by percentile: what is above 1 is no vector of this encoder."""
    known = [m for m in series.measurements if m.percentiles]
    at = tuple(middle(m, series.span) for m in known)
    lines: list[Mark] = [*backdrop(series.span, (), series.gaps, series.maintenance, series.moments)]
    for i, colour in enumerate(FADES):
        lines.append(Line(at, rounded([max(m.percentiles[i], LEAST_OFF) for m in known]), colour, 1.3))
    worst = rounded([max(m.percentiles[-1], LEAST_OFF) for m in known])
    lines += [
        Points(at, worst, "none", palette.BAD, 0, tuple(map(_off, known))),
        Level(1.0, "beyond tolerance", palette.BAD, above=True),
    ]
    numbers = [max(n, LEAST_OFF) for m in known for n in m.percentiles]
    axis = Axis(Kind.LOG, min([*numbers, 0.1]) / 1.5, max([*numbers, 1.0]) * 3, "tolerances")
    return Chart("skew by percentile", TALL, over(series.span), axis, tuple(lines))


def percentile_names() -> list[str]:
    """What the lines of `skew` are called."""
    return ["worst row" if level == 1 else f"{level:.0%}" for level in PERCENTILES]


def _off(m: Measurement) -> str:
    each = ", ".join(f"{name} {words.number(of)}" for name, of in zip(percentile_names(), m.percentiles, strict=True))
    return f"{words.share(m.value)} of {words.several(m.rows, 'row')} beyond; {each}\n{when(m.span)}"


def _ratio_ticks(least: float, most: float) -> tuple[float, ...]:
    """Names on a logarithmic axis that may be shorter than a decade."""
    fine = (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
    within = tuple(tick for tick in fine if least <= tick <= most)
    return within if most / least < 10 else ()
