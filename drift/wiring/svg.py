"""Small charts as SVG text, coloured by the classes of the page that they stand in. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

WIDTH: Final = 540
HEIGHT: Final = 300
TOP: Final = 12
BOTTOM: Final = 254
RIGHT: Final = 514


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers in [low, high] on pixels from `start` to `end`, by their logarithms where `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, x: float) -> float:
        """Where `x` stands; what is out of range stands at the border."""
        low, high, x = (log10(v) if self.log else v for v in (self.low, self.high, min(max(x, self.low), self.high)))
        return self.start + (x - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """About five round numbers in range."""
        if self.log:
            first, last = ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9)
            step = max(1, ceil((last - first) / 5))
            return [10.0**power for power in range(last, first - 1, -step)]
        rough = (self.high - self.low) / 5
        size = 10.0 ** floor(log10(rough))
        gap = next(size * k for k in (1, 2, 5, 10) if size * k >= rough)
        return [k * gap for k in range(ceil(self.low / gap - 1e-9), floor(self.high / gap + 1e-9) + 1)]


def across(low: float, high: float, *, log: bool = False, start: float = 62) -> Scale:
    """A horizontal scale."""
    return Scale(low, high, start, RIGHT, log)


def upwards(low: float, high: float, *, log: bool = False) -> Scale:
    """A vertical scale."""
    return Scale(low, high, BOTTOM, TOP, log)


def padded(*parts: Array) -> tuple[float, float]:
    """The range of all numbers, and a little more; never empty."""
    low, high = min(float(p.min()) for p in parts), max(float(p.max()) for p in parts)
    more = max(0.04 * (high - low), 1e-3 * max(abs(low), abs(high)), 1e-12)
    return low - more, high + more


def chart(title: str, x: Scale, y: Scale | None, names: tuple[str, str], marks: Iterable[str]) -> str:
    """A picture with axes; `names` are those of the axes, `title` is for those who cannot see it."""
    parts = [*_ticks_below(x), *(_ticks_left(y) if y else ())]
    middle = (x.start + x.end) / 2
    parts.append(f'<text class="name" x="{middle:.0f}" y="{HEIGHT - 6}">{escape(names[0])}</text>')
    if names[1]:
        turned = f'transform="translate(10 {(TOP + BOTTOM) / 2:.0f}) rotate(-90)"'
        parts.append(f'<text class="name" {turned}>{escape(names[1])}</text>')
    inner = "".join((*parts, *marks))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{inner}</svg>'


def _ticks_below(x: Scale) -> Iterable[str]:
    yield f'<path class="axis" d="M{x.start} {BOTTOM}H{x.end}"/>'
    for tick in x.ticks():
        at = x.at(tick)
        yield f'<path class="rule" d="M{at:.1f} {TOP}V{BOTTOM}"/>'
        yield f'<text class="tick" x="{at:.1f}" y="{BOTTOM + 18}">{escape(_label(tick))}</text>'


def _ticks_left(y: Scale) -> Iterable[str]:
    for tick in y.ticks():
        at = y.at(tick)
        yield f'<path class="rule" d="M62 {at:.1f}H{RIGHT}"/>'
        yield f'<text class="tick left" x="56" y="{at + 4:.1f}">{escape(_label(tick))}</text>'


def _label(x: float) -> str:
    return f"{x:.6g}"


def dots(x: Scale, y: Scale, points: Array, style: str) -> str:
    """A round dot at each of `points`, shape (n, 2): one path of lines without length, which have round ends."""
    return f'<path class="dots {style}" d="{"".join(f"M{x.at(a):.1f} {y.at(b):.1f}h0" for a, b in points)}"/>'


def line(x: Scale, y: Scale, points: Sequence[tuple[float, float]], style: str) -> str:
    """A line through `points`."""
    return f'<path class="line {style}" d="M{"L".join(f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in points)}"/>'


def steps(x: Scale, y: Scale, edges: Array, heights: Array, style: str) -> str:
    """A histogram: an outline, filled lightly."""
    tops = "".join(f"V{y.at(h):.1f}H{x.at(e):.1f}" for h, e in zip(heights, edges[1:], strict=True))
    return f'<path class="steps {style}" d="M{x.at(edges[0]):.1f} {BOTTOM}{tops}V{BOTTOM}Z"/>'


def mark(x: Scale, at: float, text: str) -> str:
    """An upright line with a name, on the side where there is room."""
    where = x.at(at)
    anchor, gap = ("end", -5) if where > (x.start + x.end) / 2 else ("start", 5)
    words = f'<text class="note" text-anchor="{anchor}" x="{where + gap:.1f}" y="{TOP + 10}">{escape(text)}</text>'
    return f'<path class="mark" d="M{where:.1f} {TOP}V{BOTTOM}"/>{words}'


def rods(x: Scale, base: float, rows: Sequence[tuple[str, float, bool]]) -> str:
    """A named line per row, from `base` to a dot at its number; the third part says whether that is far out."""
    y = Scale(-0.5, len(rows) - 0.5, TOP + 18, BOTTOM)
    parts = []
    for i, (name, number, far) in enumerate(rows):
        at, style = y.at(i), "cur" if far else "ref"
        parts.append(f'<text class="tick left" x="{x.start - 10}" y="{at + 4:.1f}">{escape(name)}</text>')
        parts.append(f'<path class="rod {style}" d="M{x.at(base):.1f} {at:.1f}H{x.at(number):.1f}"/>')
        parts.append(dots(x, y, np.array([[number, i]]), f"big {style}"))
    return "".join(parts)
