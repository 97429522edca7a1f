"""Charts, the matrix of all pairs and commands to copy on a page, drawn in the browser by `dashboard/js`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import streamlit as st

from dashboard.layers import Chart

SCRIPTS: Final = Path(__file__).parent / "js"


def _script(*names: str) -> str:
    return "\n".join((SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in names)


_charts = st.components.v2.component("drift.charts", js=_script("axes", "marks", "charts"), isolate_styles=False)
_matrix = st.components.v2.component("drift.matrix", js=_script("axes", "matrix"), isolate_styles=False)
_commands = st.components.v2.component("drift.commands", js=_script("commands"), isolate_styles=False)


def charts(key: str, *shown: Chart, least: int = 340) -> None:
    """Charts, side by side where each has `least` pixels. `key` is theirs alone on the page."""
    _charts(key=f"charts-{key}", data={"charts": [chart.to_dict() for chart in shown], "least": least})


def ready() -> None:
    """Have the browser load what draws charts while their numbers are still read; nothing is seen of it."""
    _charts(key="charts-none", data={"charts": [], "least": 0}, width="content")


def matrix(picture: dict[str, object]) -> tuple[int, int] | None:
    """All pairs; returns the one that was just chosen, by the numbers of its stretches."""
    cell = _matrix(key="matrix", data=picture, on_cell_change=_nothing).cell
    return (int(cell[0]), int(cell[1])) if cell else None


def commands(shown: Iterable[tuple[str, str]]) -> None:
    """Commands, each after what it is for, with a button that copies it: `st.code` has one for the mouse alone."""
    _commands(key="commands", data={"commands": [{"purpose": purpose, "command": text} for purpose, text in shown]})


def _nothing() -> None:
    """A choice runs the page again; that is all there is to do."""
