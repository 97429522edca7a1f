"""The clusters of a picture as a table, which tells those who cannot see it of the same. Pure HTML."""

from collections.abc import Sequence
from html import escape
from typing import Final

from dashboard import markup, words
from dashboard.clusters import Cluster

HEADS: Final = ("Cluster", "Of the reference", "Of the windows", "Most typical rows")
LONGEST: Final = 80


def table(clusters: Sequence[Cluster]) -> str:
    """One row for each cluster; "" where there are none."""
    return markup.table("Clusters", HEADS, [("", _cells(each)) for each in clusters]) if clusters else ""


def _cells(cluster: Cluster) -> tuple[str, ...]:
    mark = markup.small("new: unlike any row of the reference") if cluster.is_new else ""
    name = f'<span class="name">{escape(cluster.name)}</span>{mark}'
    rows = (
        "<br>".join(escape(words.cut(text, LONGEST)) for text in cluster.typical)
        or '<span class="soft">rows without ids</span>'
    )
    return name, escape(words.share(cluster.reference)), escape(words.share(cluster.window)), rows
