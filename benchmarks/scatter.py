"""How fluid 100,000 points are: our own renderer beside Plotly's WebGL scatter, by `python -m benchmarks.scatter`.

Both draw the same rows upon the same reference in the same Chromium, and are dragged about by its mouse for some
seconds, in turn. A frame counts when WebGL has drawn in it, or when what was drawn has been moved. Without a graphics
card SwiftShader draws, on the CPU: what is fluid there is fluid anywhere. Times are from the call until the first frame
has been drawn.
"""

import argparse
import base64
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

import numpy as np
import plotly.graph_objects as go
from playwright.sync_api import Browser, Page, sync_playwright
from plotly.offline import get_plotlyjs
from rich.console import Console
from rich.table import Table

from dashboard import palette, points, scatter
from dashboard.colouring import By
from dashboard.projection import Method, Points, Projection
from dashboard.sight import Seen

FLAGS: Final = ("--no-sandbox", "--disable-background-networking", "--no-first-run", "--enable-unsafe-swiftshader")
NOW: Final = datetime(2026, 11, 30, tzinfo=UTC)
WINDOW: Final = 256
REFERENCE: Final = 5_000
# Counts the frames in which the picture has changed.
COUNT: Final = """() => {
  window.drawn = 0;
  let has = false;
  for (const kind of [WebGLRenderingContext, WebGL2RenderingContext])
    for (const name of ["drawArrays", "drawElements"]) {
      const draw = kind.prototype[name];
      kind.prototype[name] = function (...given) { has = true; return draw.apply(this, given); };
    }
  let before;
  const frame = () => {
    const moved = document.querySelector(".canvas")?.style.transform;
    window.drawn += has || moved !== before;
    [has, before] = [false, moved];
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
OURS: Final = """async ([code, markup, style, text]) => {
  const root = document.body.appendChild(document.createElement("div"));
  root.innerHTML = `<style>${style}</style>${markup}`;
  const data = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  module.default({ data, parentElement: root });
}"""
NOTHING: Final = """() => {
  document.body.innerHTML = "<i class=canvas></i>";
  const moved = document.querySelector(".canvas");
  const move = (event) => { moved.style.transform = `translate(${event.x}px, ${event.y}px)`; };
  document.onmousemove = move;
  move({ x: 1, y: 1 });
}"""
PEERS: Final = """(figure) => {
  const root = document.body.appendChild(document.createElement("div"));
  const { data, layout } = JSON.parse(figure);
  return Plotly.newPlot(root, data, layout, { scrollZoom: true }).then(() => null);
}"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds until the first frame, and frames a second while dragged."""

    shown: float
    frames: float


def rows(count: int) -> Projection:
    """So many made-up rows of windows upon a reference."""
    rng = np.random.default_rng(0)

    def made(n: int, spread: float) -> tuple[np.ndarray, Seen]:
        places = (spread * rng.standard_normal((n, 2)) + rng.integers(-3, 4, (n, 2))).astype(np.float32)
        return places, Seen(rng.random(n).astype(np.float32), rng.standard_normal(n).astype(np.float32))

    (places, seen), (others, others_seen) = made(REFERENCE, 0.5), made(count, 0.6)
    starts = tuple(NOW - timedelta(hours=i + 1) for i in range(-(-count // WINDOW)))
    none = np.zeros(REFERENCE, np.int64)
    reference = Points(places, (None,) * REFERENCE, (), none, (None,) * REFERENCE, seen)
    names, groups = tuple(f"row-{i}" for i in range(count)), tuple(f"topic-{i % 5}" for i in range(count))
    window = Points(others, names, starts, np.arange(count) // WINDOW, groups, others_seen)
    return Projection("made", Method.PCA, (0.1, 0.05), reference, window, ())


def ours(tab: Page, found: Projection) -> None:
    text = base64.b64encode(scatter.packed(found, By.NOVELTY, NOW)).decode()
    tab.evaluate(OURS, [points.MODULE, points.MARKUP, points.STYLE, text])


def nothing(tab: Page, found: Projection) -> None:
    """An element that follows the pointer: the most frames that there are on this machine now."""
    tab.evaluate(NOTHING)


def plotly(tab: Page, found: Projection) -> None:
    """What the page was drawn by before: no names, since with them it is slower still."""
    figure = go.Figure()
    novelty = found.window.seen.novelty
    sides = ((found.reference, palette.BAND), (found.window, novelty))
    for side, colour in sides:
        marker = {"size": 3, "color": colour, "opacity": 0.45}
        figure.add_scattergl(x=side.places[:, 0], y=side.places[:, 1], mode="markers", marker=marker, hoverinfo="skip")
    figure.update_layout(height=608, dragmode="pan")
    figure.update_yaxes(scaleanchor="x", scaleratio=1)
    tab.add_script_tag(content=get_plotlyjs())
    tab.evaluate(PEERS, figure.to_json())


def measured(browser: Browser, draw: Callable[[Page, Projection], None], found: Projection, seconds: float) -> Took:
    """Show `found`, then drag it about for that long."""
    tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    tab.evaluate(COUNT)
    began = time.perf_counter()
    draw(tab, found)
    tab.wait_for_function("() => window.drawn > 0", timeout=120_000)
    shown = time.perf_counter() - began
    time.sleep(1)
    tab.mouse.move(600, 300)
    tab.mouse.down()
    tab.mouse.move(605, 305)
    before, began, step = tab.evaluate("window.drawn"), time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        step += 1
        tab.mouse.move(600 + 200 * math.sin(step / 15), 300 + 120 * math.cos(step / 15))
    frames = (tab.evaluate("window.drawn") - before) / passed
    tab.mouse.up()
    tab.context.close()
    return Took(shown, frames)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each is dragged")
    parser.add_argument("--each", type=int, default=3, help="how often each takes its turn; medians count")
    asked = parser.parse_args()
    found = rows(asked.rows)
    sides: dict[str, Callable[[Page, Projection], None]] = {
        "ours": ours,
        "plotly scattergl": plotly,
        "an empty page": nothing,
    }
    took: dict[str, list[Took]] = {name: [] for name in sides}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*FLAGS])
        for _ in range(asked.each):
            for name, draw in sides.items():
                took[name].append(measured(browser, draw, found, asked.seconds))
        browser.close()
    table = Table(title=f"{asked.rows:,} rows, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for column in ("", "frames/s of a drag", "seconds to the first frame"):
        table.add_column(column, justify="left" if not column else "right")
    for name, turns in took.items():
        frames, shown = (median(getattr(each, of) for each in turns) for of in ("frames", "shown"))
        table.add_row(name, f"{frames:.1f}", f"{shown:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
