"""Which alerts would recorded history have had, by another policy or by the one of today?"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from drift.alert import AlertKind, AlertState
from drift.config import Config
from drift.config.policy import PolicyConfig
from drift.errors import ConfigError
from drift.simulation import Transition, transitions
from drift.slo import BudgetingMethod, Slo, Slot
from drift.store import reads
from drift.store.connect import Connection
from drift.wiring.simulate import require_sound
from drift.wiring.slo_report import numbers, summary, transitions_table


@dataclass(frozen=True, slots=True)
class Request:
    """Which history: slots that end in (since, until], of one stream and objective or ("") of all.

    The policy is `policy`, else what `config` declares for each. `force` accepts one that could not work.
    """

    since: datetime
    until: datetime
    stream: str = ""
    objective: str = ""
    policy: PolicyConfig | None = None
    config: Config | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What would have happened to one objective, and what did: `fired` are the alerts on record that began then."""

    slo: Slo
    slots: int
    would: tuple[Transition, ...]
    fired: tuple[reads.AlertRow, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "stream": self.slo.stream,
            "slo": self.slo.name,
            "slots": self.slots,
            "transitions": [{"at": one.at.isoformat()} | numbers(one) for one in self.would],
            "would_fire": _counts(one.alert.kind for one in self.would if one.alert.state is AlertState.FIRING),
            "fired": _counts(row.alert.kind for row in self.fired),
        }


def backtest(conn: Connection, request: Request) -> list[Past]:
    """What would have happened to each objective that has slots on record, by stream and name.

    The period before `since` is read too, so that budgets and open alerts are what they would have been by then.

    Raises:
        ConfigError: the policy could not work, or what it counts is not on record.
    """
    found = [past for slo in _slos(conn, request) if (past := _past(conn, slo, request)).slots]
    if not found:
        which = " ".join(word for word in (request.stream, request.objective) if word) or "any objective"
        raise ConfigError(
            f"no slot of {which} is on record from {request.since.isoformat()} to {request.until.isoformat()}: "
            "`drift status` lists what is"
        )
    return found


def as_text(found: list[Past]) -> RenderableType:
    """For people: alerts that would have fired beside those that did, then when."""
    table = Table(title="alerts: would have fired / fired")
    for name in ("stream", "objective", "slots", *AlertKind):
        table.add_column(name, justify="left" if name in {"stream", "objective"} else "right", overflow="fold")
    for past in found:
        would, did = _counts_of(past)
        cells = [f"{would[kind]}/{did[kind]}" if would[kind] or did[kind] else "" for kind in AlertKind]
        table.add_row(escape(past.slo.stream), past.slo.name, str(past.slots), *cells)
    parts: list[RenderableType] = [table]
    for past in found:
        if past.would:
            parts.append(escape(f"{past.slo.stream}/{past.slo.name}: {summary(past.would)}"))
            parts.append(transitions_table([(f"{one.at:%Y-%m-%d %H:%M}", one) for one in past.would]))
    return Group(*parts)


def _slos(conn: Connection, request: Request) -> Iterator[Slo]:
    declared = {} if request.config is None else {(slo.stream, slo.name): slo for slo in _declared(request.config)}
    for row in reads.latest_budgets(conn):
        if request.stream not in {"", row.stream} or request.objective not in {"", row.slo}:
            continue
        slo = declared.get((row.stream, row.slo))
        if request.policy is not None:
            # Slots are as long as they were recorded, whatever the file says: they cannot be cut or joined.
            own = replace(request.policy.slo(row.stream), name=row.slo, interval=row.span.length)
            slo = own if slo is None else replace(own, windows=slo.windows)
        if slo is not None:
            if not request.force:
                require_sound(slo)
            yield slo


def _declared(config: Config) -> Iterator[Slo]:
    for stream in config.streams:
        for part in stream.measured_streams:
            yield from config.slos_of(stream, part)


def _past(conn: Connection, slo: Slo, request: Request) -> Past:
    # The state of alerts at `since` depends on slots before it; a second period, on what these look back on.
    first = request.since - 2 * slo.period
    rows = reads.budgets(conn, slo.stream, first, request.until, slo=slo.name)
    judged = [row for row in rows if row.outcome.is_verdict]
    if slo.method is BudgetingMethod.OCCURRENCES and judged and not any(row.events for row in judged):
        raise ConfigError(
            f"no events of {slo.stream}/{slo.name} are on record, it counted slots: try it out by Timeslices, or "
            "declare it with `budgeting_method: Occurrences` and wait"
        )
    slots = [_slot(slo, row) for row in rows]
    would = tuple(one for one in transitions(slo, slots) if request.since < one.at <= request.until)
    alerts = reads.alerts(conn, since=request.since, stream=slo.stream, limit=100_000)
    fired = [row for row in alerts if row.alert.slo == slo.name and _within(row.alert.fired_at, request)]
    counted = sum(request.since < slot.span.end <= request.until for slot in slots)
    return Past(slo, counted, would, tuple(fired))


def _slot(slo: Slo, row: reads.BudgetRow) -> Slot:
    """The slot on record; where `slo` counts events, these are judged by its own target."""
    if slo.method is BudgetingMethod.TIMESLICES or row.events is None:
        return Slot(row.span, row.outcome)
    return Slot(row.span, slo.outcome(row.events), row.events)


def _within(at: datetime | None, request: Request) -> bool:
    return at is not None and request.since < at <= request.until


def _counts_of(past: Past) -> tuple[Counter[AlertKind], Counter[AlertKind]]:
    would = Counter(one.alert.kind for one in past.would if one.alert.state is AlertState.FIRING)
    return would, Counter(row.alert.kind for row in past.fired)


def _counts(kinds: Iterator[AlertKind]) -> dict[str, int]:
    found = Counter(kinds)
    return {str(kind): found[kind] for kind in AlertKind}
