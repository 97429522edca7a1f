"""Alerts in HTML: what fires now and what to do about it, what fired before, and who was told. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final

from dashboard import markup, said, words
from dashboard.burning import burning
from dashboard.series import around, moment
from dashboard.standing import ORDER, Line, Standing, standing_of
from drift.alert import AlertKind, AlertState
from drift.store import outgoing
from drift.store.outgoing import MessageRow, Told
from drift.store.reads import AlertRow, DeliveryRow

HEADS: Final = ("State", "Stream", "What", "When", "How long", "Told")
MESSAGE_HEADS: Final = ("State", "Receiver", "About", "Happened", "Attempts", "Answer")
RETRAIN: Final = "retrain"
TOLD_AFTER: Final = (
    '<p class="soft">How long telling took is counted from what is told: of an alert the end of its window, so that '
    "waiting for late rows and measuring are part of it.</p>"
)
BURNS: Final = frozenset({AlertKind.PAGE, AlertKind.TICKET})


def planned(line: Line, now: datetime, *, can_act: bool) -> str:
    """That maintenance is on, what for, what that means, and how to end it for who can; "" where none is."""
    if (window := line.maintenance) is None:
        return ""
    pairs = [
        ("Why", escape(f"{window.reason} ({window.owner})")),
        ("Covers", escape(str(window.covers))),
        ("Planned by", escape(f"{window.created_by}, {words.clock(window.created_at, now)}")),
        ("Meanwhile", "windows are measured, none counts, no alert begins, and Alertmanagers are silent"),
        ("End it", f"<code>drift maintenance cancel {escape(window.id)}</code>" if can_act else ""),
    ]
    title = f'<p class="summary">Maintenance: {escape(markup.suppressed_text(line, now))}</p>'
    return f'<section class="callout maintenance">{title}{markup.facts(pairs)}</section>'


def callout(line: Line, row: AlertRow, peers: Sequence[Line], now: datetime) -> str:
    """One open alert: what it says, since when, how sure, and what to do next."""
    notes = row.annotations
    standing = standing_of(row)
    runbook = notes.get("runbook_url") or line.runbook_url
    pairs = [
        ("Since", escape(_since(row, now))),
        ("Acknowledged", escape(said.taken(row))),
        ("Now", escape(_now(line))),
        ("Cause", escape(notes.get("diagnosis", ""))),
        ("How sure", escape(_agreement(peers))),
        ("Budget", escape(_budget(line))),
        ("Next", escape(notes.get("next_step", ""))),
        ("Runbook", markup.outside(runbook, runbook) if runbook else "none is configured for this stream"),
    ]
    summary = notes.get("summary") or f"{line.row.stream.key}: {line.name}"
    told = f'<p class="soft">As told: {escape(notes["description"])}</p>' if notes.get("description") else ""
    return (
        f'<section class="callout {markup.slug(standing)}">{state(row)} <b>{escape(line.name)}</b>'
        f'<p class="summary">{link(row, summary)}</p>{markup.facts(pairs)}{told}</section>'
    )


def brief(line: Line, row: AlertRow, now: datetime) -> str:
    """One open alert in a line, with a link to the whole of it."""
    key = line.row.stream.key
    text = f"{_since(row, now)}; {_now(line)}"
    name = markup.link("stream", line.name, stream=key, slo=line.name)
    return f'<p class="brief">{state(row)} <b>{name}</b> {escape(text)}</p>'


def calm(lines: Sequence[Line]) -> str:
    """What is said where no alert is open."""
    standing = min((line.standing for line in lines), key=ORDER.__getitem__)
    named = ", ".join(line.name for line in lines if line.standing is standing)
    text = {
        Standing.BURNING: f"the newest window of {named} is bad; no alert yet",
        Standing.NO_DATA: f"no window in time for {named}",
        Standing.TOO_LITTLE: f"the newest window of {named} had too little to be judged",
    }.get(standing, "nothing is firing on this stream" if standing is Standing.OK else "not configured any more")
    return f'<section class="callout {markup.slug(standing)}">{markup.chip(standing, text)}</section>'


def table(rows: Iterable[AlertRow], messages: Told, now: datetime) -> str:
    """Episodes, one a row."""
    shown = ((style(row), cells(row, messages.get(row.alert.id, ()), now)) for row in rows)
    return markup.table("Episodes of alerts", HEADS, shown)


def message_table(rows: Iterable[MessageRow], now: datetime) -> str:
    """Messages, one a row."""
    cells = ((_trouble(row.delivery, now), _message(row, now)) for row in rows)
    return markup.table("Messages", MESSAGE_HEADS, cells) + TOLD_AFTER


def state(row: AlertRow) -> str:
    """What an alert is and how it stands, as a mark with words."""
    kind = words.KINDS[row.alert.kind] + (" (replayed)" if row.muted else "")
    if row.alert.is_over:
        return f'<span class="chip resolved">✓ resolved {escape(kind)}</span>'
    return markup.chip(standing_of(row), f"{kind}, {row.alert.state.value}")


def link(row: AlertRow, text: str) -> str:
    """A link to the page of this episode, as its alert has it."""
    alert = row.alert
    since = alert.started_at.isoformat()
    return markup.link("incident", text, stream=alert.stream, slo=alert.slo, kind=alert.kind, since=since)


def first_sign(row: AlertRow) -> datetime:
    """Where a budget burns, its first bad window, as people were told; else when the alert began. How long an incident
    takes is counted from here, on every page."""
    try:
        said = moment(row.annotations["since"]) if row.alert.kind in BURNS else None
    except (KeyError, ValueError):
        said = None
    return said or row.alert.started_at


def bad_since(rows: Iterable[AlertRow], now: datetime) -> str:
    """Since when windows were bad, as those of `rows` say where a budget burns."""
    signs = [first_sign(row) for row in rows if row.alert.kind in BURNS]
    return f"bad since {words.clock(min(signs), now)}" if signs else ""


def style(row: AlertRow) -> str:
    """How its line looks."""
    return "resolved" if row.alert.is_over else markup.slug(standing_of(row))


def cells(row: AlertRow, messages: Sequence[MessageRow], now: datetime) -> tuple[str, ...]:
    """One episode, with the `messages` that told of it."""
    alert = row.alert
    began, ended = alert.began, alert.resolved_at
    span = around(began, ended or now)
    query = {"stream": alert.stream, "slo": alert.slo}
    past = {"from": span.start.isoformat(), "to": span.end.isoformat()} if ended else {}
    return (
        state(row) + "".join(map(markup.small, said.lines(row))),
        f'<span class="name">{markup.link("stream", alert.stream, **query, **past)}</span>' + markup.small(alert.slo),
        link(row, row.annotations.get("summary") or f"{words.KINDS[alert.kind]} of {alert.slo}")
        + markup.small(why(row)),
        escape(words.clock(began, now))
        + markup.small(f"to{words.FIXED}{words.clock(ended, now)}" if ended else "")
        + markup.small(bad_since([row], now)),
        escape(words.length((ended or now) - first_sign(row))) + markup.small("" if ended else "so far"),
        told(messages, now),
    )


def why(row: AlertRow) -> str:
    """By which rule and number."""
    notes, last = row.annotations, " at its end" if row.alert.resolved_at else ""
    measured = (
        f"measured {notes['value']}{last}, good is {notes['threshold']}" if {"value", "threshold"} <= set(notes) else ""
    )
    return "; ".join(part for part in (said.fired_by(row), measured) if part)


def told(messages: Sequence[MessageRow], now: datetime) -> str:
    """Who was told, and how that went."""
    if not messages:
        return '<span class="soft">nobody</span>'
    sent = [message.delivery for message in messages]
    told = Counter((one.receiver, _how(one), "off" if outgoing.is_late(one, now) else "") for one in sent)
    return "".join(
        f'<div class="{style}">{escape(f"{receiver}: {how}" + (f", {count} messages" if count > 1 else ""))}</div>'
        for (receiver, how, style), count in told.items()
    )


def _how(sent: DeliveryRow) -> str:
    if sent.state == "sent" and sent.sent_at is not None:
        after = words.length(sent.sent_at - sent.created_at)
        return f"told after {after}" + (f", {sent.attempts} attempts" if sent.attempts > 1 else "")
    if sent.state == "muted":
        return "not sent (replayed history)"
    tries = words.several(sent.attempts, "attempt")
    return f"given up after {tries}" if sent.state == "dead" else f"waiting, {tries} so far"


def _trouble(sent: DeliveryRow, now: datetime) -> str:
    late = outgoing.is_late(sent, now)
    return {"dead": "page", "due": "ticket" if late else "pending"}.get(sent.state, "resolved")


def _message(row: MessageRow, now: datetime) -> tuple[str, ...]:
    sent = row.delivery
    states = {
        "dead": markup.chip(Standing.PAGE, "given up"),
        "due": markup.chip(Standing.TICKET if outgoing.is_late(sent, now) else Standing.PENDING, "waiting"),
        "sent": markup.chip(Standing.OK, "sent"),
    }
    about = markup.link("stream", row.stream, stream=row.stream, slo=row.slo) if row.stream else "-"
    again = f"next {words.clock(sent.due_at, now)}" if sent.state == "due" else ""
    answer = "" if sent.status is None else f"HTTP {sent.status}"
    return (
        states.get(sent.state, f'<span class="chip resolved">{escape(sent.state)}</span>'),
        escape(sent.receiver) + markup.small(sent.kind),
        f"{about}{markup.small(row.slo)}",
        escape(words.clock(sent.created_at, now)) + markup.small(f"{words.length(now - sent.created_at)} ago"),
        f"{sent.attempts}{markup.small(again)}",
        escape(answer or ("-" if not sent.error else "")) + markup.small(sent.error),
    )


def _since(row: AlertRow, now: datetime) -> str:
    alert, began = row.alert, row.alert.began
    since = f"since {words.clock(began, now)} ({words.length(now - began)})"
    if alert.kind not in BURNS:
        return f"{alert.state.value} {since}"
    verb = "firing" if alert.state is AlertState.FIRING else "burning too fast"
    return f"{verb} {since}, {bad_since([row], now)}"


def _now(line: Line) -> str:
    if line.number is None or line.newest is None or line.slo is None:
        return "no measurement"
    stale = f", {words.length(line.age)} ago: no window has come since" if line.late and line.age else ""
    spread = ""
    if line.newest.low is not None and line.newest.high is not None:
        spread = f" (value {words.number(line.newest.value)}, 95 % interval {words.number(line.newest.low)} to "
        spread += f"{words.number(line.newest.high)})"
    verdict = "bad" if line.bad else "good again"
    number = words.number(line.number)
    return f"{number}{spread}, {verdict}: good is {words.good(line.slo.sli)}; {line.newest.rows} rows{stale}"


def _agreement(peers: Sequence[Line]) -> str:
    """Which objectives of the stream see it in the newest window: several that look at different things seldom err."""
    known = [line for line in peers if line.number is not None]
    bad, fine = [line.name for line in known if line.bad], [line.name for line in known if not line.bad]
    if not known:
        return ""
    told = f"{len(bad)} of {words.several(len(known), 'objective')} bad in the newest window"
    return told + (f": {', '.join(bad)}" if bad else "") + (f"; good: {', '.join(fine)}" if fine else "")


def _budget(line: Line) -> str:
    if line.budget is None:
        return ""
    lasts = line.budget.exhausts_in
    more = f", lasts {words.length(lasts)} at this burn" if lasts and lasts < timedelta(days=365) else ""
    left = f"{words.share(line.budget.remaining)} left{more}"
    if (burns := burning(line)) is None:
        return left
    each = f"{words.times(burns.long)} over the long and {words.times(burns.short)} over the short look-back"
    return f"{left}; burns {each}, {burns.says}"
