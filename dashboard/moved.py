"""What moved in a window: clusters, segments and rows by how much of the change they make up. Pure HTML."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Final

from dashboard import markup, words
from drift.records import KeptAttribution, Measurement, Part

PART_HEADS: Final = ("Share in the reference", "In the window", "Of the change", "By its share", "By its rows")
ROWS: Final = "Rows that stand out most"
MOST: Final = 8
LONGEST, BRIEF = 400, 90  # characters of an input that are shown in full, and to say what a cluster is like
NO_INPUTS: Final[Mapping[int, str]] = MappingProxyType({})
NONE: Final[Mapping[str, str]] = MappingProxyType({})
SEEN: Final = 0.05
KINDS: Final = {
    "mmd_wide": "squared MMD",
    "mahalanobis_mean": "mean Mahalanobis score",
    "mahalanobis_sd": "spread of Mahalanobis scores",
    "novelty": "share of novel rows",
}


def seen(measured: Measurement | None) -> KeptAttribution | None:
    """Where the change comes from; None where that is not known, or may be chance."""
    kept = measured.attribution if measured else None
    return kept if kept and kept.total and kept.p_value <= SEEN else None


def section(measured: Measurement, inputs: Mapping[int, str] = NO_INPUTS) -> str:
    """Where the change in the window of `measured` comes from; "" where that is not known.

    `inputs` are those of rows that may be shown, by their places in the window.
    """
    if (kept := measured.attribution) is None:
        return ""
    at = f"{measured.span.start:%Y-%m-%d %H:%M:%S} UTC"
    title = f"<h3>What moved in the window of {escape(at)}</h3>"
    if seen(measured) is None:
        return f"{title}<p>{escape(_unseen(kept))}</p>"
    text = f"The newest window in this range that looks changed to {measured.detector}. {_said(kept)}"
    segments = part_table("Segment", kept.segments, kept.total) if kept.segments else ""
    clusters = part_table("Cluster", kept.clusters, kept.total, _examples(kept, inputs)) if kept.clusters else ""
    return f'{title}<p class="soft">{escape(text)}</p>{segments}{clusters}'


def part_table(
    name: str, parts: Sequence[Part], whole: float, examples: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Clusters or segments, one a row; `examples` say what those of a name are like."""
    rows = [("", _part(part, whole, examples.get(part.name, ""))) for part in parts[:MOST]]
    return markup.table(f"{name}: what moved", (name, *PART_HEADS), rows)


def rows(measured: Measurement, inputs: Mapping[int, str] = NO_INPUTS) -> str:
    """The rows that stand out most, by their ids, with those of their inputs that may be shown; "" for none."""
    if (kept := seen(measured)) is None or not kept.rows:
        return ""
    return markup.table(ROWS, _row_heads(kept, inputs), (("", cells) for cells in _rows(kept, inputs)))


def _row_heads(kept: KeptAttribution, inputs: Mapping[int, str]) -> tuple[str, ...]:
    return (
        "Row",
        "Of the change",
        *(["Cluster"] if kept.clusters else []),
        "Input" if inputs else "Place in the window",
    )


def _rows(kept: KeptAttribution, inputs: Mapping[int, str]) -> Iterator[tuple[str, ...]]:
    for row in kept.rows:
        said = inputs.get(row.position, "not kept")[:LONGEST]
        yield (
            escape(row.id) if row.id else f'<span class="soft">no id, place {row.position}</span>',
            escape(words.share(row.contribution / kept.total)),
            *([escape(row.cluster)] if kept.clusters else []),
            f'<span class="quote">{escape(said)}</span>' if inputs else f"{row.position}",
        )


def _examples(kept: KeptAttribution, inputs: Mapping[int, str]) -> dict[str, str]:
    """For each cluster, which has a number for a name, the row of it that stands out most."""
    found: dict[str, str] = {}
    for row in kept.rows:
        said = inputs.get(row.position, "")
        brief = said if len(said) <= BRIEF else f"{said[:BRIEF]}…"
        if example := ": ".join(part for part in (row.id or "", brief) if part):
            found.setdefault(row.cluster, f"such as {example}")
    return found


def _part(part: Part, whole: float, example: str) -> tuple[str, ...]:
    width = round(100 * min(max(part.contribution / whole, 0), 1), 1)
    bar = f'<div class="bar moved"><i style="width:{width}%"></i></div>{escape(_of(part.contribution, whole))}'
    return (
        f'<span class="name">{escape(part.name)}</span>{markup.small(example)}',
        escape("not known" if part.reference is None else words.share(part.reference)),
        escape(words.share(part.window)),
        bar,
        escape(_of(part.mix, whole)),
        escape(_of(part.within, whole)),
    )


def _of(number: float | None, whole: float) -> str:
    return "-" if number is None else words.share(number / whole)


def _said(kept: KeptAttribution) -> str:
    if not kept.p_value:
        return f"{words.share(kept.total)} of its rows that were encoded again are not what the encoder gives."
    return (
        f"{_moved(kept)} (p-value {words.number(kept.p_value)}); this is who makes it up. "
        "Without drift each part is 0 on average, and below 0 half of the time."
    )


def _moved(kept: KeptAttribution) -> str:
    kind, by = KINDS.get(kept.by, kept.by), words.number(abs(kept.total))
    if kept.by == "mmd_wide":
        return f"Its {kind} is {words.number(kept.total)}"
    return f"MMD does not see the change; its {kind} is {by} {'above' if kept.total > 0 else 'below'} what is usual"


def _unseen(kept: KeptAttribution) -> str:
    return (
        f"MMD does not see this change (its own p-value is {words.number(kept.p_value)}): it is one of shape or "
        "spread, and cannot be said to come from some clusters more than from others."
    )
