"""HTML that several pages share. Pure; whatever comes from outside is escaped here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final
from urllib.parse import quote, urlencode

from dashboard import said, words
from dashboard.burning import burning
from dashboard.spark import spark
from dashboard.standing import Line, Standing
from drift.slo import Outcome

MARKS: Final = {
    Standing.PAGE: "▲",
    Standing.TICKET: "◆",
    Standing.PENDING: "◔",
    Standing.BURNING: "◒",
    Standing.NO_DATA: "○",
    Standing.TOO_LITTLE: "◌",
    Standing.OK: "✓",
    Standing.RETIRED: "-",
}


def block(*parts: str) -> str:
    """`parts` in the style of the dashboard."""
    return f'<div class="drift">{"".join(parts)}</div>'


def chip(standing: Standing, text: str = "") -> str:
    """A standing as mark, word and colour."""
    return f'<span class="chip {slug(standing)}">{MARKS[standing]} {escape(text or standing)}</span>'


def slug(standing: Standing) -> str:
    """The name of a standing in style sheets."""
    return standing.replace(" ", "-")


def address(page: str, **query: str) -> str:
    """Where another page of the dashboard is."""
    return f"{page}?{urlencode(query, quote_via=quote)}"


def link(page: str, text: str, **query: str) -> str:
    """A link to another page of the dashboard."""
    return f'<a href="{escape(address(page, **query))}" target="_self">{escape(text)}</a>'


def outside(address: str, text: str) -> str:
    """A link to somewhere else, in a tab of its own; merely `text` where the address is not one of the web."""
    if not address.startswith(("http://", "https://")):
        return escape(text)
    return f'<a href="{escape(address)}" target="_blank" rel="noreferrer">{escape(text)}</a>'


def tiles(counts: Iterable[tuple[str, int, str]]) -> str:
    """Counts with their names; the third part is the style, "" for a quiet one."""
    return '<div class="tiles">{}</div>'.format(
        "".join(
            f'<div class="tile {style}"><b>{words.count(count)}</b>{escape(name)}</div>'
            for name, count, style in counts
        )
    )


def table(name: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Rows of a style and cells, the cells being HTML. On narrow screens each row becomes a card."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(
        f'<tr class="{style}">'
        + "".join(f'<td data-name="{escape(h)}"><div>{cell}</div></td>' for h, cell in zip(heads, cells, strict=True))
        + "</tr>"
        for style, cells in rows
    )
    return f'<table aria-label="{escape(name)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what they are, the latter being HTML; empty ones are left out."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{html}</dd>" for name, html in pairs if html) + "</dl>"


def small(text: str) -> str:
    """A second line."""
    return f"<small>{escape(text)}</small>" if text else ""


FLEET_HEADS: Final = ("State", "Stream", "Objective", "Measured", "Budget left", "Burn", "Last window")


def fleet_table(lines: Iterable[Line], now: datetime) -> str:
    """Objectives, one a row."""
    return table("Objectives by urgency", FLEET_HEADS, ((slug(line.standing), _cells(line, now)) for line in lines))


def _cells(line: Line, now: datetime) -> tuple[str, ...]:
    stream = line.row.stream
    version = f"{stream.model} {stream.version}".strip()
    deployed = f"{version} since {words.clock(line.row.since, now)}" if line.row.since else version
    about = " · ".join(part for part in (line.row.team, deployed) if part)
    return (
        chip(line.standing, state_text(line))
        + small(since_text(line, now))
        + "".join(small(text) for text in (said.lines(line.alerts[0]) if line.alerts else ()))
        + small(suppressed_text(line, now)),
        f'<span class="name">{link("stream", stream.key, stream=stream.key, slo=line.name)}</span>' + small(about),
        f'<span class="name">{escape(line.name)}</span>'
        + small(f"good: {words.good(line.slo.sli)}" if line.slo else Standing.RETIRED if line.is_retired else ""),
        number_cell(line) + spark(line),
        budget_cell(line),
        burn_cell(line),
        age_cell(line),
    )


def state_text(line: Line) -> str:
    """The standing, and what is open where that is not the same."""
    if line.standing is Standing.TICKET and line.alerts:
        kind = words.KINDS[line.alerts[0].alert.kind]
        return line.standing if kind == line.standing else f"{line.standing}: {kind}"
    return line.standing


def since_text(line: Line, now: datetime) -> str:
    """Since when an alert has been open, and whether windows have stopped to come."""
    since = f"since {words.clock(line.since, now)} ({words.length(now - line.since)})" if line.since else ""
    silent = f"no window for {words.length(line.age)}" if line.late and line.age else ""
    return ", ".join(part for part in (since, silent) if part)


def suppressed_text(line: Line, now: datetime) -> str:
    """The maintenance window that is on, and until when."""
    window = line.maintenance
    if window is None or (span := window.next(now)) is None:
        return ""
    return f"suppressed by {window.id} until {words.clock(span.end, now)}"


def number_cell(line: Line) -> str:
    """The judged number of the newest measurement, marked when it is bad."""
    if line.number is None or line.newest is None:
        unknown = "not judged yet" if line.slo and line.slo.sli.calibrated else "never measured"
        return f'<span class="soft">{unknown}</span>'
    text = _marked(words.number(line.number), "off" if line.bad else "")
    return text + small(f"{'bad' if line.bad else 'good'}, {line.newest.rows} rows")


def budget_cell(line: Line) -> str:
    """What is left of the budget, as a bar and in words."""
    if line.budget is None:
        return '<span class="soft">-</span>'
    left = line.budget.remaining
    style = "spent" if left <= 0 else "low" if left < 0.5 else ""
    lasts = line.budget.exhausts_in
    width = 100 if left <= 0 else round(100 * min(left, 1), 1)
    text = f"{words.share(left)} left" if left > 0 else f"overspent ({words.share(left)})"
    more = f"lasts {words.length(lasts)} at this burn" if lasts and left > 0 and lasts < timedelta(days=60) else ""
    return f'<div class="bar {style}"><i style="width:{width}%"></i></div>{escape(text)}{small(more)}'


def burn_cell(line: Line) -> str:
    """Both burns by the rule that fires or is nearest to it, and what that asks for."""
    if (burns := burning(line)) is None:
        return '<span class="soft">-</span>'
    if not burns.fires and not max(burns.long, burns.short):
        return '<span class="soft">not burning</span>'
    return escape(f"{words.times(burns.long)} long, {words.times(burns.short)} short") + small(burns.says)


def age_cell(line: Line) -> str:
    """How long ago the newest slot ended, what became of it, and how many windows wait."""
    if line.age is None or line.budget is None:
        waits = f"{words.several(line.behind, 'window')} behind" if line.behind else ""
        return '<span class="soft">nothing yet</span>' + small(waits)
    text = _marked(f"{words.length(line.age)} ago", "off" if line.late else "")
    notes = [f"window of {words.length(line.budget.span.length)}"]
    if not line.budget.outcome.is_verdict and line.budget.outcome is not Outcome.EXCLUDED:
        notes = [words.OUTCOMES[line.budget.outcome]]
    if line.behind:
        notes.append(f"{words.several(line.behind, 'window')} behind")
    return text + small(", ".join(notes))


def key(entries: Iterable[tuple[str, str, str]]) -> str:
    """What a chart's colours mean: text, colour, and the style of the sample."""
    samples = (
        f'<span><i class="{style}" style="color:{colour}"></i>{escape(text)}</span>' for text, colour, style in entries
    )
    return f'<p class="key">{"".join(samples)}</p>'


def fold(name: str, inner: str) -> str:
    """Something that opens with a click."""
    return f"<details><summary>{escape(name)}</summary>{inner}</details>"


def _marked(text: str, style: str) -> str:
    return f'<span class="{style}">{escape(text)}</span>'
