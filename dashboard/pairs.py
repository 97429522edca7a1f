"""The matrix of all pairs as a picture, and two stretches of time side by side. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from html import escape
from typing import Final

from dashboard import markup, words
from dashboard.layers import millis, when
from dashboard.matrix import Matrix, Pair
from dashboard.standing import as_judged
from drift.records import Measurement
from drift.slo import Outcome, Slo

HEADS: Final = ("Objective", "Earlier", "Later", "Good when")


def picture(found: Matrix, side: int) -> dict[str, object]:
    """What the browser draws: all pairs, each once, at most `side` pixels high."""
    pairs = [found.distances[i, i:].round(3).tolist() for i in range(len(found.starts))]
    return {
        "title": "distances of all pairs",
        "side": side,
        "step": found.step / timedelta(milliseconds=1),
        "starts": [millis(start) for start in found.starts],
        "names": [f"{start:%a %-d %b %H:%M} UTC" for start in found.starts],
        "most": float(found.distances.max()) or 1.0,
        "distances": pairs,
    }


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
        if any(cells := tuple(_cell(slo, side.get(slo.sli.detector), pair) for side in (pair.first, pair.second)))
    ]
    table = markup.table("The two stretches", HEADS, rows) if rows else ""
    none = '<p class="soft">What was measured then is not kept any more, or nothing was.</p>'
    return f"<h3>These two</h3>{markup.facts(facts)}{table or none}"


def _cell(slo: Slo, found: Measurement | None, pair: Pair) -> str:
    if found is None:
        return ""
    measured = as_judged(slo, found, pair.slots.get((slo.name, found.span.start)))
    if measured is None:
        return f'<span class="soft">not judged</span>{markup.small(f"{found.rows} rows")}'
    number = slo.sli.number(measured)
    style = "off" if slo.sli.judge(measured) is Outcome.BAD else ""
    value = "" if number == measured.value else f", value {words.number(measured.value)}"
    return f'<span class="{style}">{escape(words.number(number))}</span>{markup.small(f"{measured.rows} rows{value}")}'
