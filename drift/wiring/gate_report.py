"""A decision of the gate: for a terminal, as JSON for programs, and as Markdown for a pull request."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drift import __version__
from drift.gate.checks import LEAST, Check
from drift.gate.decision import Decision
from drift.gate.thresholds import Verdict
from drift.records import Checked
from drift.wiring.gate import Request
from drift.wiring.printable import printable

STYLES: Final = {"pass": "green", "warn": "yellow", "fail": "red", "error": "magenta"}
MARKS: Final = str.maketrans({mark: f"&#{ord(mark)};" for mark in "\\&`*_{}[]<>|@#~"})
HEADS: Final = ("check", "segment", "value", "warn", "fail", "verdict")


def as_json(found: Decision, request: Request) -> dict[str, object]:
    """One object; `reasons` is empty where the candidate passes, `cause` null where no difference has a name."""
    return {
        "version": __version__,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "cause": asdict(found.cause) if found.cause else None,
        "checks": [
            {
                "check": check.name,
                "segment": check.segment,
                "value": check.value,
                "warn": check.warn,
                "fail": check.fail,
                "wanted": check.wanted,
                "verdict": check.verdict,
                "words": check.words,
            }
            for check in found.checks
        ],
        "notes": list(found.notes),
        "rows": found.rows,
        "baseline": request.names[0],
        "candidate": request.names[1],
        "neighbours": request.neighbours,
        "seed": request.seed,
    }


def headline(found: Decision, request: Request) -> str:
    """The verdict, of what, and on how many inputs."""
    old, new = request.names
    return f"{found.verdict.upper()}: {new} in place of {old}, {found.rows} inputs"


def notes(found: Decision) -> tuple[str, ...]:
    """What the checks do not say; then what to do about the cause, or which difference there is though all pass."""
    if found.cause is None:
        return found.notes
    if found.verdict is Verdict.PASS:
        return (*found.notes, f"The vectors differ, within limits. {found.cause.cause}: {found.cause.evidence}")
    return (*found.notes, f"Next step: {found.cause.next_step}")


def as_text(found: Decision, request: Request) -> RenderableType:
    """The verdict and its reasons, then every check."""
    said = [Text(printable(f"{place}. {reason}")) for place, reason in enumerate(found.reasons, 1)]
    title = Text(printable(headline(found, request)), style=f"bold {STYLES[found.verdict]}")
    return Group(title, *said, *map(Text, map(printable, notes(found))), as_table(found.checks))


def as_markdown(found: Decision, request: Request) -> str:
    """The same for a pull request."""
    lines = [f"## drift gate: {safe(headline(found, request))}", ""]
    lines += [f"{place}. {safe(reason)}" for place, reason in enumerate(found.reasons, 1)]
    lines += ["", *map(safe, notes(found)), "", line(HEADS), line(["---"] * len(HEADS))]
    for check in found.checks:
        name, *others = cells(check)
        row = [f"`{name}`", *map(safe, others)]
        lines.append(line(row if check.verdict is Verdict.PASS else [f"**{cell}**" if cell else "" for cell in row]))
    return "\n".join([*lines, "", f"drift {__version__}, seed {request.seed}", ""])


def as_table(checks: Iterable[Check | Checked]) -> Table:
    """Checks, those that do not pass in colour."""
    table = Table()
    for head in HEADS:
        table.add_column(head, justify="right" if head in {"value", "warn", "fail"} else "left", overflow="fold")
    for check in checks:
        row = (Text(printable(cell)) for cell in cells(check))
        table.add_row(*row, style="" if check.verdict == Verdict.PASS else STYLES[check.verdict])
    return table


def cells(check: Check | Checked) -> tuple[str, ...]:
    """A check as a row under `HEADS`."""
    sign = "<" if check.wanted == LEAST else ">"
    bounds = ("" if limit is None else f"{sign} {limit:g}" for limit in (check.warn, check.fail))
    return (
        check.name,
        check.segment,
        f"{check.value:.4g}",
        *bounds,
        "pass: chance" if _excused(check) else check.verdict,
    )


def _excused(check: Check | Checked) -> bool:
    """Whether it passes though it is beyond its limit: a loss or a time that may be chance."""
    if check.verdict != Verdict.PASS or check.warn is None:
        return False
    return check.value < check.warn if check.wanted == LEAST else check.value > check.warn


def line(cells: tuple[str, ...] | list[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def safe(text: str) -> str:
    """Text that Markdown shows as it is: what comes from files must not become markup or a mention."""
    return " ".join(text.translate(MARKS).split())
