"""The fleet in a terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from rich.table import Table

from drift.config import load
from drift.config.values import format_duration
from drift.errors import ConfigError
from drift.slo import Calibration
from drift.slo.calibration import ADVICE
from drift.store.fleet import Standing

_SECOND = timedelta(seconds=1)
_COLOURS = {"page": "bold white on red", "exhausted": "red", "ticket": "yellow", "pending": "yellow", "ok": "green"}


def lateness(config: Path) -> dict[str, timedelta]:
    """How long each stream waits for late rows, by name; none where the file cannot be read, which others say."""
    try:
        return {stream.id: stream.lateness for stream in load(config).streams}
    except ConfigError:
        return {}


def as_rows(found: Sequence[Standing]) -> list[dict[str, object]]:
    """One dictionary per stream and objective."""
    return [_row(standing) for standing in found]


def _row(standing: Standing) -> dict[str, object]:
    b = standing.budget
    return {
        "stream": b.stream,
        "slo": b.slo,
        "state": standing.state,
        "outcome": str(b.outcome),
        "budget_remaining_ratio": b.remaining,
        "rule": b.rule,
        "burn_rate_long": b.burn_long,
        "burn_rate_short": b.burn_short,
        "exhausts_in_seconds": None if b.exhausts_in is None else b.exhausts_in.total_seconds(),
        "last_window_start": b.span.start.isoformat(),
        "last_window_end": b.span.end.isoformat(),
        "calibration": _calibration(standing.calibration),
        "judged_by": str(b.conformal or ""),
        "suppressed_by": standing.suppressed_by,
    }


def _calibration(found: Calibration | None) -> dict[str, object] | None:
    if found is None:
        return None
    low, high = found.interval
    return asdict(found) | {"low": low, "high": high, "too_many": found.too_many}


def as_table(found: Sequence[Standing], *, now: datetime) -> Table:
    """The same for people; burns are those of the rule nearest to firing."""
    table = Table(
        title=f"drift, {now:%Y-%m-%d %H:%M:%S} UTC",
        caption="burn: error budgets a period, long/short look-back; false alarms: found/expected in healthy windows",
    )
    for name in ("stream", "objective", "state", "budget", "burn", "false alarms", "last window"):
        numeric = name in {"budget", "burn", "false alarms"}
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for standing in found:
        b = standing.budget
        age = format_duration(max(now - b.span.end, timedelta()) // _SECOND * _SECOND)
        style = _COLOURS.get(standing.state, "magenta")
        table.add_row(
            b.stream,
            b.slo,
            f"[{style}]{standing.state}[/]" + _suppressed(standing.suppressed_by),
            f"{b.remaining:.1%}",
            f"{b.burn_long:.1f}/{b.burn_short:.1f}",
            _false_alarms(standing.calibration),
            f"{b.outcome}, {age} ago",
        )
    if any(standing.calibration and standing.calibration.too_many for standing in found):
        table.caption = f"{table.caption}\nred: more healthy windows are bad than may be by chance. {ADVICE}"
    if not found:
        table.caption = "no window has been counted yet: `drift run` counts them"
    return table


def _suppressed(by: str) -> str:
    """The maintenance window that is on, beneath what would be told."""
    return f"\n[dim]suppressed by {by}[/]" if by else ""


def _false_alarms(found: Calibration | None) -> str:
    """The share of healthy windows that were bad, over the share that may be."""
    if found is None or not found.windows:
        return ""
    text = f"{found.bad / found.windows:.2%}/{found.alpha:.2%}"
    return f"[red]{text}[/]" if found.too_many else text
