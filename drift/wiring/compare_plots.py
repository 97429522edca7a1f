"""What a comparison looks like: the rows of both files, and what the panel makes of them. Each figure is SVG text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, Float64

from detectors.kernels import tensor
from detectors.novelty import Novelty, known_rows
from detectors.shapes import BEYOND
from drift.errors import UnmeasurableError
from drift.wiring.compare import Comparison
from drift.wiring.compare_report import TINY, chance, shape_figures
from drift.wiring.svg import across, chart, dots, line, mark, padded, rods, steps, upwards

SHOWN: Final = 2000  # reference rows in a figure; more would make the page heavy, and show nothing new
BINS: Final = 36


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its title and what it shows, in words."""

    title: str
    svg: str
    words: str


def figures(found: Comparison) -> tuple[Figure, ...]:
    """All figures; one that cannot be drawn is left out."""
    held, seen, n = found.held.vectors, found.window.vectors, len(found.window.rows)
    drawn = (
        *(p_values(found), plane(held, seen, "reference"), novelty(found)),
        *(norms(held, seen), spectra(held[:n], seen), shape(found)),
    )
    return tuple(figure for figure in drawn if figure is not None)


def plane(known: Float32[np.ndarray, "m d"], seen: Float32[np.ndarray, "n d"], of: str) -> Figure:
    """Both sides' rows in the plane in which the known ones, which are `of` something, vary most."""
    held = known[:SHOWN].astype(np.float64)
    centre = held.mean(0)
    axes = principal_plane(held - centre)
    old, new = (held - centre) @ axes, (seen - centre) @ axes
    x, y = across(*padded(old[:, 0], new[:, 0])), upwards(*padded(old[:, 1], new[:, 1]))
    part = float(old.var(0).sum() / held.var(0).sum())
    return Figure(
        f"Rows in the {of}'s two principal directions",
        chart("rows", x, y, ("first direction", "second"), [dots(x, y, old, "ref"), dots(x, y, new, "cur")]),
        f"These directions hold {part:.0%} of the {of}'s variance: what happens in the others does not show here.",
    )


def principal_plane(centred: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "d 2"]:
    """The two principal directions, widest first; in one dimension the second has no length."""
    n, d = centred.shape
    if d < 2:
        return np.eye(1, 2)
    if d <= n:
        return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, :-3:-1])
    along = centred.T @ np.linalg.eigh(centred @ centred.T)[1][:, :-3:-1]  # the smaller product has the same directions
    return np.asarray(along / np.maximum(np.linalg.norm(along, axis=0), 1e-30))


def norms(known: Float32[np.ndarray, "m d"], seen: Float32[np.ndarray, "n k"]) -> Figure:
    """Lengths of the vectors."""
    old, new = (np.linalg.norm(v.astype(np.float64), axis=1) for v in (known, seen))
    return Figure(
        "Lengths of the vectors",
        histograms([old, new], "length"),
        "A second hump far off is a normalisation that is missing on some rows, or that was added.",
    )


def novelty(found: Comparison) -> Figure | None:
    """Distances to the nearest reference rows; None where the reference is too small to say what is far."""
    settings = Novelty()
    try:
        near = known_rows(found.held, settings.neighbours, settings.quantile)
    except UnmeasurableError:
        return None
    sides = (found.held.calibration.vectors[:SHOWN], found.window.vectors)
    known, seen = (near.novelty(tensor(v)).sqrt().double().cpu().numpy() for v in sides)
    limit = near.threshold**0.5
    words = f"{settings.quantile:.0%} of the reference's own rows lie beyond the mark; {(seen > limit).mean():.1%} of "
    return Figure(
        f"Distance of each row to its {settings.neighbours}th nearest reference row",
        histograms([known, seen], "distance", (limit, "novel beyond")),
        words + "the current ones do. Rows of a new kind stand to the right.",
    )


def histograms(
    sides: Sequence[Float[np.ndarray, "_"]], name: str, limit: tuple[float, str] | None = None, of: str = "rows"
) -> str:
    """What shares of the numbers of each side, the known one first, lie where; with a mark at a limit."""
    x = across(*padded(*sides))
    edges = np.linspace(x.low, x.high, BINS + 1)
    shares = [np.histogram(v, edges)[0] / len(v) for v in sides]
    y = upwards(0.0, 1.05 * max(float(s.max()) for s in shares))
    drawn = [steps(x, y, edges, s, style) for s, style in zip(shares, ("ref", "cur"), strict=False)]
    return chart(name, x, y, (name, f"share of {of}"), [*drawn, *([mark(x, *limit)] if limit else [])])


def p_values(found: Comparison) -> Figure:
    """How unlikely each statistic of the panel is without drift."""
    level = found.panel.level
    rows = sorted(((name, one.p_value) for name, one in found.result.statistics.items()), key=lambda row: row[1])
    rows = [("joint", found.result.p_value), *rows]
    least = max(TINY, min(level, *(p for _, p in rows)) / 3)
    x = across(least, 1.0, log=True, start=150)
    marks = [mark(x, level, f"level {level:g}"), rods(x, 1.0, [(name, p, p <= level) for name, p in rows])]
    return Figure(
        f"The panel: one p-value from {len(found.result.statistics)} statistics",
        chart("p-values", x, None, ("p-value", ""), marks),
        f"The joint p ({chance(found.result.p_value)}) decides. Each statistic's own p says which way the rows moved.",
    )


def spectra(known: Float32[np.ndarray, "n d"], seen: Float32[np.ndarray, "n k"]) -> Figure:
    """Variances along the principal directions of each side, which should have equally many rows."""
    old, new = (_variances(v) for v in (known, seen))
    both = np.concatenate([old, new, [1.0] if not len(old) + len(new) else []])
    x = across(1.0, max(2.0, float(len(old)), float(len(new))), log=True)
    y = upwards(float(both.min()) / 1.3, float(both.max()) * 1.3, log=True)
    lines = [
        line(x, y, [(i + 1.0, float(v)) for i, v in enumerate(values)], style)
        for values, style in ((old, "ref"), (new, "cur"))
        if len(values)
    ]
    return Figure(
        "Variances along each side's own principal directions",
        chart("spectra", x, y, ("direction", "variance"), lines),
        f"Of {len(seen)} rows each. A curve that drops off early is a collapse; one that ends higher is noise.",
    )


def _variances(x: Float32[np.ndarray, "n d"]) -> Float64[np.ndarray, "k"]:
    centred = x.astype(np.float64) - x.astype(np.float64).mean(0)
    found = np.linalg.svd(centred, compute_uv=False) ** 2 / (len(x) - 1)
    return np.asarray(found[found > max(1e-7 * float(found.max()), 1e-30)])


def shape(found: Comparison) -> Figure:
    """How far out each figure of the shape is."""
    named = [(name, of.z, abs(of.z) > BEYOND) for name, of in shape_figures(found)]
    widest = min(40.0, max(1.6 * BEYOND, *(1.1 * abs(z) for _, z, _ in named)))
    x = across(-widest, widest, start=150)
    marks = [mark(x, -BEYOND, ""), mark(x, BEYOND, f"{BEYOND:g} sd"), rods(x, 0.0, named)]
    return Figure(
        f"The shape: {found.shape.verdict}",
        chart("shape", x, None, ("standard deviations from windows of the reference", ""), marks),
        "Directions in use, spread, crowding and lengths, each against windows that are drawn from the reference.",
    )
