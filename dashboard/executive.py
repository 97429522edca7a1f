"""The report on what was promised and kept, in HTML. Pure."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from dashboard import episodes, markup, quarters, together, words
from dashboard.attained import Attained
from dashboard.quarters import FalsePages, Quarter, Report, by_team, lasted, recovery, team_of
from drift.alert import AlertKind
from drift.store.reads import AlertRow

WORST: Final = 10
INCIDENTS: Final = 30
LEAST: Final = 0.0005  # less of what may be bad reads as 0 %
POLICY: Final = (
    "Policy: a team with budget left changes its models as it likes; one whose objective has spent its budget changes "
    "only what brings it back, until some is left again."
)

FALSE: Final = (
    '<p class="soft">False is what on-call marked: <code>drift alert mark-false ID</code>, each alert by itself. '
    "Expected is what tests promise by chance at most, over the time that each objective lived; those that state no "
    "<code>alpha</code> or have windows of seconds add nothing. <code>drift check</code> has those that err more than "
    "they promise.</p>"
)


def verdict(report: Report) -> str:
    """The first sentence."""
    now = report.quarters[0]
    met, every = sum(one.is_met for one in now.promised), len(now.promised)
    text = f"{now.name}: {words.count(met)} of {words.several(every, 'objective')} met so far"
    if now.attained and not every:
        text = f"{now.name}: how many objectives are met is not known"
    over = sum(map(len, (report.overspent or {}).values()))
    said = (
        f"{words.several(over, 'objective has', 'objectives have')} spent the budget of the last period."
        if over
        else ""
    )
    return f'<p class="verdict">{escape(text)}</p><p>{escape(said)} {escape(POLICY)}</p>'


def teams(report: Report) -> str:
    """Objectives met by each team, quarter by quarter, and how it stands now."""
    found = [by_team(quarter.attained) for quarter in report.quarters]
    known = [i for i, one in enumerate(found) if one]
    heads = ("Team", "Out of budget now", *(report.quarters[i].name for i in known))
    rows = (
        (
            "",
            (
                f'<span class="name">{escape(team)}</span>',
                _over(report, team),
                *(_kept(found[i].get(team, ())) for i in known),
            ),
        )
        for team in sorted({team for one in found for team in one})
    )
    return markup.table("Objectives met by team and quarter", heads, rows)


def recoveries(report: Report) -> str:
    """Incidents of each team, quarter by quarter, and how long they took."""
    names = sorted({team_of(group[0]) for quarter in report.quarters for group in quarter.told})
    if not names:
        return '<p class="soft">No page and no ticket in these quarters.</p>'
    known = [quarter for quarter in report.quarters if quarter.attained or quarter.told]
    heads = ("Team", *(quarter.name for quarter in known))
    rows = (
        (
            "",
            (
                f'<span class="name">{escape(team)}</span>',
                *(_told([group for group in quarter.told if team_of(group[0]) == team]) for quarter in known),
            ),
        )
        for team in names
    )
    cut = f"Only the newest {words.count(quarters.ALERTS)} alerts are counted; there are more in these quarters."
    note = "" if report.is_whole else f'<p class="soft">{escape(cut)}</p>'
    return markup.table("Incidents by team and quarter", heads, rows) + note


def falsely(report: Report) -> str:
    """Pages that on-call marked as false, of how many, by team and quarter, beside what chance may raise."""
    found = [quarters.false_pages(quarter) for quarter in report.quarters]
    known = [i for i, one in enumerate(found) if one]
    teams = sorted({team for one in found for team in one})
    heads = ("Team", *(report.quarters[i].name for i in known))
    rows = (
        ("", (f'<span class="name">{escape(team)}</span>', *(_false(found[i].get(team)) for i in known)))
        for team in teams
    )
    return markup.table("False pages by team and quarter", heads, rows) + FALSE


def worst(quarter: Quarter) -> str:
    """The objectives that were not met, or have spent most."""
    if quarter.attained and not quarter.promised:
        return '<p class="soft">What the objectives promise is not known.</p>'
    spent = sorted((one for one in quarter.promised if one.spent >= LEAST), key=lambda one: -one.spent)[:WORST]
    if not spent:
        return '<p class="soft">No objective has spent any of its budget to speak of in this quarter.</p>'
    heads = ("Stream", "Objective", "Attained", "Promised", "Of what may be bad")
    return markup.table("Objectives that spent most", heads, _spent(spent))


def latest(report: Report) -> str:
    """The newest incidents of this quarter, with how long each took; replayed ones are marked."""
    found = report.quarters[0].incidents
    if not found:
        return '<p class="soft">None in this quarter.</p>'
    heads = ("Alerts", "Stream", "Team", "Began", "Time to recover")
    more = f'<p class="soft">The newest {INCIDENTS} of {words.count(len(found))}.</p>' if len(found) > INCIDENTS else ""
    return markup.table("Incidents", heads, _latest(found[:INCIDENTS])) + more


def _latest(found: Sequence[Sequence[AlertRow]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for group in found:
        first, took = group[0], lasted(group)
        named = ", ".join(episodes.link(row, row.alert.slo) for row in group)
        yield (
            "",
            (
                f'{episodes.state(first)} <span class="name">{named}</span>',
                f'<span class="far">{escape(first.alert.stream)}</span>',
                escape(team_of(first)),
                f"{together.began(group):%Y-%m-%d %H:%M} UTC",  # on paper the day is not known otherwise
                escape("still open" if took is None else words.length(took)),
            ),
        )


def _spent(spent: Sequence[Attained]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for one in spent:
        style = "spent" if not one.is_met else "low" if one.spent > 0.5 else ""  # as Fleet has it
        bar = f'<div class="bar {style}"><i style="width:{min(100.0, 100 * one.spent):.1f}%"></i></div>'
        yield (
            "",
            (
                f'<span class="name">{markup.link("stream", one.stream, stream=one.stream, slo=one.slo)}</span>'
                + markup.small(one.team),
                escape(one.slo),
                escape(words.share(one.share)) + markup.small(_verdict_of(one)),
                escape(words.share(one.target or 0.0)),
                bar + escape(words.share(one.spent)),
            ),
        )


def _verdict_of(one: Attained) -> str:
    """In words, since what was attained and what was promised may be rounded to the same; and of how long it is."""
    return f"{'met' if one.is_met else 'not met'}, over {words.length(one.lived)}"


def _kept(found: Sequence[Attained]) -> str:
    """How many were met, and the one that is furthest off."""
    if not found:
        return '<span class="soft">-</span>'
    promised = [one for one in found if one.target is not None]
    if not promised:
        return '<span class="soft">not known</span>'
    met = sum(one.is_met for one in promised)
    text = f"{words.count(met)} of {words.count(len(promised))} met"
    if met == len(promised):
        return f"✓ {escape(text)}"
    first = promised[0]
    return f'<span class="off">{escape(text)}</span>' + markup.small(
        f"{first.stream}: {first.slo} {words.share(first.share)}"
    )


def _told(found: Sequence[Sequence[AlertRow]]) -> str:
    if not found:
        return '<span class="soft">none</span>'
    paged = sum(any(row.alert.kind is AlertKind.PAGE for row in group) for group in found)
    still = sum(not group[0].alert.is_over for group in found)
    text = f"{words.several(len(found), 'incident')}, {words.count(paged)} paged"
    text += f", {words.count(still)} still open" if still else ""
    took, half = recovery(found), "half of the others" if still else "half"
    return escape(text) + markup.small(
        f"{half} recovered within {words.length(took)}" if took is not None else "none over yet"
    )


def _false(found: FalsePages | None) -> str:
    if found is None:
        return '<span class="soft">-</span>'
    most = "under 0.01" if found.expected < 0.01 else f"at most {words.number(found.expected)}"
    expected = markup.small(f"{most} expected by chance")
    if not found.pages:
        return '<span class="soft">no page</span>' + expected
    share = words.share(found.false / found.pages)
    text = f"{words.count(found.false)} of {words.several(found.pages, 'page')} false, {share}"
    style = "off" if found.false > found.expected + 1 else ""
    return f'<span class="{style}">{escape(text)}</span>' + expected


def _over(report: Report, team: str) -> str:
    if report.overspent is None:
        return '<span class="soft">not known</span>'
    count = len(report.overspent.get(team, ()))
    return (
        f'<span class="off">{words.several(count, "objective")}</span>' if count else '<span class="soft">none</span>'
    )
