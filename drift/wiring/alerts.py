"""Alerts for people: a list of them, and the marks of those that were false."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from drift.errors import ConfigError
from drift.store import false_alerts, reads
from drift.store.connect import Engine
from drift.store.false_alerts import Mark
from drift.store.reads import AlertRow


def fired(engine: Engine, *, stream: str = "", limit: int = 200) -> list[AlertRow]:
    """Alerts that fire or did, of one stream or of all, newest first."""
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


def as_table(rows: Sequence[AlertRow]) -> Table:
    """One line for each."""
    table = Table()
    for name in ("id", "fired", "until", "alert", "what", "false"):
        table.add_column(name, overflow="fold", no_wrap=name == "id")
    for row in rows:
        alert = row.alert
        until = "fires" if alert.resolved_at is None else f"{alert.resolved_at:%Y-%m-%d %H:%M}"
        began = "" if alert.fired_at is None else f"{alert.fired_at:%Y-%m-%d %H:%M}"
        said = escape(f"says {row.false_by}") if row.false_by else ""
        table.add_row(alert.id, began, until, str(alert.kind), escape(f"{alert.stream}/{alert.slo}"), said)
    return table


def as_words(row: AlertRow) -> str:
    """What became of a mark."""
    alert, said = row.alert, f"false, says {row.false_by}" if row.false_by else "not marked as false"
    return f"{alert.kind} of {alert.stream}/{alert.slo}, fired {alert.fired_at:%Y-%m-%d %H:%M}: {said}"


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
        }
        for row in rows
    ]
