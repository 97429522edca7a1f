"""What serves, what is tried beside it, and what gates have decided; read, and in HTML. Pure but for `read`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from dashboard import markup, words
from dashboard.standing import Standing
from drift.records import Canary, CanaryState, Checked, Gated, Tally
from drift.store import canaries, gates, reads, views
from drift.store.connect import Connection
from drift.store.versions import VersionRow, every

DECISIONS: Final = 50
TRIALS: Final = 10
STREAMS: Final = 200
VERDICTS: Final = {
    "pass": Standing.OK,
    "warn": Standing.TICKET,
    "fail": Standing.PAGE,
    "error": Standing.NO_DATA,
}
STATES: Final = {
    CanaryState.WAIT: (Standing.BURNING, "keep waiting"),
    CanaryState.PROMOTE: (Standing.OK, "promote"),
    CanaryState.ROLL_BACK: (Standing.PAGE, "roll back"),
}
CHECK_HEADS: Final = ("Verdict", "Check", "Value", "Warns", "Fails", "What it is")
SIGNAL_HEADS: Final = ("Signal", "Inputs", "Right with the baseline only", "With the candidate only", "True difference")
DECISION_HEADS: Final = ("Verdict", "Candidate", "Of", "Inputs", "Decided", "First reason")
VERSION_HEADS: Final = ("Stream", "Model", "Version", "Since", "Before")


@dataclass(frozen=True, slots=True)
class Release:
    """All of it at `at`, the newest first; `streams` are how many are registered."""

    at: datetime
    streams: int
    decisions: tuple[Gated, ...]
    trials: tuple[Canary, ...]
    versions: tuple[VersionRow, ...]

    def decision(self, id_: str) -> Gated | None:
        """The decision of that id, else the newest."""
        named = (one for one in self.decisions if one.id == id_)
        return next(named, self.decisions[0] if self.decisions else None)


def read(conn: Connection) -> Release:
    """What is known now."""
    return Release(
        views.now(conn),
        sum(not row.stream.segment for row in reads.streams(conn)),
        tuple(gates.decisions(conn, limit=DECISIONS)),
        tuple(canaries.canaries(conn, limit=TRIALS)),
        tuple(every(conn)),
    )


def verdict(found: Release) -> str:
    """What is to be done now, in one line."""
    said = []
    if found.decisions:
        newest = found.decisions[0].judgement
        said.append(f"The newest gate says {newest.verdict} of {newest.candidate}")
    for state, (_, text) in STATES.items():
        if count := sum(trial.state is state for trial in found.trials):
            said.append(f"{words.several(count, 'trial says', 'trials say')} {text}")
    line = ". ".join(said) or "No gate has decided, and no candidate is tried"
    return f'<p class="verdict">{escape(line)}</p>'


def judged(found: Gated, now: datetime) -> str:
    """One decision whole: why, the first reason first, and each check beside its limits."""
    said = found.judgement
    chip = markup.chip(VERDICTS[said.verdict], said.verdict)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in said.reasons)
    pairs = [
        ("Of", escape(of(found)) or "asked by hand"),
        ("Decided", escape(f"{words.clock(found.decided_at, now)}, on {words.several(said.rows, 'input')}")),
        ("Command", f"<code>drift gate show {escape(found.id[:12])}</code>"),
    ]
    head = (
        f'<section class="callout {markup.slug(VERDICTS[said.verdict])}">{chip} '
        f"<b>{escape(said.candidate)}</b> in place of <b>{escape(said.baseline)}</b>"
        + (f"<ol>{reasons}</ol>" if reasons else "<p>Every check passed.</p>")
        + f"{markup.facts(pairs)}</section>"
    )
    checks = said.checks
    if not checks:
        return head
    whole = [check for check in checks if not check.segment]
    parts = [check for check in checks if check.segment]
    wrong = [check for check in parts if check.verdict != "pass"]
    table = markup.table("Checks of all inputs", CHECK_HEADS, map(_check, whole))
    if wrong:
        table += "<h3>Segments that do not pass</h3>" + markup.table("Segments", CHECK_HEADS, map(_check, wrong))
    if fine := [check for check in parts if check.verdict == "pass"]:
        inner = markup.table("Segments that pass", CHECK_HEADS, map(_check, fine))
        table += markup.fold(f"{words.several(len(fine), 'check')} of segments that pass", inner)
    return head + table


def decisions(found: Release, shown: str) -> str:
    """All decisions, one a row; that of the id `shown` is marked."""
    rows = (("chosen" if one.id == shown else "", tuple(_decision(one, found.at))) for one in found.decisions)
    return markup.table("Decisions of the gate", DECISION_HEADS, rows)


def trial(found: Canary, now: datetime) -> str:
    """One candidate beside its baseline: what to do, how sure, and what was counted."""
    standing, text = STATES[found.state]
    rule, sides = (
        found.rule,
        (_side(found.candidate, found.candidate_version), _side(found.baseline, found.baseline_version)),
    )
    until = f" to {words.clock(found.decided_at, now)}" if found.decided_at else ", so far"
    counted = (
        f"{words.several(found.pairs, 'input')} that both have served, in {words.several(found.windows, 'window')}"
    )
    policy = (
        f"A loss beyond {words.share(rule.tolerance)} is rolled back once it is shown; the candidate is promoted once "
        f"a loss of {words.share(rule.margin)} is ruled out. The chance that either is ever wrong, however often one "
        f"looks, is at most {words.share(rule.alpha)}."
    )
    pairs = [
        ("Counted", escape(f"{counted}, {words.clock(found.started_at, now)}{until}")),
        ("Why", escape(found.detail)),
        ("Rule", escape(policy)),
        ("Command", f"<code>drift canary show {escape(found.id[:15])}</code>"),
    ]
    signals = markup.table("Signals", SIGNAL_HEADS, (("", _signal(one, found)) for one in found.tallies))
    return (
        f'<section class="callout {markup.slug(standing)}">{markup.chip(standing, text)} <b>{escape(sides[0])}</b> '
        f"beside <b>{escape(sides[1])}</b>{markup.facts(pairs)}{signals}</section>"
    )


def versions(found: Release) -> str:
    """Which version of each stream serves since when, those that changed last first."""
    mine: dict[str, list[VersionRow]] = {}
    for one in found.versions:
        mine.setdefault(one.stream, []).append(one)
    rows = (("", _version(history, found.at)) for history in list(mine.values())[:STREAMS])
    return markup.table("Versions of streams", VERSION_HEADS, rows)


def of(found: Gated) -> str:
    """The model, its version and the stream that it was retrained for; "" where nobody said."""
    return " ".join(part for part in (found.model, found.version, found.stream and f"({found.stream})") if part)


def _check(check: Checked) -> tuple[str, tuple[str, ...]]:
    standing = VERDICTS[check.verdict]
    beyond = "below" if check.wanted == "at least" else "above"
    limits = ("-" if bound is None else f"{beyond} {bound:g}" for bound in (check.warn, check.fail))
    name = f'<span class="name">{escape(check.name)}</span>{markup.small(check.segment)}'
    cells = (
        markup.chip(standing, check.verdict),
        name,
        escape(words.number(check.value)),
        *limits,
        escape(check.words),
    )
    return (markup.slug(standing), cells)


def _decision(one: Gated, now: datetime) -> Iterator[str]:
    said = one.judgement
    yield markup.chip(VERDICTS[said.verdict], said.verdict)
    yield f'<span class="name">{markup.link("gate", said.candidate, id=one.id)}</span>' + markup.small(
        f"in place of {said.baseline}"
    )
    yield escape(of(one) or "asked by hand")
    yield words.count(said.rows)
    yield escape(words.clock(one.decided_at, now))
    yield escape(said.reasons[0] if said.reasons else "-")


def _signal(one: Tally, found: Canary) -> tuple[str, ...]:
    return (
        f'<span class="name">{escape(one.name)}</span>',
        words.count(one.rows),
        words.count(one.lost),
        words.count(one.gained),
        _range(one, found.rule.margin)
        + escape(f"{words.signed(one.low)} to {words.signed(one.high)}")
        + markup.small("candidate less baseline, at all times together" if one.rows else "nothing is known yet"),
    )


def _range(one: Tally, margin: float) -> str:
    """The interval upon a line from a loss to a gain, with marks at 0 and at the loss that counts."""
    reach = min(1.0, 1.15 * max(abs(one.low), abs(one.high), 1.5 * margin))

    def place(value: float) -> str:
        return f"{50 + 50 * value / reach:.1f}%"

    width = f"{50 * (one.high - one.low) / reach:.1f}%"
    return (
        f'<div class="range" aria-hidden="true"><i style="left:{place(one.low)};width:{width}"></i>'
        f'<b style="left:50%"></b><b class="margin" style="left:{place(-margin)}"></b></div>'
    )


def _side(stream: str, version: str) -> str:
    return f"{stream} ({version or 'no version'})"


def _version(history: Sequence[VersionRow], now: datetime) -> tuple[str, ...]:
    newest, *before = history
    past = ", ".join(
        f"{one.version or 'no version'} until {words.clock(later.since, now)}"
        for one, later in zip(before[:3], history, strict=False)
    )
    return (
        f'<span class="name">{markup.link("stream", newest.stream, stream=newest.stream)}</span>',
        escape(newest.model),
        escape(newest.version or "no version"),
        escape(words.clock(newest.since, now)) + markup.small(f"{words.length(now - newest.since)} ago"),
        escape(past or "-"),
    )
