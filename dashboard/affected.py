"""Whom an incident affects: tenants, segments, clusters, and what else was open meanwhile. Pure."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from dashboard import episodes, markup, moved, words
from dashboard.incident import Incident
from drift.records import TENANT, KeptAttribution, Part

FIRST: Final = 3  # clusters and segments that are named in a line
LEAST: Final = 0.05  # of the change, below which a part of it may be chance


def section(incident: Incident) -> str:
    """Whom it affects, and alerts of the same model or cause meanwhile."""
    known = markup.facts((name, escape(text)) for name, text in facts(incident))
    if not incident.others:
        return f'{known}<p class="soft">No other alert of this model or cause was open meanwhile.</p>'
    return known + markup.table("Other alerts meanwhile", ("Alert", "Objective", "When"), _others(incident))


def facts(incident: Incident) -> Iterator[tuple[str, str]]:
    """Tenants, and the segments and clusters that make up most of the change; nothing of what is not known."""
    yield "Tenants", ", ".join(tenants(incident))
    if (kept := moved.seen(incident.moved)) is not None:
        yield "Segments", _most(kept.segments, kept)
        yield "Clusters", _most(kept.clusters, kept)


def tenants(incident: Incident) -> list[str]:
    """Those whose traffic has an alert of this fault, and those whose rows make up a part of the change."""
    found = {row.labels.get(TENANT, "") for row in (incident.row, *incident.others)}
    if (kept := moved.seen(incident.moved)) is not None:
        found |= {_tenant(part.name) for part in kept.segments if part.contribution / kept.total >= LEAST}
    return sorted(found - {""})


def _tenant(segment: str) -> str:
    """The tenant of a segment like `lang=de, tenant=acme`."""
    columns = (column.partition("=") for column in segment.split(", "))
    return next((value for name, _, value in columns if name == TENANT and value != "-"), "")


def _most(parts: Sequence[Part], kept: KeptAttribution) -> str:
    shares = ((part.name, part.contribution / kept.total) for part in parts[:FIRST])
    named = [f"{name} ({words.share(share)} of the change)" for name, share in shares if share >= LEAST]
    return ", ".join(named)


def _others(incident: Incident) -> Iterator[tuple[str, tuple[str, ...]]]:
    for row in incident.others:
        alert = row.alert
        began = episodes.first_sign(row)
        lasted = words.length((alert.resolved_at or incident.at) - began)
        yield (
            "",
            (
                episodes.state(row),
                f'<span class="name">{episodes.link(row, alert.slo)}</span>{markup.small(alert.stream)}',
                escape(words.clock(began, incident.at)) + markup.small(f"for {lasted}"),
            ),
        )
