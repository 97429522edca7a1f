"""How every objective of every stream stands, most urgent first. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from dashboard.answers import Newest
from dashboard.declared import Declared
from drift.alert import AlertKind, AlertState, patience
from drift.records import Maintenance, Measurement, covering
from drift.slo import Outcome, Quantity, Slo
from drift.store.operations import QueueRow
from drift.store.reads import AlertRow, BudgetRow, StreamRow
from drift.store.views import Trail


class Standing(StrEnum):
    """How urgent an objective is, most urgent first. The text is what people read and what links hold."""

    PAGE = "page"
    TICKET = "ticket"
    PENDING = "pending"
    BURNING = "burning"  # no alert, but its newest window is bad
    NO_DATA = "no data"
    TOO_LITTLE = "too little data"  # for a verdict on its newest window
    OK = "ok"
    RETIRED = "not configured"


ORDER: Final = {standing: place for place, standing in enumerate(Standing)}
OF_KIND: Final = {
    AlertKind.PAGE: Standing.PAGE,
    AlertKind.NODATA: Standing.NO_DATA,
    AlertKind.INSUFFICIENT: Standing.TOO_LITTLE,
}
UNWELL: Final = {Outcome.BAD: Standing.BURNING, Outcome.INSUFFICIENT: Standing.TOO_LITTLE}


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that is known now. `at` is the database's clock; `alerts` are the open ones, `troubled` counts messages of
    all streams: None where the visitor does not see them all.

    `backlog` counts windows by the name of the stream: all of its segments are measured at once. `maintenance` is what
    is on. Of `measurements` there are the newest, where it is of one stream, and in `slots` what became of them where
    that is not what the objective makes of their own p-value.
    """

    at: datetime
    streams: tuple[StreamRow, ...]
    budgets: tuple[BudgetRow, ...]
    alerts: tuple[AlertRow, ...]
    measurements: tuple[Measurement, ...]
    backlog: tuple[QueueRow, ...]
    troubled: int | None
    maintenance: tuple[Maintenance, ...] = ()
    slots: tuple[BudgetRow, ...] = ()

    def only(self, sees: Callable[[str], bool]) -> Self:
        """The same of the streams that may be seen."""
        streams = tuple(row for row in self.streams if sees(row.stream.key))
        names = {row.stream.name for row in streams}
        return replace(
            self,
            streams=streams,
            budgets=tuple(row for row in self.budgets if sees(row.stream)),
            alerts=tuple(row for row in self.alerts if sees(row.alert.stream)),
            measurements=tuple(row for row in self.measurements if sees(row.stream)),
            slots=tuple(row for row in self.slots if sees(row.stream)),
            backlog=tuple(row for row in self.backlog if row.stream in names),
            troubled=None,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One objective of one stream. `slo` is None where the configuration is not known or does not name it.

    `age` is how long ago the newest slot ended; `late` says that this is longer than it may be. `behind` counts the
    stream's closed windows that wait to be measured. `maintenance` is the window that suppresses it now. `trail` has
    the judged numbers of the newest measurements, oldest first; none where these are calibrated. `is_retired` says that
    the configuration is known and does not name it.
    """

    row: StreamRow
    name: str
    slo: Slo | None
    standing: Standing
    alerts: tuple[AlertRow, ...] = ()
    budget: BudgetRow | None = None
    newest: Measurement | None = None
    age: timedelta | None = None
    late: bool = False
    behind: int = 0
    runbook_url: str = ""
    maintenance: Maintenance | None = None
    trail: tuple[float, ...] = ()
    is_retired: bool = False

    @property
    def since(self) -> datetime | None:
        """Since when it stands like this, where an alert says so."""
        if not self.alerts:
            return None
        first = self.alerts[0].alert
        return first.began

    @property
    def number(self) -> float | None:
        """The judged number of the newest measurement."""
        return None if self.slo is None or self.newest is None else self.slo.sli.number(self.newest)

    @property
    def bad(self) -> bool:
        """Whether the newest measurement is bad."""
        return self.slo is not None and self.newest is not None and self.slo.sli.judge(self.newest) is Outcome.BAD

    @property
    def urgency(self) -> tuple[int, float, str, str]:
        """Sorts lines, most urgent first: by standing, then by how little budget is left."""
        return ORDER[self.standing], self.budget.remaining if self.budget else 1.0, self.row.stream.key, self.name


def lines(fleet: Fleet, config: Declared | None) -> list[Line]:
    """One line per objective, most urgent first."""
    seen: dict[str, list[str]] = {}
    for budget in fleet.budgets:
        seen.setdefault(budget.stream, []).append(budget.slo)
    found = _Found(fleet)
    every = [line for row in fleet.streams for line in _lines_of(row, seen.get(row.stream.key, []), config, found)]
    return sorted(every, key=lambda line: line.urgency)


def measured(shown: Sequence[Line], found: Newest) -> list[Line]:
    """`shown` with the newest measurements, which are `found`."""
    newest = {(m.stream, m.detector): m for m in found.measurements}
    trails = {(trail.stream, trail.detector): trail for trail in found.trails}
    slots = {(slot.stream, slot.slo): slot for slot in found.slots}
    return [_measured(line, line.slo, newest, trails, slots) if line.slo else line for line in shown]


def _measured(
    line: Line,
    slo: Slo,
    newest: Mapping[tuple[str, str], Measurement],
    trails: Mapping[tuple[str, str], Trail],
    slots: Mapping[tuple[str, str], BudgetRow],
) -> Line:
    of = line.row.stream.key, slo.sli.detector
    trail = trails.get(of)
    numbers: tuple[float | None, ...] = ()
    if trail is not None and not slo.sli.calibrated:  # what is judged there is not the test's own p-value
        numbers = trail.values if slo.sli.quantity is Quantity.VALUE else trail.p_values
    known = tuple(number for number in numbers if number is not None)
    slot = slots.get((line.row.stream.key, slo.name), line.budget)
    return replace(line, newest=as_judged(slo, newest.get(of), slot), trail=known)


class _Found:
    """What a fleet holds, by what it is of."""

    def __init__(self, fleet: Fleet) -> None:
        self.at = fleet.at
        self.maintenance = fleet.maintenance
        self.budgets = {(b.stream, b.slo): b for b in fleet.budgets}
        self.newest = {(m.stream, m.detector): m for m in fleet.measurements}
        self.slots = self.budgets | {(b.stream, b.slo): b for b in fleet.slots}
        self.behind = {b.stream: b.windows for b in fleet.backlog}
        self.alerts: dict[tuple[str, str], list[AlertRow]] = {}
        for row in sorted(fleet.alerts, key=lambda row: row.alert.urgency):
            self.alerts.setdefault((row.alert.stream, row.alert.slo), []).append(row)


def _lines_of(row: StreamRow, seen: Sequence[str], config: Declared | None, found: _Found) -> Iterator[Line]:
    slos = config.slos(row.stream.key) if config else {}
    declared = config.stream(row.stream.name) if config else None
    for name in sorted({*slos, *seen}):
        slo, budget = slos.get(name), found.budgets.get((row.stream.key, name))
        alerts = tuple(found.alerts.get((row.stream.key, name), ()))
        age = None if budget is None else found.at - budget.span.end
        late = budget is not None and found.at - budget.span.end > patience(
            slo.interval if slo else budget.span.length, declared.lateness if declared else None
        )
        retired = config is not None and slo is None
        standing = _standing_of_retired(alerts) if retired else _standing(alerts, budget, late=late)
        newest = found.newest.get((row.stream.key, slo.sli.detector)) if slo else None
        slot = found.slots.get((row.stream.key, name))
        yield Line(
            row, name, slo, standing, alerts, budget,
            newest=as_judged(slo, newest, slot) if slo else None,
            age=age, late=late, behind=found.behind.get(row.stream.name, 0),
            runbook_url=declared.runbook_url if declared else "",
            maintenance=covering(found.maintenance, row.stream),
            is_retired=retired,
        )  # fmt: skip


def as_judged(slo: Slo, measured: Measurement | None, slot: BudgetRow | None) -> Measurement | None:
    """The measurement with the p-value by which `slo` judged it in `slot`; None where it has not judged it.

    Where the objective is calibrated on windows that is a rank among past ones, else the test's own, whatever the slot.
    """
    if measured is None or not slo.sli.calibrated:
        return measured
    if slot is None or slot.span != measured.span:
        return None
    ranked = slot.conformal.p_value if slot.conformal else None
    return measured if ranked is None else replace(measured, p_value=ranked)


def unjudged(newest: Iterable[Measurement], slos: Iterable[Slo]) -> list[tuple[str, str, datetime]]:
    """Of which windows one has to read what became of them to say it: stream, objective and start of each."""
    starts = {(m.stream, m.detector): m.span.start for m in newest}
    ranked = [(slo, starts.get((slo.stream, slo.sli.detector))) for slo in slos if slo.sli.calibrated]
    return [(slo.stream, slo.name, start) for slo, start in ranked if start is not None]


def _standing(alerts: Sequence[AlertRow], budget: BudgetRow | None, *, late: bool) -> Standing:
    if alerts and (told := standing_of(alerts[0])) is not Standing.PENDING:
        return told
    if budget is None or late:
        return Standing.NO_DATA
    if alerts:
        return Standing.PENDING
    return UNWELL.get(budget.outcome, Standing.OK)


def _standing_of_retired(alerts: Sequence[AlertRow]) -> Standing:
    """What fires is told to people for as long as it does, whatever the file names; what is pending never will."""
    told = standing_of(alerts[0]) if alerts else Standing.RETIRED
    return Standing.RETIRED if told is Standing.PENDING else told


def standing_of(row: AlertRow) -> Standing:
    """How urgent one open alert is."""
    if row.alert.state is AlertState.PENDING:
        return Standing.PENDING
    return OF_KIND.get(row.alert.kind, Standing.TICKET)
