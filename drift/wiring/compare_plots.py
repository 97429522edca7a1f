"""What a comparison looks like: the rows of both files, and what the panel makes of them. Each figure is SVG text."""

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
    drawn = (p_values(found), plane(found), novelty(found), norms(found), spectra(found), shape(found))
    return tuple(figure for figure in drawn if figure is not None)


def plane(found: Comparison) -> Figure:
    """Both files' rows in the plane in which the reference varies most."""
    held = found.held.vectors[:SHOWN].astype(np.float64)
    centre = held.mean(0)
    axes = principal_plane(held - centre)
    known, seen = (held - centre) @ axes, (found.window.vectors - centre) @ axes
    x, y = across(*padded(known[:, 0], seen[:, 0])), upwards(*padded(known[:, 1], seen[:, 1]))
    part = float(known.var(0).sum() / held.var(0).sum())
    return Figure(
        "Rows in the reference's two principal directions",
        chart("rows", x, y, ("first direction", "second"), [dots(x, y, known, "ref"), dots(x, y, seen, "cur")]),
        f"These directions hold {part:.0%} of the reference's variance: what happens in the others does not show here.",
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


def norms(found: Comparison) -> Figure:
    """Lengths of the vectors."""
    known, seen = (np.linalg.norm(v.astype(np.float64), axis=1) for v in (found.held.vectors, found.window.vectors))
    return Figure(
        "Lengths of the vectors",
        _histograms(known, seen, "length"),
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
        _histograms(known, seen, "distance", (limit, "novel beyond")),
        words + "the current ones do. Rows of a new kind stand to the right.",
    )


def _histograms(
    known: Float[np.ndarray, "m"], seen: Float[np.ndarray, "n"], name: str, limit: tuple[float, str] | None = None
) -> str:
    x = across(*padded(known, seen))
    edges = np.linspace(x.low, x.high, BINS + 1)
    shares = [np.histogram(v, edges)[0] / len(v) for v in (known, seen)]
    y = upwards(0.0, 1.05 * max(float(s.max()) for s in shares))
    drawn = [steps(x, y, edges, s, style) for s, style in zip(shares, ("ref", "cur"), strict=True)]
    return chart(name, x, y, (name, "share of rows"), [*drawn, *([mark(x, *limit)] if limit else [])])


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


def spectra(found: Comparison) -> Figure:
    """Variances along the principal directions of equally many rows of each file."""
    n = len(found.window.rows)
    known, seen = (_variances(v) for v in (found.held.vectors[:n], found.window.vectors))
    both = np.concatenate([known, seen, [1.0] if not len(known) + len(seen) else []])
    x = across(1.0, max(2.0, float(len(known)), float(len(seen))), log=True)
    y = upwards(float(both.min()) / 1.3, float(both.max()) * 1.3, log=True)
    lines = [
        line(x, y, [(i + 1.0, float(v)) for i, v in enumerate(values)], style)
        for values, style in ((known, "ref"), (seen, "cur"))
        if len(values)
    ]
    return Figure(
        "Variances along each file's own principal directions",
        chart("spectra", x, y, ("direction", "variance"), lines),
        f"Of {n} rows each. A curve that drops off early is a collapse; one that lies higher at its end is noise.",
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
