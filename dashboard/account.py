"""The account of one incident in HTML: what fired, its steps in time, which rows, what to run next. Pure."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from shlex import quote
from typing import Final

from dashboard import changes, episodes, markup, moved, said, words
from dashboard.changes import Step
from dashboard.episodes import BURNS
from dashboard.incident import Incident, to_recover
from dashboard.standing import standing_of
from drift.alert import AlertState
from drift.records import parse_name
from drift.runbook import beside

STYLES: Final = {"First bad window": "bad", "Fired": "bad", "Recovered": "good", "Rolled back": "good"}


def head(incident: Incident) -> str:
    """What fired, and how it stands."""
    row, now = incident.row, incident.at
    alert, notes = row.alert, row.annotations
    style = markup.slug(standing_of(row)) if incident.is_open else "ok"
    if incident.is_open:
        when = f"for {words.length(to_recover(incident))}, since {words.clock(incident.bad_since, now)}"
    else:
        when = f"lasted {words.length(to_recover(incident))}, from {words.clock(incident.bad_since, now)}"
    pairs = [
        ("Since" if incident.is_open else "When", escape(when)),
        ("Measured", escape(_measured(incident))),
        ("Acknowledged", escape(said.taken(row))),
        ("False page", escape(f"says {row.false_by}") if row.false_by else ""),
        ("Cause", escape(notes.get("diagnosis", ""))),
        # At its end it is of a good window.
        ("Moved most", escape(notes.get("moved_most", "")) if incident.is_open else ""),
        ("Next", escape(notes.get("next_step", "")) if incident.is_open else ""),
        ("Runbook", markup.outside(notes["runbook_url"], notes["runbook_url"]) if notes.get("runbook_url") else ""),
        ("Stream", markup.link("stream", alert.stream, stream=alert.stream, slo=alert.slo)),
        ("Team", escape(row.labels.get("team", ""))),
    ]
    summary = notes.get("summary") or f"{alert.stream}: {alert.slo}"
    return (
        f'<section class="callout {style}">{episodes.state(row)} <b>{escape(alert.slo)}</b>'
        f'<p class="summary">{escape(summary)}</p>{markup.facts(pairs)}</section>'
    )


def timeline(incident: Incident, steps: Sequence[Step]) -> str:
    """The steps, each with the time since the first bad window."""
    items = "".join(_item(incident, step) for step in steps)
    return f'<h3>What happened when</h3><ol class="steps">{items}</ol>'


def rows_of(incident: Incident, *, allowed: bool) -> str:
    """The rows that moved most, and why their inputs are not shown where they are not."""
    table = moved.rows(incident.moved, incident.inputs) if incident.moved else ""
    if not table or incident.inputs:
        return table
    note = (
        "No input of these rows is kept, or not any more."
        if allowed
        else "Inputs of single rows are not shown: they may be private. "
        "<code>show_inputs: true</code> of the stream in drift.yaml shows them to operators."
    )
    return f'{table}<p class="soft">{note}</p>'


def runbook(incident: Incident) -> str:
    """What drift's own runbook says of such an alert, and of its objective's detector; "" where it says nothing."""
    detector = parse_name(incident.series.slo.sli.detector)[0] if incident.series else ""
    text = beside(incident.row.labels.get("alertname", ""), detector)
    return text and f'<div class="runbook">{text}</div>'


def looking(incident: Incident, config: Path | None) -> Iterator[tuple[str, str]]:
    """What to run to know more, each with what it is for; `config` is the file that declares the stream."""
    alert = incident.row.alert
    stream = quote(alert.stream)
    if alert.kind in BURNS:
        last = incident.verdicts.last_bad
        window = f" --window {last.start:%Y-%m-%dT%H:%M:%S}" if last else ""
        declared = f" --config {quote(str(config))}" if config else ""
        yield "Name the fault in its last bad window", f"drift diagnose {stream}{window}{declared}"
        yield "See what it is held against", f"drift reference show {stream}"


def acting(incident: Incident) -> Iterator[tuple[str, str]]:
    """What to run to do something about it, for operators, each with what it is for."""
    row, alert = incident.row, incident.row.alert
    stream = quote(alert.stream)
    if alert.state is AlertState.FIRING and row.acknowledged is None:
        yield "Say that you look after it", f"drift alert acknowledge {alert.id}"
    if (intent := changes.waiting(incident.changes)) is not None:
        yield f"Have {intent.model} trained anew", f"drift retrain approve {quote(intent.id)}"
    if incident.is_open:
        plan = f"drift maintenance add {stream} --for 2h --owner NAME --reason WHY"
        yield "Page nobody while you work on it", plan
    if alert.kind in BURNS:
        yield (
            "If the change is here to stay, hold windows against newer rows",
            f"drift reference create {stream} --help",
        )
    if alert.fired_at is not None and row.false_by is None:
        yield "If nothing was wrong", f"drift alert mark-false {alert.id}"


def told(incident: Incident) -> str:
    """Who was told, with attempts and answers."""
    if not incident.messages:
        return '<p class="soft">Nobody was told of it.</p>'
    return episodes.message_table(incident.messages, incident.at)


def _item(incident: Incident, step: Step) -> str:
    if step.at is None:
        return (
            f'<li class="open"><span class="name">{escape(step.name)}</span> <span>{escape(step.detail)}</span>'
            '<span class="after">-</span></li>'
        )
    style = STYLES.get(step.name, "")
    clock = f"{step.at:%H:%M:%S}" if step.at.date() == incident.at.date() else f"{step.at:%-d %b %H:%M:%S}"
    after = step.at - incident.bad_since
    return (
        f'<li class="{style}"><span class="name">{escape(step.name)}</span> '
        f'<span><time datetime="{step.at.isoformat()}">{clock}</time> UTC{markup.small(step.detail)}</span>'
        f'<span class="after">{escape(words.after(after))}</span></li>'
    )


def _measured(incident: Incident) -> str:
    notes, counted = incident.row.annotations, incident.verdicts
    numbers = (
        f"{notes['value']} {'now' if incident.is_open else 'at its end'}, good is {notes['threshold']}"
        if {"value", "threshold"} <= set(notes)
        else ""
    )
    bad = f"{counted.bad} of {words.several(counted.judged, 'window')} bad since then" if counted.judged else ""
    return "; ".join(part for part in (numbers, bad) if part)
