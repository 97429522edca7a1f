"""Alerts for people: a list of them, who looks after them, and the marks of those that were false."""

from collections.abc import Sequence
from datetime import timedelta

from rich.markup import escape
from rich.table import Table

from drift.alert import Acknowledgement
from drift.errors import ConfigError
from drift.records.durations import format_duration
from drift.store import acknowledgements, false_alerts, reads
from drift.store.connect import Engine
from drift.store.false_alerts import Mark
from drift.store.reads import AlertRow


def fired(engine: Engine, *, stream: str = "", limit: int = 200) -> list[AlertRow]:
    """Alerts that fire or did, of one stream or of all: open ones first, then newest first."""
    with engine.connect() as conn:
        return reads.alerts(conn, stream=stream or None, limit=limit)


def mark(engine: Engine, id_: str, said: Mark | None) -> AlertRow:
    """Say that the alert with that id was false, or with None that it was not.

    Raises:
        ConfigError: no such alert has fired.
    """
    with engine.begin() as conn:
        row = false_alerts.mark(conn, id_, said)
    if row is None:
        raise ConfigError(f"no alert {id_!r} has fired: `drift alert list` shows them with their ids")
    return row


def take(engine: Engine, id_: str, said: Acknowledgement | None) -> AlertRow:
    """Say that somebody looks after the alert with that id, or with None that nobody does.

    Raises:
        ConfigError: no such alert fires.
    """
    with engine.begin() as conn:
        row = acknowledgements.acknowledge(conn, id_, said)
    if row is None:
        raise ConfigError(f"no alert {id_!r} fires: `drift alert list` shows those that do, with their ids")
    return row


def as_table(rows: Sequence[AlertRow]) -> Table:
    """One line for each."""
    table = Table()
    for name in ("id", "fired", "until", "alert", "what", "acknowledged", "false"):
        table.add_column(name, overflow="fold", no_wrap=name == "id")
    for row in rows:
        alert = row.alert
        until = "fires" if alert.resolved_at is None else f"{alert.resolved_at:%Y-%m-%d %H:%M}"
        began = "" if alert.fired_at is None else f"{alert.fired_at:%Y-%m-%d %H:%M}"
        said = escape(f"says {row.false_by}") if row.false_by else ""
        what = escape(f"{alert.stream}/{alert.slo}")
        table.add_row(alert.id, began, until, str(alert.kind), what, escape(_taken(row)), said)
    return table


def as_words(row: AlertRow) -> str:
    """What people have said about it."""
    alert = row.alert
    taken = f"acknowledged by {_taken(row)}" if row.acknowledged else "not acknowledged"
    said = f"false, says {row.false_by}" if row.false_by else "not marked as false"
    return f"{alert.kind} of {alert.stream}/{alert.slo}, fired {alert.fired_at:%Y-%m-%d %H:%M}: {taken}; {said}"


def _taken(row: AlertRow) -> str:
    """Who looks after it, and after how long that one said so."""
    taken, fired = row.acknowledged, row.alert.fired_at
    if taken is None or fired is None:
        return ""
    note = f": {taken.note}" if taken.note else ""
    return f"{taken.by} after {format_duration(timedelta(seconds=round((taken.at - fired).total_seconds())))}{note}"


def as_rows(rows: Sequence[AlertRow]) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "id": row.alert.id,
            "stream": row.alert.stream,
            "slo": row.alert.slo,
            "kind": row.alert.kind,
            "state": row.alert.state,
            "fired_at": None if row.alert.fired_at is None else row.alert.fired_at.isoformat(),
            "resolved_at": None if row.alert.resolved_at is None else row.alert.resolved_at.isoformat(),
            "false_by": row.false_by,
            "acknowledged_by": row.acknowledged.by if row.acknowledged else None,
            "acknowledged_at": row.acknowledged.at.isoformat() if row.acknowledged else None,
            "acknowledged_note": row.acknowledged.note if row.acknowledged else "",
        }
        for row in rows
    ]
