"""A comparison of two files, in words for a terminal and as JSON for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detectors.shapes import BEYOND, Compared
from drift import __version__
from drift.records import Gap, Measurement
from drift.slo import Outcome
from drift.wiring.compare import Comparison, Finding, Side

MOST_GROUPS: Final = 8
TINY: Final = 1e-16  # fitted tails are not to be believed further out
RIGHT: Final = frozenset(
    {"value", "its own p", "p", "compared", "copies", "received", "current", "reference", "z", "adds", "mix"}
)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts, for terminal and page alike. `bad` are the rows that show drift."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bad: frozenset[int]
    note: str = ""


def as_json(found: Comparison) -> dict[str, object]:
    """One object. The panel's verdict has the names of its `Result`; `reasons` is empty where this is no drift."""
    result = found.result
    return {
        "version": __version__,
        "reasons": list(found.reasons),
        "p_value": result.p_value,
        "drifted": result.drifted,
        "effect": asdict(result.effect),
        "statistics": {name: asdict(one) for name, one in result.statistics.items()},
        "attribution": _attribution(found),
        "warning": "; ".join(filter(None, (found.cut, found.panel.warning))),
        "detectors": [_finding(found, one) for one in found.findings],
        "collapse": asdict(found.shape),
        "reference": _side(found.reference),
        "current": _side(found.current),
        "alpha": found.panel.alpha,
        "level": found.panel.level,
        "window_size": found.panel.window_size,
        "seed": found.panel.seed,
    }


def _attribution(found: Comparison) -> dict[str, object]:
    """As `Attribution`, with all rows that were tested by id, those that stand out most first."""
    attribution = found.result.attribution
    rows = [{"id": id_, "contribution": value, "cluster": cluster} for id_, value, cluster in moved_rows(found)]
    return {
        "by": attribution.by,
        "usual": attribution.usual,
        "clusters": [asdict(part) for part in attribution.clusters],
        "segments": [asdict(part) for part in attribution.segments],
        "rows": rows,
    }


def moved_rows(found: Comparison) -> list[tuple[str, float, str]]:
    """Id, contribution and cluster of each row that was tested, those that stand out most first."""
    a, ids = found.result.attribution, found.tested.ids
    return [(str(ids[a.index[i]]), float(a.rows[i]), a.clusters[a.cluster[i]].name) for i in a.order]


def _side(side: Side) -> dict[str, object]:
    return asdict(side) | {"path": str(side.path), "rejected": dict(side.rejected)}


def _finding(found: Comparison, one: Finding) -> dict[str, object]:
    names = ("value", "p_value", "low", "high", "band_low", "band_high", "rows")
    m = one.measured
    return {
        "name": one.detector.name,
        **{name: getattr(m, name, None) for name in names},
        "objective": one.objective.name if one.objective else None,
        "good_when": str(one.objective.sli) if one.objective else None,
        "outcome": one.outcome,
        "decides": one.decides,
        "gap": {"reason": m.reason, "detail": detail(found, m)} if isinstance(m, Gap) else None,
    }


def detail(found: Comparison, gap: Gap) -> str:
    """Why nothing was measured, less the span that a file does not have."""
    return gap.detail.replace(f"window {found.window}", found.window.stream.name)


def verdict(found: Comparison) -> str:
    """The verdict in one line."""
    e, p = found.result.effect, found.result.p_value
    moved = f"like {share(e.share)} foreign rows ({share(e.low)} to {share(e.high)}) by {e.by}"
    if p > found.panel.level:
        moved = f"at most like {share(e.high)} foreign rows"
    panel = f"p {chance(p) if p < TINY else f'= {chance(p)}'} at level {found.panel.level:g}, {moved}"
    if p <= found.panel.level and not found.result.drifted:
        panel += ", which is negligible"
    return f"drift ({', '.join(found.reasons)}): {panel}" if found.reasons else f"no drift: {panel}"


def chance(p: float) -> str:
    """A p-value as far as it can be believed."""
    return f"{p:.2g}" if p >= TINY else f"< {TINY:g}"


def share(x: float) -> str:
    """A share, with more digits where it is small."""
    return f"{x:.1%}" if 0 < x < 0.1 else f"{x:.0%}"


def grids(found: Comparison) -> tuple[Grid, ...]:
    """All tables, the most important first."""
    return _files(found), _statistics(found), _moved(found), _detectors(found), _shape(found)


def _files(found: Comparison) -> Grid:
    rows = (("reference", found.reference), ("current", found.current))
    cells = tuple((name, str(s.path), f"{s.rows}", f"{s.copies}", f"{s.received}", rejected(s)) for name, s in rows)
    return Grid("Files", ("", "file", "compared", "copies", "received", "cannot be used"), cells, frozenset())


def rejected(side: Side) -> str:
    """How many rows cannot be used, and why."""
    return ", ".join(f"{count} {reason}" for reason, count in side.rejected.items()) or "0"


def _statistics(found: Comparison) -> Grid:
    level, named = found.panel.level, sorted(found.result.statistics.items(), key=lambda one: one[1].p_value)
    rows = tuple((name, number(one.value), chance(one.p_value)) for name, one in named)
    bad = frozenset(i for i, (_, one) in enumerate(named) if found.result.drifted and one.p_value <= level)
    joint = f"Their joint p is {chance(found.result.p_value)}: it, and not the smallest of them, is held to {level:g}."
    note = f"{joint} Measured on {found.panel.window_size} current rows. "
    note += "Foreign rows are as far out as another model's: a share of them is an equivalent, not a count of bad rows."
    if found.panel.warning:
        note += f" The level is half of --alpha: {found.panel.warning}."
    return Grid("Panel", ("statistic", "value", "its own p"), rows, bad, note)


def _moved(found: Comparison) -> Grid:
    """The clusters and segments that contribute most, with their most telling rows."""
    a, rows = found.result.attribution, moved_rows(found)
    first: dict[str, list[str]] = {}
    for id_, _, cluster in rows:
        first.setdefault(cluster, []).append(id_)
    groups = [(f"{found.request.segment}={part.name}", part, "") for part in a.segments]
    groups += [(f"cluster {part.name}", part, ", ".join(first.get(part.name, [])[:3])) for part in a.clusters]
    groups.sort(key=lambda one: -abs(one[1].contribution))
    cells = tuple(
        (
            name,
            share(part.reference or 0),
            share(part.window),
            f"{part.contribution:+.2g}",
            f"{part.mix or 0:+.2g}",
            ids,
        )
        for name, part, ids in groups[:MOST_GROUPS]
    )
    usual = f" less {number(a.usual)}, which is usual" if a.usual else ""
    note = (
        f"What each group of rows adds to {a.by}{usual}: all clusters together give it, and so do all segments. Of it, "
        "`mix` is due to the group's share, the rest to what is in it. Rows: those that stand out most."
    )
    if (more := len(groups) - MOST_GROUPS) > 0:
        note += f" {more} more groups, which add less, are in --json."
    if (p := found.result.statistics[a.by].p_value) > found.panel.level:
        note += f" Its own p is {chance(p)}: these parts may be chance, and what other statistics found lies elsewhere."
    heads = ("group", "reference", "current", "adds", "mix", "rows")
    return Grid("What moved", heads, cells, frozenset(), note)


def _detectors(found: Comparison) -> Grid:
    measured = [(one, one.measured) for one in found.findings if isinstance(one.measured, Measurement)]
    gaps = [(one, one.measured) for one in found.findings if isinstance(one.measured, Gap)]
    rows = tuple(_row(*pair) for pair in measured)
    bad = frozenset(i for i, (one, _) in enumerate(measured) if one.outcome is Outcome.BAD)
    note = "One bad objective may be chance: the panel, the shape, and objectives in brackets [ ] decide. "
    note += "`joint` is the panel as the service asks it, of fewer rows, so that its p is another."
    note += "".join(f"\nNot measured, {one.detector.name}: {detail(found, gap)}." for one, gap in gaps)
    return Grid("Detectors", ("detector", "value", "p", "healthy", "verdict"), rows, bad, note)


def _row(one: Finding, m: Measurement) -> tuple[str, ...]:
    band = "" if m.band_low is None or m.band_high is None else f"{number(m.band_low)} to {number(m.band_high)}"
    if one.objective is None or one.outcome is None:
        said = "no objective"
    else:
        name = f"[{one.objective.name}]" if one.decides else one.objective.name
        said = f"{one.outcome}: {name} wants {one.objective.sli}"
    return one.detector.name, number(m.value), "" if m.p_value is None else chance(m.p_value), band, said


def _shape(found: Comparison) -> Grid:
    named = shape_figures(found)
    rows = tuple((name, number(of.value), number(of.expected), f"{of.z:+.1f}") for name, of in named)
    bad = frozenset(i for i, (_, of) in enumerate(named) if abs(of.z) > BEYOND)
    note = (
        "z counts standard deviations of windows of the reference, fewer where these are skewed or few rows are behind "
        f"it; {BEYOND:g} and more are named."
    )
    return Grid(f"Shape: {found.shape.verdict}", ("figure", "current", "reference", "z"), rows, bad, note)


def shape_figures(found: Comparison) -> list[tuple[str, Compared]]:
    """The figures of the shape with their names."""
    figures = ((f.name.replace("_", " "), getattr(found.shape, f.name)) for f in fields(found.shape))
    return [(name, of) for name, of in figures if isinstance(of, Compared)]


def number(x: float) -> str:
    """Three digits."""
    return f"{x:.3g}"


def as_text(found: Comparison) -> RenderableType:
    """The verdict, then the tables."""
    lines: list[RenderableType] = [Text(verdict(found), style="bold red" if found.reasons else "bold green")]
    lines += [Text(text, style="yellow") for text in (found.warning,) if text]
    lines += [Text(text) for text in advice(found)]
    return Group(*lines, *(part for grid in grids(found) for part in ("", _table(grid), Text(grid.note, style="dim"))))


def advice(found: Comparison) -> Iterator[str]:
    """What each bad objective means, once."""
    bad = [(f.objective.name, f.detector) for f in found.findings if f.objective and f.outcome is Outcome.BAD]
    if found.reasons:
        yield from (f"{name}: {detector.meaning}." for name, detector in dict(bad).items())


def _table(grid: Grid) -> Table:
    table = Table(title=grid.title, title_justify="left")
    for head in grid.heads:
        right = head in RIGHT
        table.add_column(head, justify="right" if right else "left", overflow="fold")
    for i, row in enumerate(grid.rows):
        table.add_row(*map(Text, row), style="red" if i in grid.bad else "")
    return table
