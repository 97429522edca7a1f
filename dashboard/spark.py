"""A sparkline: the newest windows of an objective beside the bounds that good ones keep. Pure."""

from collections.abc import Sequence
from math import log10
from typing import Final
from urllib.parse import quote

from dashboard import palette, words
from dashboard.standing import Line
from drift.slo import Quantity, Sli

WIDTH: Final = 96
HEIGHT: Final = 20
EDGE: Final = 2.5
LEAST: Final = 1e-6
"""p-values below it are drawn as it: they are on a logarithmic axis."""


def spark(line: Line) -> str:
    """The trail of a line as a picture, its newest window as a dot; "" where there is no trail yet.

    An image in the page's own text, for Streamlit takes SVG out of HTML.
    """
    if line.slo is None or len(line.trail) < 2:
        return ""
    sli = line.slo.sli
    bounds = [bound for bound in (sli.at_least, sli.at_most) if bound is not None]
    heights = _heights(sli, [*line.trail, *bounds])
    trail, dashes = heights[: len(line.trail)], heights[len(line.trail) :]
    step = (WIDTH - 2 * EDGE) / (len(trail) - 1)
    points = " ".join(f"{EDGE + i * step:.1f},{y:.1f}" for i, y in enumerate(trail))
    dashed = "".join(f'<path stroke="{palette.BAD}" stroke-dasharray="3 2" d="M0 {y:.1f}H{WIDTH}"/>' for y in dashes)
    colour = palette.BAD if line.bad else palette.GOOD
    dot = f'<circle fill="{colour}" cx="{WIDTH - EDGE}" cy="{trail[-1]:.1f}" r="2.2"/>'
    low, high = (words.number(number) for number in (min(line.trail), max(line.trail)))
    said = f"The newest {len(trail)} windows lie between {low} and {high}."
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">{dashed}'
        f'<polyline fill="none" stroke="{palette.GREY}" stroke-width="1.4" points="{points}"/>{dot}</svg>'
    )
    return f'<img class="spark" alt="{said}" src="data:image/svg+xml,{quote(drawn)}">'


def _heights(sli: Sli, numbers: Sequence[float]) -> list[float]:
    """Where numbers lie on a picture, in pixels from its top."""
    drawn = [log10(max(number, LEAST)) if sli.quantity is Quantity.P_VALUE else number for number in numbers]
    low, high = min(drawn), max(drawn)
    return [HEIGHT - EDGE - (number - low) / ((high - low) or 1) * (HEIGHT - 2 * EDGE) for number in drawn]
