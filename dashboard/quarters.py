"""What was promised and what was kept, by team and quarter: attainment, budgets, incidents and time to recover. Pure
but for `read`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final, Self

from dashboard import spending, together
from dashboard.attained import Attained, Chance, Lived
from dashboard.declared import Declared
from dashboard.past import EVERY
from dashboard.spending import Spent
from drift.alert import AlertKind, AlertState
from drift.store import attainment, reads, views
from drift.store.connect import Connection
from drift.store.reads import AlertRow, BudgetRow

SHOWN: Final = 4
ALERTS: Final = 10_000  # that are read
TOLD: Final = frozenset({AlertKind.PAGE, AlertKind.TICKET})
NOBODY: Final = "no team"


@dataclass(frozen=True, slots=True)
class Quarter:
    """A calendar quarter of UTC, so far: every objective that lived in it, and its incidents.

    An incident is what `together` makes one line of, as on the page Incidents, where it has a page or ticket. What was
    replayed counts in what was attained, for its windows were good or bad; its alerts called nobody.
    """

    start: datetime
    end: datetime
    attained: tuple[Attained, ...]
    incidents: tuple[Sequence[AlertRow], ...]

    @property
    def told(self) -> tuple[Sequence[AlertRow], ...]:
        """The incidents that called people: those of replayed history did not."""
        return tuple(group for group in self.incidents if any(_calls(row) and not row.muted for row in group))

    @property
    def promised(self) -> tuple[Attained, ...]:
        """The objectives of which is declared what they promise: some may not be any more."""
        return tuple(one for one in self.attained if one.target is not None)

    @property
    def name(self) -> str:
        return f"{self.start.year} Q{(self.start.month + 2) // 3}"


@dataclass(frozen=True, slots=True)
class FalsePages:
    """How many pages there were, how many of them on-call marked as false, and how many chance may have raised."""

    pages: int
    false: int
    expected: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of it as of `at`, the newest quarter first.

    `overspent` names, for each team, the stream of each declared objective that has spent its budget now: None where
    it is not known what is declared. `spent` is what encoding took, for all streams together: None where the visitor
    does not see them all. `is_whole` says that no older alerts are left out of it.
    """

    at: datetime
    quarters: tuple[Quarter, ...]
    overspent: Mapping[str, Sequence[str]] | None
    spent: tuple[Spent, ...] | None = ()
    is_whole: bool = True

    def only(self, sees: Callable[[str], bool]) -> Self:
        """The same of the streams that may be seen."""
        quarters = tuple(
            replace(
                quarter,
                attained=tuple(one for one in quarter.attained if sees(one.stream)),
                incidents=tuple(group for group in quarter.incidents if sees(group[0].alert.stream)),
            )
            for quarter in self.quarters
        )
        every = self.overspent
        overspent = every and {team: [key for key in keys if sees(key)] for team, keys in every.items()}
        return replace(self, quarters=quarters, overspent=overspent, spent=None)


def read(conn: Connection, declared: Declared | None) -> Report:
    """What is known now."""
    at = views.now(conn)
    starts = quarter_starts(at)
    teams = {row.stream.key: row.team or NOBODY for row in reads.streams(conn)}
    bad = {(b.stream, b.slo, b.quarter): b.bad for b in attainment.bad_times(conn, since=starts[-1])}
    events = {(e.stream, e.slo, e.quarter): e.events for e in attainment.events(conn, since=starts[-1])}
    lived = Lived(teams, declared, attainment.begun(conn), bad, events, Chance())
    alerts = reads.alerts(conn, states=EVERY, since=starts[-1], limit=ALERTS + 1)
    incidents = [group for group in together.groups(alerts[:ALERTS], at) if any(map(_calls, group))]
    quarters = []
    for start, end in zip(starts, (at, *starts), strict=False):
        found = tuple(lived.attained(start, end))
        mine = tuple(group for group in incidents if start <= together.began(group) < end)
        quarters.append(Quarter(start, end, found, mine))
    overspent = None if declared is None else _overspent(reads.latest_budgets(conn), declared, teams)
    spent = spending.read(conn, declared, starts, teams, at)
    return Report(at, tuple(quarters), overspent, spent, is_whole=len(alerts) <= ALERTS)


def _overspent(
    budgets: Sequence[BudgetRow], declared: Declared, teams: Mapping[str, str]
) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for budget in budgets:
        if budget.remaining <= 0 and budget.stream in teams and budget.slo in declared.slos(budget.stream):
            found.setdefault(teams[budget.stream], []).append(budget.stream)
    return found


def quarter_starts(at: datetime) -> tuple[datetime, ...]:
    """The first moments of the quarter of `at` and of those before it, `SHOWN` in all, the newest first."""
    month = at.year * 12 + (at.month - 1) // 3 * 3
    firsts = (month - 3 * i for i in range(SHOWN))
    return tuple(datetime(first // 12, first % 12 + 1, 1, tzinfo=at.tzinfo) for first in firsts)


def by_team(found: Sequence[Attained]) -> Mapping[str, Sequence[Attained]]:
    """The objectives of each team, those that spent most first."""
    teams: dict[str, list[Attained]] = {}
    for one in sorted(found, key=lambda one: -one.spent):
        teams.setdefault(one.team, []).append(one)
    return dict(sorted(teams.items()))


def team_of(row: AlertRow) -> str:
    """Who was told of it."""
    return row.labels.get("team", NOBODY)


def false_pages(quarter: Quarter) -> Mapping[str, FalsePages]:
    """The pages of each team that has objectives or had pages: each alert by itself, for chance knows no incidents."""
    rows = (row for group in quarter.told for row in group)
    pages = [row for row in rows if _calls(row) and row.alert.kind is AlertKind.PAGE and not row.muted]
    teams = sorted({team_of(row) for row in pages} | {one.team for one in quarter.attained})
    return {
        team: FalsePages(
            sum(team_of(row) == team for row in pages),
            sum(team_of(row) == team and row.false_by is not None for row in pages),
            sum(one.false_pages or 0.0 for one in quarter.attained if one.team == team),
        )
        for team in teams
    }


def recovery(incidents: Sequence[Sequence[AlertRow]]) -> timedelta | None:
    """The median of how long those that are over took from the first sign to their end; None where none is."""
    took = [took.total_seconds() for took in map(lasted, incidents) if took is not None]
    return timedelta(seconds=median(took)) if took else None


def lasted(incident: Sequence[AlertRow]) -> timedelta | None:
    """How long an incident took from the first sign to its end; None while it is open."""
    ended = [row.alert.resolved_at for row in incident if row.alert.resolved_at is not None]
    return max(ended) - together.first_sign(incident) if len(ended) == len(incident) else None


def _calls(row: AlertRow) -> bool:
    return row.alert.kind in TOLD and row.alert.state is not AlertState.PENDING
