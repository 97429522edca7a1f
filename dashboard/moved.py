"""What moved in a window: clusters, segments and rows by how much of the change they make up. Pure HTML."""

from collections.abc import Sequence
from html import escape
from typing import Final

from dashboard import markup, words
from drift.records import KeptAttribution, Measurement, Part

PART_HEADS: Final = ("Share in the reference", "In the window", "Of the change", "By its share", "By its rows")
ROW_HEADS: Final = ("Row", "Of the change", "Cluster", "Place in the window")
MOST: Final = 8
SEEN: Final = 0.05
KINDS: Final = {
    "mmd_wide": "squared MMD",
    "mahalanobis_mean": "mean Mahalanobis score",
    "mahalanobis_sd": "spread of Mahalanobis scores",
    "novelty": "share of novel rows",
}


def section(measured: Measurement) -> str:
    """Where the change in the window of `measured` comes from; "" where that is not known."""
    kept = measured.attribution
    if kept is None:
        return ""
    at = f"{measured.span.start:%Y-%m-%d %H:%M:%S} UTC"
    title = f"<h3>What moved in the window of {escape(at)}</h3>"
    if not kept.total or kept.p_value > SEEN:
        return f"{title}<p>{escape(_unseen(kept))}</p>"
    text = (
        f"The newest window in this range that looks changed. {_moved(kept)} (p-value {words.number(kept.p_value)}); "
        "this is who makes it up. Without drift each part is 0 on average, and below 0 half of the time."
    )
    segments = [part_table("Segment", kept.segments, kept.total)] if kept.segments else []
    clusters = part_table("Cluster", kept.clusters, kept.total)
    rows = markup.fold(f"The {len(kept.rows)} rows that stand out most", row_table(kept))
    return "".join([title, f'<p class="soft">{escape(text)}</p>', *segments, clusters, rows])


def part_table(name: str, parts: Sequence[Part], whole: float) -> str:
    """Clusters or segments, one a row."""
    rows = [("", _part(part, whole)) for part in parts[:MOST]]
    return markup.table(f"{name}: what moved", (name, *PART_HEADS), rows)


def row_table(kept: KeptAttribution) -> str:
    """The rows that stand out most, by their ids."""
    rows = [
        (
            "",
            (
                escape(row.id) if row.id else '<span class="soft">no id</span>',
                escape(words.share(row.contribution / kept.total)),
                escape(row.cluster),
                f"{row.position}",
            ),
        )
        for row in kept.rows
    ]
    return markup.table("Rows that stand out most", ROW_HEADS, rows)


def _part(part: Part, whole: float) -> tuple[str, ...]:
    width = round(100 * min(max(part.contribution / whole, 0), 1), 1)
    bar = f'<div class="bar moved"><i style="width:{width}%"></i></div>{escape(_of(part.contribution, whole))}'
    return (
        f'<span class="name">{escape(part.name)}</span>',
        escape("not known" if part.reference is None else words.share(part.reference)),
        escape(words.share(part.window)),
        bar,
        escape(_of(part.mix, whole)),
        escape(_of(part.within, whole)),
    )


def _of(number: float | None, whole: float) -> str:
    return "-" if number is None else words.share(number / whole)


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
