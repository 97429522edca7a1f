"""What is said of retraining, to people and to programs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from rich.table import Table
from rich.text import Text

from drift.config.values import format_duration
from drift.records import Retrain, RetrainState

_SECOND = timedelta(seconds=1)
_COLOURS = {
    RetrainState.WAITING: "bold yellow",
    RetrainState.REQUESTED: "yellow",
    RetrainState.STARTED: "yellow",
    RetrainState.SUCCEEDED: "green",
    RetrainState.FAILED: "red",
}


def as_json(intent: Retrain, joined: Sequence[Retrain] = ()) -> dict[str, object]:
    """All of it as one dictionary."""
    plain = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(intent).items()
    }
    took = intent.time_to_recover
    more = {"time_to_recover_seconds": None if took is None else took.total_seconds()}
    return plain | more | ({"joined": [one.id for one in joined]} if joined else {})


def as_table(found: Sequence[Retrain]) -> Table:
    """The same of several, for people, one line each."""
    table = Table(caption="`drift retrain show ID` says more; the first letters of an id are enough")
    for name in ("id", "model", "state", "stream", "objective", "fired", "recovered in"):
        table.add_column(name, overflow="fold", no_wrap=name == "state")
    for intent in found:
        cells = (
            intent.id,
            intent.model,
            intent.state,
            intent.stream,
            intent.slo,
            f"{intent.fired_at:%Y-%m-%d %H:%M}",
            _took(intent),
        )
        table.add_row(*map(Text, cells), style=_COLOURS.get(intent.state, "dim"))
    if not found:
        table.caption = "no retraining was asked for yet"
    return table


def as_text(intent: Retrain, joined: Sequence[Retrain]) -> Table:
    """All that is known of one, for people."""
    table = Table(title=f"retraining {intent.id}", show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    lines = (
        ("model", f"{intent.model}, version {intent.version or '(none)'}"),
        ("state", intent.state),
        ("because", f"{intent.stream}, objective {intent.slo}, against reference {intent.reference[:12]}"),
        ("fired", _at(intent.fired_at)),
        ("asked for", _at(intent.requested_at)),
        ("receivers", ", ".join(intent.receivers)),
        ("decided by", intent.by),
        ("stands behind", intent.because),
        ("started", _at(intent.started_at)),
        ("ended", _at(intent.ended_at)),
        ("new version", intent.new_version),
        ("recovered in", _took(intent)),
        ("said", intent.detail),
        ("joined by", ", ".join(f"{one.stream} ({one.slo}, {one.state})" for one in joined)),
    )
    for name, value in lines:
        if value:
            table.add_row(Text(name), Text(value))
    return table


def _at(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _took(intent: Retrain) -> str:
    took = intent.time_to_recover
    return "" if took is None else format_duration(took // _SECOND * _SECOND)
