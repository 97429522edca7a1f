"""Charts of one objective over time: what was measured, what is left of the budget, how near it is to firing. Pure.

All have the same time axis, so that they can be read one below the other.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Final

import altair as alt

from dashboard import palette, words
from dashboard.layers import AT, TIPS, Chart, Frame, Row, backdrop, bounds, dots, limit, millis, over, when
from dashboard.series import Series
from drift.records import Measurement, Span
from drift.slo import Outcome, Quantity, Sli
from drift.store.reads import BudgetRow

TALL: Final = 230
LOW: Final = 140
_RUN: Final = alt.Detail("run:N")
_DOTS: Final = 150  # lines with more windows than this have dots for bad ones only


def judged(series: Series, height: int) -> Chart:
    """The number of each window that its objective looks at, with the bounds of what is good."""
    return p_values(series, height) if series.slo.sli.quantity is Quantity.P_VALUE else values(series, height)


def p_values(series: Series, height: int) -> Chart:
    """The p-value of each window on a logarithmic axis, with the bound below which it is bad."""
    sli, known = series.slo.sli, [m for m in series.measurements if m.p_value is not None]
    least = min([m.p_value or 1.0 for m in known] + [sli.at_least or 1.0])
    scale = alt.Scale(type="log", domain=[least / 2, 1.15], nice=False)
    ticks = tuple(10.0**-power for power in range(math.ceil(-math.log10(least / 2))))
    frame = Frame(series.span, height, "p-value", scale, ticks=ticks)
    rows = _rows(sli, known, series)
    return frame.layered(
        *backdrop(frame, series.alerts, series.gaps, series.maintenance), *dots(frame, rows), *bounds(frame, sli)
    )


def values(series: Series, height: int) -> Chart:
    """The value of each window with its interval, the band in which healthy windows lie, and the bounds if judged."""
    sli = series.slo.sli
    named = bounds if sli.quantity is Quantity.VALUE else _unbounded
    shown = [n for m in series.measurements for n in (m.value, m.low, m.high, m.band_low, m.band_high) if n is not None]
    shown += [b for b in (sli.at_least, sli.at_most) if b is not None and sli.quantity is Quantity.VALUE]
    scale = alt.Scale(domain=_padded(shown), nice=False, zero=False)
    frame = Frame(series.span, height, "value", scale)
    rows: list[Row] = [row | {"number": row["value"]} for row in _rows(sli, series.measurements, series)]
    dotted = rows if len(rows) <= _DOTS else [row for row in rows if row["verdict"] == "bad"]
    return frame.layered(
        *backdrop(frame, series.alerts, series.gaps, series.maintenance),
        *(_lines(frame, rows) if rows else []),
        *dots(frame, dotted),
        *named(frame, sli),
    )


def left(series: Series) -> Chart:
    """What is left of the error budget; below nothing it is overspent."""
    lowest = min([b.remaining for b in series.budgets], default=0.0)
    scale = alt.Scale(domain=[min(0.0, lowest) - 0.04, 1.04], nice=False)
    frame = Frame(series.span, LOW, "budget left", scale, "~%")
    rows: list[Row] = [
        {
            "at": _within(b.span.end, series.span),
            "left": b.remaining,
            "tip": f"{words.share(b.remaining)} left",
            "when": when(b.span),
        }
        for b in series.budgets
    ]
    base = over(rows).encode(x=AT, y=frame.y("left"), tooltip=TIPS)
    return frame.layered(
        *backdrop(frame, series.alerts, (), series.maintenance),
        base.mark_area(color=palette.GOOD, opacity=0.22, interpolate="step-after"),
        base.mark_line(color=palette.GOOD, strokeWidth=1.5, interpolate="step-after"),
        *limit(frame, 0.0, "spent", -7),
    )


def burning(series: Series) -> Chart:
    """Both burns of the rule nearest to firing, as multiples of what it asks for: it fires when both are above 1."""
    asked = {rule.name: float(series.slo.threshold(rule)) for rule in series.slo.rules}
    rows = [row for b in series.budgets if b.rule in asked for row in _burns(b, asked[b.rule], series.span)]
    most = max([float(row["burn"] or 0) for row in rows], default=0.0)
    frame = Frame(series.span, LOW, "burn / limit", alt.Scale(domain=[0, max(1.5, 1.08 * most)], nice=False))
    looks = ["long", "short"]
    colours = alt.Scale(domain=looks, range=[palette.LINE, palette.SHORT])
    dashes = alt.Scale(domain=looks, range=[[1, 0], [4, 2]])
    lines: alt.Chart = over(rows).mark_line(strokeWidth=1.5, interpolate="step-after")
    lines = lines.encode(
        x=AT,
        y=frame.y("burn"),
        color=alt.Color("look:N", scale=colours, legend=None),
        strokeDash=alt.StrokeDash("look:N", scale=dashes, legend=None),
        tooltip=TIPS,
    )
    return frame.layered(
        *backdrop(frame, series.alerts, (), series.maintenance), lines, *limit(frame, 1.0, "fires above", -7)
    )


def _lines(frame: Frame, rows: Sequence[Row]) -> list[alt.Chart]:
    """The line through the values, upon its interval and its band where the detector knows them."""
    layers = []
    for low, high, colour, opacity in (
        ("band_low", "band_high", palette.BAND, 0.22),
        ("low", "high", palette.LINE, 0.3),
    ):
        if known := [row for row in rows if row[low] is not None and row[high] is not None]:
            area = over(known).mark_area(color=colour, opacity=opacity)
            layers.append(area.encode(x=AT, y=frame.y(low), y2=alt.Y2(f"{high}:Q"), detail=_RUN))
    line = over(rows).mark_line(color=palette.LINE, strokeWidth=1.5)
    return [*layers, line.encode(x=AT, y=frame.y("number"), detail=_RUN)]


def _unbounded(_frame: Frame, _sli: Sli) -> list[alt.Chart]:
    return []


def _burns(row: BudgetRow, asked: float, span: Span) -> Iterator[Row]:
    for look, burn in (("long", row.burn_long), ("short", row.burn_short)):
        tip = f"{look} burn {words.times(burn)}; rule {row.rule} fires above {words.times(asked)}"
        yield {
            "at": _within(row.span.end, span),
            "burn": burn / asked,
            "look": look,
            "tip": tip,
            "when": when(row.span),
        }


def _rows(sli: Sli, measurements: Sequence[Measurement], series: Series) -> list[Row]:
    """One row per window; `run` counts up where windows are missing in between, for lines must not bridge them."""
    spacing = 3 * series.span.length / max(len(measurements), 2 * _DOTS)
    breaks = (b.span.start - a.span.end > max(spacing, a.span.length) for a, b in pairwise(measurements))
    runs = accumulate((int(broken) for broken in breaks), initial=0)
    return [_row(sli, m, run, series.span) for m, run in zip(measurements, runs, strict=False)]


def _row(sli: Sli, m: Measurement, run: int, span: Span) -> Row:
    number = sli.number(m)
    verdict = "bad" if sli.judge(m) is Outcome.BAD else "good"
    beside = "" if sli.quantity is Quantity.VALUE else f", value {words.number(m.value)}"
    beside += ", too small to matter" if sli.negligible(m) else ""
    name = "value" if sli.quantity is Quantity.VALUE else "p-value"
    return {
        "at": _within(m.span.start + m.span.length / 2, span),
        "number": number,
        "value": m.value,
        "low": m.low,
        "high": m.high,
        "band_low": m.band_low,
        "band_high": m.band_high,
        "run": float(run),
        "verdict": verdict,
        "tip": f"{verdict}: {name} {words.number(number)}{beside}, {m.rows} rows",
        "when": when(m.span),
    }


def _within(at: datetime, span: Span) -> float:
    """`at` on the time axis: a window that ends after the range must not make the axis longer."""
    return millis(min(max(at, span.start), span.end))


def _padded(numbers: Sequence[float]) -> list[float]:
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return [low - margin, high + margin]
