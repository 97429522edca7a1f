"""An incident in Markdown, to begin a post-mortem with. Pure."""

import re
from collections.abc import Iterator, Sequence

from dashboard import affected, said, words
from dashboard.changes import Step
from dashboard.incident import Incident, to_recover

SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def document(incident: Incident, steps: Sequence[Step]) -> str:
    """The whole text; times are UTC, and what nobody can know from here is left open."""
    alert, notes = incident.row.alert, incident.row.annotations
    rule = said.fired_by(incident.row)
    state = "so far" if incident.is_open else "from the first bad window to recovery"
    facts = [
        ("Stream", alert.stream),
        ("Objective", f"{alert.slo}: {notes['threshold']}" if "threshold" in notes else alert.slo),
        ("Alert", f"{words.KINDS[alert.kind]}, {alert.state.value}" + (f", fired by {rule}" if rule else "")),
        ("Team", incident.row.labels.get("team", "")),
        ("Lasted", f"{words.length(to_recover(incident))} {state}"),
        ("Windows", f"{incident.verdicts.bad} bad of {incident.verdicts.judged}"),
        ("Budget left", _share(notes.get("budget_remaining_ratio", ""))),
        ("Acknowledged", said.taken(incident.row)),
        ("False page", f"says {incident.row.false_by}" if incident.row.false_by else ""),
    ]
    parts = [
        f"# {plain(notes.get('summary') or f'{alert.stream}: {alert.slo}')}",
        "\n".join(f"- {name}: {plain(text)}" for name, text in facts if text),
        "## Timeline (UTC)",
        _table(("When", "After", "What", ""), (_row(incident, step) for step in steps)),
        "## Cause",
        "\n\n".join(_cause(incident)),
        "## Who was affected",
        "\n".join(_affected(incident)),
        "## What moved",
        "\n\n".join(_moved(incident)) or "Not known.",
        "## What we change",
        "- [ ] …",
    ]
    return "\n\n".join(parts).replace(words.NARROW, " ").replace(words.FIXED, " ") + "\n"


def name(incident: Incident) -> str:
    """A file's name for it."""
    alert = incident.row.alert
    return re.sub(r"[^\w.-]+", "-", f"incident-{alert.stream}-{alert.slo}-{alert.started_at:%Y-%m-%dT%H%M}") + ".md"


def plain(text: str) -> str:
    """`text` as Markdown shows it: no part of it is markup, and it is one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _row(incident: Incident, step: Step) -> tuple[str, ...]:
    if step.at is None:
        return ("-", "-", plain(step.name), plain(step.detail))
    after = step.at - incident.bad_since
    return (f"{step.at:%Y-%m-%d %H:%M:%S}", words.after(after), plain(step.name), plain(step.detail))


def _cause(incident: Incident) -> Iterator[str]:
    if incident.diagnosed is None:
        yield "No diagnosis was made."
        return
    found = incident.diagnosed.found
    rows = ((plain(c.cause), words.share(c.score), plain(c.evidence), plain(c.next_step)) for c in found.causes)
    yield _table(("Cause", "How likely", "What speaks for it", "Next step"), rows)
    for why, slugs in found.ruled_out_by.items():
        yield f"Ruled out: {plain(', '.join(slugs))}" + (f" ({plain(why)})." if why else ".")


def _affected(incident: Incident) -> Iterator[str]:
    for name, text in affected.facts(incident):
        if text:
            yield f"- {name}: {plain(text)}"
    if not incident.others:
        yield "- No other alert of this model or cause was open meanwhile."
    for row in incident.others:
        alert = row.alert
        began = alert.began
        until = f"to {alert.resolved_at:%Y-%m-%d %H:%M:%S}" if alert.resolved_at else "and is still open"
        what = f"{words.KINDS[alert.kind]} of {alert.stream} ({alert.slo})"
        yield f"- {plain(what)}, from {began:%Y-%m-%d %H:%M:%S} {until}"


def _moved(incident: Incident) -> Iterator[str]:
    """Clusters, segments and rows; never an input, for a post-mortem goes further than those who may read them."""
    kept = incident.moved.attribution if incident.moved else None
    if kept is None or not kept.total:
        return
    parts = [*(("segment", part) for part in kept.segments), *(("cluster", part) for part in kept.clusters)]
    rows = (
        (
            f"{kind} {plain(part.name)}",
            "not known" if part.reference is None else words.share(part.reference),
            words.share(part.window),
            words.share(part.contribution / kept.total),
        )
        for kind, part in parts
    )
    yield _table(("What", "In the reference", "In the window", "Of the change"), rows)
    ids = [row.id for row in kept.rows if row.id]
    if ids:
        yield f"Rows that stand out most: {', '.join(plain(id_) for id_ in ids)}."


def _table(heads: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(ratio: str) -> str:
    return words.share(float(ratio)) if ratio else ""
