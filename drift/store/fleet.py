"""The whole fleet at a glance: one line per stream and objective, the most urgent first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from drift.alert import URGENCY, AlertKind, AlertState, patience
from drift.records import covering
from drift.slo import Calibration
from drift.store import maintenance, objectives, reads
from drift.store.reads import AlertRow, BudgetRow

OK: Final = "ok"
PENDING: Final = "pending"
STATES: Final = (*URGENCY, PENDING, OK)


@dataclass(frozen=True, slots=True)
class Standing:
    """One objective of one stream: its newest slot, its open alerts, and the most urgent of their kinds.

    `state` is one of `STATES`. `calibration` says whether a test keeps its level; None where nothing is promised.
    `suppressed_by` is the id of the maintenance window that is on, "" where none is.
    """

    budget: BudgetRow
    alerts: tuple[AlertRow, ...]
    state: str
    calibration: Calibration | None = None
    suppressed_by: str = ""


def standings(conn: sa.Connection, *, now: datetime, lateness: Mapping[str, timedelta]) -> list[Standing]:
    """Every objective that has counted a slot, by urgency, then by what is left of its budget.

    One that has counted none for longer than its alert on missing data would wait has no data, told or not; `lateness`
    says how long streams wait for late rows, by name, as far as that is known.
    """
    open_alerts = reads.alerts(conn, states=(AlertState.PENDING, AlertState.FIRING), limit=10_000)
    kept = objectives.calibrations(conn, now=now)
    on = maintenance.active(conn, now)
    suppressed = {row.stream.key: window.id for row in reads.streams(conn) if (window := covering(on, row.stream))}
    found = []
    for budget in reads.latest_budgets(conn):
        mine = tuple(row for row in open_alerts if (row.alert.stream, row.alert.slo) == (budget.stream, budget.slo))
        states = [row.alert.kind if row.alert.state is AlertState.FIRING else PENDING for row in mine]
        waits = lateness.get(budget.stream.partition("/")[0])
        if now - budget.span.end > patience(budget.span.length, waits):
            states.append(AlertKind.NODATA)
        state = str(min(states, key=STATES.index, default=OK))
        calibration = kept.get((budget.stream, budget.slo))
        found.append(Standing(budget, mine, state, calibration, suppressed.get(budget.stream, "")))
    return sorted(found, key=lambda s: (STATES.index(s.state), s.budget.remaining, s.budget.stream, s.budget.slo))
