"""What is said of decisions of the gate that are on record, to people and to programs."""

import json
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drift.records import Gated
from drift.wiring import gate_report
from drift.wiring.gate_report import STYLES
from drift.wiring.printable import printable


def as_json(found: Gated) -> dict[str, object]:
    """One as a dictionary; `report` is that of `drift gate --json`, null where there is none."""
    said = found.judgement
    return {
        "id": found.id,
        "verdict": said.verdict,
        "baseline": said.baseline,
        "candidate": said.candidate,
        "reasons": list(said.reasons),
        "rows": said.rows,
        "model": found.model,
        "stream": found.stream,
        "version": found.version,
        "decided_at": found.decided_at.isoformat(),
        "report": json.loads(said.report) if said.report else None,
    }


def as_table(found: Sequence[Gated]) -> Table:
    """Several, for people, one line each."""
    table = Table(caption="`drift gate show ID` says more; the first letters of an id are enough")
    for name in ("id", "verdict", "candidate", "baseline", "of", "inputs", "decided (UTC)", "first reason"):
        table.add_column(name, overflow="fold", no_wrap=name == "verdict")
    for one in found:
        said = one.judgement
        cells = (
            *(one.id, said.verdict, said.candidate, said.baseline, of(one), str(said.rows)),
            *(f"{one.decided_at:%Y-%m-%d %H:%M}", said.reasons[0] if said.reasons else ""),
        )
        table.add_row(*map(Text, map(printable, cells)), style=STYLES.get(said.verdict, ""))
    if not found:
        table.caption = (
            "no decision is on record: `drift gate --record` keeps one, and `gate` of a stream has one follow on each "
            "retraining"
        )
    return table


def as_text(found: Gated) -> RenderableType:
    """All that is known of one, for people."""
    said, about = found.judgement, of(found)
    title = f"{said.verdict.upper()}: {said.candidate} in place of {said.baseline}, {said.rows} inputs"
    reasons = [Text(printable(f"{place}. {reason}")) for place, reason in enumerate(said.reasons, 1)]
    words = f"decided {found.decided_at:%Y-%m-%d %H:%M:%S} UTC" + (f", of {about}" if about else "")
    head = Text(printable(title), style=f"bold {STYLES.get(said.verdict, '')}")
    parts = [head, *reasons, Text(printable(words), style="dim")]
    return Group(*parts, *([gate_report.as_table(said.checks)] if said.checks else []))


def of(found: Gated) -> str:
    """The model, its version and the stream that it was retrained for; "" where nobody said."""
    return " ".join(part for part in (found.model, found.version, found.stream and f"({found.stream})") if part)
