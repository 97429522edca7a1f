"""Charts of one objective over time: what was measured, what is left of the budget, how near it is to firing. Pure.

All have the same time axis, so that they can be read one below the other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from dashboard import calibration, markup, palette, words
from dashboard.layers import (
    Area,
    Axis,
    Chart,
    Kind,
    Level,
    Line,
    Mark,
    Numbers,
    Points,
    backdrop,
    bounds,
    millis,
    over,
    rounded,
    when,
)
from dashboard.series import Series
from drift.records import Measurement, Span
from drift.slo import Outcome, Quantity, Sli
from drift.store.reads import BudgetRow

TALL: Final = 230
LOW: Final = 140
_DOTS: Final = 150  # lines with more windows than this have dots for bad ones only
_SEEN: Final = (("window", palette.LINE, "mark dot"), ("bad window", palette.BAD, "mark bad"))
_MEASURED: Final = (
    *_SEEN,
    ("95 % interval", palette.LINE, "faint"),
    ("where healthy windows lie", palette.BAND, "faint"),
    ("bound", palette.BAD, "dash"),
)
_AROUND: Final = (
    ("page firing", palette.BAD, "faint"),
    ("ticket firing", palette.WARN, "faint"),
    ("not measured", palette.GREY, "mark gap"),
    ("maintenance", palette.SHORT, "faint"),
    ("change of version or reference", palette.GREY, "dash"),
)


def in_full(series: Series) -> Iterator[Chart]:
    """The charts of an objective, one below the other."""
    if series.slo.sli.quantity is Quantity.P_VALUE:
        surprise = p_values(series, TALL)
        yield replace(surprise, heading="How surprising each window is", key=(*_SEEN, _MEASURED[-1], *_AROUND))
        yield replace(values(series, TALL), heading="How far each window is off", key=_MEASURED[:-1])
    else:
        yield replace(values(series, TALL), heading="What was measured", key=(*_MEASURED, *_AROUND))
    if not series.budgets:
        return
    yield replace(left(series), heading="Error budget", key=(("left", palette.GOOD, "line"),))
    look_backs = (("long look-back", palette.LINE, "line"), ("short look-back", palette.SHORT, "dash"))
    nearest = "Burn over what the nearest rule asks for: it fires when both are above 1"
    yield replace(burning(series), heading=nearest, key=look_backs)


def judged(series: Series, height: int) -> Chart:
    """The number of each window that its objective looks at, with the bounds of what is good."""
    return p_values(series, height) if series.slo.sli.quantity is Quantity.P_VALUE else values(series, height)


def brief(series: Series) -> Chart:
    """The same, low, with the objective's name, a link to all about it, and when it is good."""
    slo = series.slo
    href = markup.address("stream", stream=slo.stream, slo=slo.name)
    note = f"good: {words.good(slo.sli)}" + (" · alarms too often" if calibration.is_loud(series.calibration) else "")
    return replace(judged(series, LOW), heading=slo.name, href=href, note=note)


def of_segment(series: Series) -> Chart:
    """The same of one segment, with its name, a link to it, and its newest number."""
    slo, name = series.slo, series.slo.stream.rpartition("/")[2]
    heading = name if "/" in slo.stream else "all of it"
    newest = f"newest {words.number(slo.sli.number(series.measurements[-1]))}" if series.measurements else "no window"
    note = f"{newest}, {words.several(series.bad, 'bad window')}" if series.bad else newest
    href = markup.address("stream", stream=slo.stream, slo=slo.name)
    return replace(judged(series, LOW), heading=heading, href=href, note=note)


def p_values(series: Series, height: int) -> Chart:
    """The p-value of each window on a logarithmic axis, with the bound below which it is bad."""
    sli, known = series.slo.sli, [m for m in series.measurements if m.p_value is not None]
    least = min([m.p_value or 1.0 for m in known] + [sli.at_least or 1.0])
    axis = Axis(Kind.LOG, least / 2, 1.15, "p-value")
    marks = (*_backdrop(series), *_dots(series, known, sli.number, most=len(known)), *bounds(sli))
    return Chart(f"p-values of {series.slo.name}", height, over(series.span), axis, marks)


def values(series: Series, height: int) -> Chart:
    """The value of each window with its interval, the band in which healthy windows lie, and the bounds if judged."""
    sli, found = series.slo.sli, series.measurements
    is_judged = sli.quantity is Quantity.VALUE
    shown = [n for m in found for n in (m.value, m.low, m.high, m.band_low, m.band_high) if n is not None]
    shown += [b for b in (sli.at_least, sli.at_most) if b is not None and is_judged]
    marks = (
        *_backdrop(series),
        *measured(found, series.span),
        *_dots(series, found, lambda m: m.value, most=_DOTS),
        *(bounds(sli) if is_judged else ()),
    )
    title = f"values of {series.slo.name}"
    return Chart(title, height, over(series.span), Axis(Kind.LINEAR, *padded(shown), "value"), marks)


def left(series: Series) -> Chart:
    """What is left of the error budget; below nothing it is overspent."""
    lowest = min([b.remaining for b in series.budgets], default=0.0)
    axis = Axis(Kind.LINEAR, min(0.0, lowest) - 0.04, 1.04, "budget left", "percent")
    at = tuple(_within(b.span.end, series.span) for b in series.budgets)
    height = rounded([b.remaining for b in series.budgets])
    tips = tuple(f"{words.share(b.remaining)} left\n{when(b.span)}" for b in series.budgets)
    marks = (
        *_backdrop(series, gaps=False),
        Area(at, (0.0,) * len(at), height, palette.GOOD, 0.22, step=True),
        Line(at, height, palette.GOOD, step=True),
        Points(at, height, "none", palette.GOOD, 0, tips),
        Level(0.0, "spent", palette.BAD, above=True),
    )
    return Chart(f"budget left of {series.slo.name}", LOW, over(series.span), axis, marks)


def burning(series: Series) -> Chart:
    """Both burns of the rule nearest to firing, as multiples of what it asks for: it fires when both are above 1."""
    asked = {rule.name: float(series.slo.threshold(rule)) for rule in series.slo.rules}
    known = [b for b in series.budgets if b.rule in asked]
    at = tuple(_within(b.span.end, series.span) for b in known)
    both = [
        (rounded([getattr(b, field) / asked[b.rule] for b in known]), colour, dash)
        for field, colour, dash in (("burn_long", palette.LINE, ()), ("burn_short", palette.SHORT, (4, 2)))
    ]
    most = max([n for numbers, *_ in both for n in numbers if n is not None], default=0.0)
    higher = tuple(max(pair) for pair in zip(*(numbers for numbers, *_ in both), strict=True))
    marks = (
        *_backdrop(series, gaps=False),
        *(Line(at, numbers, colour, dash=dash, step=True) for numbers, colour, dash in both),
        Points(at, higher, "none", palette.LINE, 0, tuple(_burns(b, asked[b.rule]) for b in known)),
        Level(1.0, "fires above", palette.BAD, above=True),
    )
    axis = Axis(Kind.LINEAR, 0.0, max(1.5, 1.08 * most), "burn / limit")
    return Chart(f"burn of {series.slo.name}", LOW, over(series.span), axis, marks)


def measured(found: Sequence[Measurement], span: Span, colour: str = palette.LINE) -> Iterator[Mark]:
    """The line through the values, upon its interval and its band where the detector knows them."""
    rows = _broken(found, span)
    at = tuple(None if m is None else middle(m, span) for m in rows)
    for low, high, shade, opacity in (
        ("band_low", "band_high", palette.BAND, 0.22),
        ("low", "high", colour, 0.3),
    ):
        floor, top = (_column(rows, field) for field in (low, high))
        if any(a is not None and b is not None for a, b in zip(floor, top, strict=True)):
            yield Area(at, floor, top, shade, opacity)
    if rows:
        yield Line(at, _column(rows, "value"), colour)


def middle(m: Measurement, span: Span) -> float:
    """Where a window lies on the time axis."""
    return _within(m.span.start + m.span.length / 2, span)


def padded(numbers: Sequence[float]) -> tuple[float, float]:
    """An axis that shows all of them, with something to both sides."""
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return low - margin, high + margin


def _backdrop(series: Series, *, gaps: bool = True) -> Iterator[Mark]:
    found = series.gaps if gaps else ()
    return backdrop(series.span, series.alerts, found, series.maintenance, series.moments)


def _dots(
    series: Series, found: Sequence[Measurement], number: Callable[[Measurement], float], *, most: int
) -> Iterator[Points]:
    """A dot for each good window, while they are at most `most`, and a triangle for each bad one."""
    sli = series.slo.sli
    known = [(m, sli.judge(m) is Outcome.BAD) for m in found]
    for is_bad, colour, shape, size in ((False, palette.LINE, "dot", 2.2), (True, palette.BAD, "triangle", 4.5)):
        mine = [m for m, was_bad in known if was_bad is is_bad]
        if not mine:
            continue
        at, verdict = tuple(middle(m, series.span) for m in mine), "bad" if is_bad else "good"
        tips = tuple(f"{verdict}: {_told(sli, m)}" for m in mine)
        drawn = shape if is_bad or len(found) <= most else "none"
        yield Points(at, rounded([number(m) for m in mine]), drawn, colour, size, tips)


def _told(sli: Sli, m: Measurement) -> str:
    name = "value" if sli.quantity is Quantity.VALUE else "p-value"
    said = f"{name} {words.number(sli.number(m))}"
    beside = "" if sli.quantity is Quantity.VALUE else f", value {words.number(m.value)}"
    beside += ", too small to matter" if sli.negligible(m) else ""
    return f"{said}{beside}, {m.rows} rows\n{when(m.span)}"


def _burns(row: BudgetRow, asked: float) -> str:
    long, short = words.times(row.burn_long), words.times(row.burn_short)
    fires = f"rule {row.rule} fires above {words.times(asked)}"
    return f"long burn {long}, short burn {short}; {fires}\n{when(row.span)}"


def _broken(found: Sequence[Measurement], span: Span) -> list[Measurement | None]:
    """`found` with None where windows are missing in between, for lines must not bridge them."""
    spacing = 3 * span.length / max(len(found), 2 * _DOTS)
    rows: list[Measurement | None] = []
    for before, after in pairwise([*found[:1], *found]):
        if after.span.start - before.span.end > max(spacing, before.span.length):
            rows.append(None)
        rows.append(after)
    return rows


def _column(rows: Sequence[Measurement | None], field: str) -> Numbers:
    return rounded([None if m is None else getattr(m, field) for m in rows])


def _within(at: datetime, span: Span) -> float:
    """`at` on the time axis: a window that ends after the range must not make the axis longer."""
    return millis(min(max(at, span.start), span.end))
