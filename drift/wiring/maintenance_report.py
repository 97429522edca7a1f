"""What is said of maintenance windows, to people and to programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from drift.records import Maintenance, Planned, Span

_COLOURS: Final = {Planned.ACTIVE: "bold yellow", Planned.COMING: "", Planned.PAST: "dim", Planned.CANCELLED: "dim"}


def plain(window: Maintenance, now: datetime) -> dict[str, object]:
    """The window as one dictionary, as the API has it."""
    return {
        "id": window.id,
        "state": window.state(now),
        "stream": window.covers.stream,
        "model": window.covers.model,
        "owner": window.owner,
        "reason": window.reason,
        "times": [{"start": span.start.isoformat(), "end": span.end.isoformat()} for span in window.times],
        "rrule": window.rrule,
        "timezone": window.timezone,
        "created_at": window.created_at.isoformat(),
        "created_by": window.created_by,
        "cancelled_at": window.cancelled_at.isoformat() if window.cancelled_at else None,
        "cancelled_by": window.cancelled_by,
    }


def as_text(window: Maintenance, now: datetime, *, dry_run: bool) -> str:
    """What was planned, or would be."""
    name = "would be planned" if dry_run else window.id
    lines = [f"{name}: {window.covers}, {_when(window.times[0])}: {window.reason} ({window.owner})"]
    if len(window.times) > 1:
        lines.append(
            f"{len(window.times)} times by {window.rrule} in {window.timezone}, last {_when(window.times[-1])}"
        )
    if window.times[0].start < now.replace(microsecond=0):
        lines.append("It has begun: slots that were counted before stay as they are.")
    return "\n".join(lines)


def as_cancelled(window: Maintenance, *, dry_run: bool) -> str:
    """What was cancelled, or would be."""
    return f"{window.id} {'would be cancelled' if dry_run else 'cancelled'}: {window.covers}, {window.reason}"


def as_table(found: Sequence[Maintenance], now: datetime) -> Table:
    """Windows, one a row."""
    table = Table(caption="now or next: UTC; `drift maintenance cancel ID` ends one")
    for name in ("id", "covers", "now or next", "why", "by"):
        table.add_column(name, overflow="fold", no_wrap=name == "id")
    for window in found:
        span = window.next(now) or window.times[-1]
        repeats = f"\n{len(window.times)} times, {window.rrule} ({window.timezone})" if window.rrule else ""
        by = window.created_by + (f", cancelled by {window.cancelled_by}" if window.cancelled_by else "")
        state, why = window.state(now), f"{window.reason}\n{window.owner}"
        cells = (f"{window.id}\n{state}", str(window.covers), _when(span) + repeats, why, by)
        table.add_row(*map(Text, cells), style=_COLOURS[state])
    if not found:
        table.caption = "no maintenance is planned: `drift maintenance add` plans it"
    return table


def _when(span: Span) -> str:
    end = f"{span.end:%H:%M}" if span.end.date() == span.start.date() else f"{span.end:%Y-%m-%d %H:%M}"
    return f"{span.start:%Y-%m-%d %H:%M} to {end} UTC"
