"""Points that the graphics card draws: a component of our own, all of which the page brings with it."""

from pathlib import Path
from typing import Final

import streamlit as st

HERE: Final = Path(__file__).parent / "plot"
# Parts of one module: what a page brings along as text has no address that a part could be imported from.
PARTS: Final = ("chart.js", "gpu.js", "grid.js", "hands.js")
MODULE: Final = "\n".join((HERE / name).read_text(encoding="utf-8") for name in PARTS)
MARKUP: Final = (HERE / "points.html").read_text(encoding="utf-8")
STYLE: Final = (HERE / "points.css").read_text(encoding="utf-8")

_mount = st.components.v2.component("drift_points", html=MARKUP, css=STYLE, js=MODULE)


def draw(packed: bytes) -> None:
    """Draw what `scatter.packed` made."""
    _mount(data=packed, key="points")
