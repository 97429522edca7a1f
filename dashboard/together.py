"""Alerts of one stream that were open at one time, as one line: what people call an incident. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape

from dashboard import episodes, markup, said, words
from dashboard.series import around
from drift.alert import AlertKind
from drift.store.outgoing import Told
from drift.store.reads import AlertRow

ORDER = tuple(AlertKind)


def groups(rows: Iterable[AlertRow], now: datetime) -> list[list[AlertRow]]:
    """`rows` by stream and time, those that began last first; in each, what is open first, then pages before tickets.

    So a group is open while any of it is, as its first alert says.
    """
    found: list[list[AlertRow]] = []
    newest: dict[str, list[AlertRow]] = {}
    for row in sorted(rows, key=lambda row: row.alert.began):
        group = newest.get(row.alert.stream, [])
        if group and row.alert.began < _reach(group, now):
            group.append(row)
        else:
            newest[row.alert.stream] = [row]
            found.append(newest[row.alert.stream])
    ordered = sorted(found, key=lambda group: group[-1].alert.began, reverse=True)
    return [sorted(group, key=lambda row: (row.alert.is_over, ORDER.index(row.alert.kind))) for group in ordered]


def _reach(group: Sequence[AlertRow], now: datetime) -> datetime:
    """Until when what begins belongs to `group`: while a page of it is open, or, where it has none, all of it is.

    By mere chains of overlaps, a ticket that burns for weeks would make one of all that happened meanwhile.
    """
    pages = [_ended(row, now) for row in group if row.alert.kind is AlertKind.PAGE]
    return max(pages) if pages else min(_ended(row, now) for row in group)


def began(group: Sequence[AlertRow]) -> datetime:
    """Since when people know of the first of it."""
    return min(row.alert.began for row in group)


def first_sign(group: Sequence[AlertRow]) -> datetime:
    """Since when any of it was bad."""
    return min(map(episodes.first_sign, group))


def table(found: Iterable[Sequence[AlertRow]], messages: Told, now: datetime) -> str:
    """Groups, one a row."""
    cells = ((episodes.style(group[0]), _line(group, messages, now)) for group in found)
    return markup.table("Episodes of alerts", episodes.HEADS, cells)


def _line(group: Sequence[AlertRow], messages: Told, now: datetime) -> tuple[str, ...]:
    first, *others = group
    if not others:
        return episodes.cells(first, messages.get(first.alert.id, ()), now)
    first_at, ended = began(group), max(_ended(row, now) for row in group)
    told = [message for row in group for message in messages.get(row.alert.id, ())]
    span, named = around(first_at, ended), {"stream": first.alert.stream}
    past = {"from": span.start.isoformat(), "to": span.end.isoformat()} if first.alert.is_over else {}
    until = markup.small(f"to{words.FIXED}{words.clock(ended, now)}") if first.alert.is_over else ""
    return (
        episodes.state(first) + markup.small(f"and {words.several(len(others), 'other alert')}"),
        f'<span class="name">{markup.link("stream", first.alert.stream, **named, **past)}</span>',
        "".join(_inside(group, now)),
        escape(words.clock(first_at, now)) + until + markup.small(episodes.bad_since(group, now)),
        escape(words.length(ended - first_sign(group))) + markup.small("" if first.alert.is_over else "so far"),
        episodes.told(told, now),
    )


def _inside(group: Sequence[AlertRow], now: datetime) -> Iterator[str]:
    for row in group:
        kind, first_at = words.KINDS[row.alert.kind], row.alert.began
        when = f"{kind}, {words.clock(first_at, now)}, {words.length(_ended(row, now) - episodes.first_sign(row))}"
        more = "; ".join(part for part in (when, episodes.why(row), *said.lines(row)) if part)
        yield f"<div>{episodes.link(row, row.alert.slo)}{markup.small(more)}</div>"


def _ended(row: AlertRow, now: datetime) -> datetime:
    return row.alert.resolved_at or now
