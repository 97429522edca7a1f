"""The matrix of all pairs as a chart, and two stretches of time side by side. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from html import escape
from typing import Final

import altair as alt
import numpy as np
import pandas as pd

from dashboard import markup, words
from dashboard.layers import millis, when
from dashboard.matrix import Matrix, Pair
from drift.records import Measurement, Span
from drift.slo import Outcome, Slo

SELECTED: Final = "cell"
HEADS: Final = ("Objective", "Earlier", "Later", "Good when")


def chart(found: Matrix, side: int) -> alt.Chart:
    """Distances of all pairs, `side` pixels high; a click on a cell selects its two stretches, by their numbers."""
    span = Span(found.starts[0], found.starts[-1] + found.step)
    form = "%-d %b" if span.length > timedelta(days=2) else "%H:%M"
    axis = alt.Axis(format=form, title=None, grid=False, tickCount=8, labelOverlap=True)
    scale = alt.Scale(type="utc", nice=False)
    colour = alt.Color(
        "distance:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, float(found.distances.max()) or 1.0]),
        legend=alt.Legend(title="standard deviations apart", orient="top", gradientLength=220, titleLimit=300),
    )
    tips = [
        alt.Tooltip("first:N", title="from, UTC"),
        alt.Tooltip("second:N", title="and from, UTC"),
        alt.Tooltip("distance:Q", title="sd apart", format=".3f"),
    ]
    x, y = alt.X("x:T", scale=scale, axis=axis), alt.Y("y:T", scale=scale, axis=axis)
    cells: alt.Chart = alt.Chart(_cells(found), height=side, width="container").mark_rect()
    drawn: alt.Chart = cells.encode(x=x, x2="x2:T", y=y, y2="y2:T", color=colour, tooltip=tips)
    return drawn.add_params(alt.selection_point(name=SELECTED, fields=["a", "b"], on="click"))


def compared(found: Matrix, a: int, b: int, pair: Pair, slos: Sequence[Slo]) -> str:
    """Two stretches: how far apart they are, and what each objective saw in the newest window of either."""
    a, b = min(a, b), max(a, b)
    apart = found.distances[a, b]
    facts = [
        ("Earlier", escape(f"{when(found.span(a))}, {words.several(found.rows[a], 'row')}")),
        ("Later", escape(f"{when(found.span(b))}, {words.several(found.rows[b], 'row')}")),
        ("Apart", escape("the same stretch" if a == b else f"{words.number(apart)} standard deviations of a row")),
    ]
    rows = [
        ("", (f'<span class="name">{escape(slo.name)}</span>', *cells, escape(words.good(slo.sli))))
        for slo in slos
        if any(cells := tuple(_cell(slo, side.get(slo.sli.detector)) for side in (pair.first, pair.second)))
    ]
    table = markup.table("The two stretches", HEADS, rows) if rows else ""
    none = '<p class="soft">What was measured then is not kept any more, or nothing was.</p>'
    return f"<h3>These two</h3>{markup.facts(facts)}{table or none}"


def _cell(slo: Slo, measured: Measurement | None) -> str:
    if measured is None:
        return ""
    number = slo.sli.number(measured)
    style = "off" if slo.sli.judge(measured) is Outcome.BAD else ""
    value = "" if number == measured.value else f", value {words.number(measured.value)}"
    return f'<span class="{style}">{escape(words.number(number))}</span>{markup.small(f"{measured.rows} rows{value}")}'


def _cells(found: Matrix) -> pd.DataFrame:
    """One row for each pair."""
    n = len(found.starts)
    a, b = (index.ravel() for index in np.mgrid[:n, :n])
    edges = np.array([millis(start) for start in found.starts])
    names = pd.Series([f"{start:%a %-d %b %H:%M}" for start in found.starts])
    # A little more than its length, for between two that merely touch the background would shine through.
    length = 1.05 * (found.step / timedelta(milliseconds=1))
    places = {"x": edges[a], "x2": edges[a] + length, "y": edges[b], "y2": edges[b] + length}
    told = {"first": names[a].to_numpy(), "second": names[b].to_numpy()}
    return pd.DataFrame({**places, **told, "a": a, "b": b, "distance": found.distances.ravel().round(4)})
