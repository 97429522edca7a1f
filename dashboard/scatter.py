"""Rows in a plane as points, drawn by the graphics card; what their colour means is said beside them. Pure."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np
import plotly.graph_objects as go

from dashboard import palette, words
from dashboard.projection import Cluster, Points, Projection

NAMED: Final = 20_000  # more points than this are drawn without names
GROUPS: Final = 6
HEIGHT: Final = 620
OTHER: Final = "other"
# Seen on light and on dark, and by the colour-blind.
SCALE: Final = ((0.0, palette.LINE), (0.5, "#F0E442"), (1.0, palette.BAD))
COLOURS: Final = (palette.LINE, palette.WARN, palette.GOOD, palette.SHORT, "#56B4E9", "#F0E442", palette.GREY)


class By(StrEnum):
    """What the colour of a window's row says."""

    SIDE = "reference or window"
    SEGMENT = "segment"
    TIME = "time"
    NOVELTY = "novelty"


def figure(found: Projection, by: By, now: datetime) -> go.Figure:
    """Reference below, windows upon it, clusters of the reference named where they lie."""
    first, second = (words.share(share) for share in found.plane.shares)
    drawn = go.Figure([_reference(found.reference), *_window(found.window, by, now)])
    drawn.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        legend={"orientation": "h", "y": -0.12, "itemsizing": "constant"},
        dragmode="pan",
        annotations=[_named(cluster) for cluster in found.clusters],
    )
    drawn.update_xaxes(title=f"first direction of the reference ({first} of its variance)", zeroline=False)
    drawn.update_yaxes(title=f"second ({second})", zeroline=False, scaleanchor="x", scaleratio=1)
    return drawn


def _reference(points: Points) -> go.Scattergl:
    marker = {"size": 3, "color": palette.BAND, "opacity": 0.45}
    return _marks(points, np.arange(len(points.places)), "reference", marker, named=False)


def _window(points: Points, by: By, now: datetime) -> Iterator[go.Scattergl]:
    every, n = np.arange(len(points.places)), len(points.places)
    # Many points are small, so that where they lie thick is still seen.
    base = {"size": 5 if n <= 5_000 else 3, "opacity": 0.75 if n <= 20_000 else 0.45}
    match by:
        case By.SIDE:
            yield _marks(points, every, "window", base | {"color": palette.BAD})
        case By.SEGMENT:
            for name, colour, mine in _groups(points):
                yield _marks(points, mine, name, base | {"color": colour})
        case By.TIME:
            ages = np.array([(now - start).total_seconds() / 3600 for start in points.starts], np.float32)
            yield _marks(points, every, "window", base | _scale(-ages, "hours ago"))
        case By.NOVELTY:
            yield _marks(points, every, "window", base | _scale(points.distances, "to the nearest reference row"))


def _scale(numbers: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", title: str) -> dict[str, object]:
    bar = {"title": {"text": title, "side": "right"}, "thickness": 10, "len": 0.7}
    return {"color": numbers, "colorscale": SCALE, "colorbar": bar}


def _groups(points: Points) -> Iterator[tuple[str, str, "np.ndarray[tuple[int], np.dtype[np.intp]]"]]:
    """The largest groups, each with a colour and the rows that are in it; all others are one."""
    groups = np.array(points.groups)
    names = [name for name, _ in Counter(points.groups).most_common(GROUPS)]
    for name, colour in zip(names, COLOURS, strict=False):
        yield name or "none", colour, np.flatnonzero(groups == name)
    if len(rest := np.flatnonzero(~np.isin(groups, names))):
        yield OTHER, COLOURS[-1], rest


def _marks(
    points: Points,
    mine: "np.ndarray[tuple[int], np.dtype[np.intp]]",
    name: str,
    marker: dict[str, object],
    *,
    named: bool = True,
) -> go.Scattergl:
    is_told = named and len(points.places) <= NAMED
    return go.Scattergl(
        x=points.places[mine, 0],
        y=points.places[mine, 1],
        mode="markers",
        name=f"{name} ({words.count(len(mine))})",
        marker=marker,
        hovertext=[_told(points, i) for i in mine] if is_told else None,
        hoverinfo="text" if is_told else "skip",
    )


def _told(points: Points, i: np.signedinteger) -> str:
    name = points.names[i] or "no id"
    apart = points.distances[i]
    far = f", {apart:.3g} from the nearest reference row" if np.isfinite(apart) else ""
    return f"{name}, window of {points.starts[i]:%-d %b %H:%M:%S} UTC{far}"


def _named(cluster: Cluster) -> dict[str, object]:
    text = cluster.name.replace("<", "&lt;")
    return {"x": cluster.x, "y": cluster.y, "text": f"<b>{text}</b>", "showarrow": False, "font": {"size": 13}}
