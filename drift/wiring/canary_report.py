"""What is said of canaries, to people and to programs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drift.records import Canary, CanaryState

_COLOURS: Final = {CanaryState.PROMOTE: "green", CanaryState.ROLL_BACK: "bold red", CanaryState.WAIT: "yellow"}


def as_json(found: Canary) -> dict[str, object]:
    """All of it as one dictionary, with the bounds of each signal."""
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(found).items()}
    del plain["tallies"]
    signals = [asdict(one) | {"rows": one.rows} for one in found.tallies]
    return plain | {"signals": signals}


def as_table(found: Sequence[Canary]) -> Table:
    """Several, for people, one line each."""
    table = Table(caption="`drift canary show ID` says more; the first letters of an id are enough")
    for name in ("id", "model", "state", "baseline", "candidate", "windows", "pairs", "since"):
        table.add_column(name, overflow="fold", no_wrap=name == "state")
    for one in found:
        cells = (
            *(one.id, one.model, one.state, _side(one.baseline, one.baseline_version)),
            *(_side(one.candidate, one.candidate_version), str(one.windows), str(one.pairs)),
            f"{one.started_at:%Y-%m-%d %H:%M}",
        )
        table.add_row(*map(Text, cells), style=_COLOURS[one.state])
    if not found:
        table.caption = "no canary is on record: name two streams under `canary` in the configuration"
    return table


def as_text(found: Canary) -> RenderableType:
    """All that is known of one, for people."""
    sides = (_side(found.candidate, found.candidate_version), _side(found.baseline, found.baseline_version))
    title = f"{found.state.upper()}: {sides[0]} beside {sides[1]}, {found.pairs} inputs in {found.windows} windows"
    table = Table()
    for name in ("signal", "inputs", "lost", "gained", "at least", "at most"):
        table.add_column(name, justify="left" if name == "signal" else "right")
    for one in found.tallies:
        numbers = (str(one.rows), str(one.lost), str(one.gained), f"{one.low:+.4f}", f"{one.high:+.4f}")
        table.add_row(*map(Text, (one.name, *numbers)))
    rule = found.rule
    words = (
        f"A loss beyond {rule.tolerance:g} is rolled back once it is shown; the candidate is promoted once a loss of "
        f"{rule.margin:g} is ruled out. The chance of a wrong decision is at most {rule.alpha:g}."
    )
    said = [Text(found.detail)] if found.detail else []
    return Group(Text(title, style=_COLOURS[found.state]), *said, table, Text(words, style="dim"))


def _side(stream: str, version: str) -> str:
    return f"{stream} ({version or 'no version'})"
