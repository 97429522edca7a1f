"""What was promised and what was kept, by team and quarter: attainment, budgets, incidents and time to recover. Pure
but for `read`.

A quarter's attainment is one less the share of its time in bad windows, from when the objective began; time without a
verdict counts as good, as it does in the error budget.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final, Self

from dashboard import spending, together
from dashboard.declared import Declared
from dashboard.past import EVERY
from dashboard.spending import Spent
from drift.alert import AlertKind, AlertState
from drift.slo import BudgetingMethod, Severity, Slo
from drift.slo.false_alarms import YEAR, begins
from drift.store import attainment, reads, views
from drift.store.attainment import Begun
from drift.store.connect import Connection
from drift.store.reads import AlertRow, BudgetRow

SHOWN: Final = 4
TOLD: Final = frozenset({AlertKind.PAGE, AlertKind.TICKET})
NOBODY: Final = "no team"
MOST_CASES: Final = 4_000_000
"""What is added up to know how often chance pages: 160 000 for windows of a minute, 23 million for such of 5 s."""


@dataclass(frozen=True, slots=True)
class Attained:
    """An objective over a quarter: the share of good time, and what was promised (None where it is not declared).

    `false_pages` are those that chance alone may have raised in that time, by what its test promises; None where it
    promises nothing.
    """

    team: str
    stream: str
    slo: str
    share: float
    target: float | None
    false_pages: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether what was promised was kept; not so where it is not known what was."""
        return self.target is not None and self.share >= self.target

    @property
    def spent(self) -> float:
        """How much of what may be bad has been: 1 is all of it."""
        allowed = 1 - (self.target or 0.0)
        return (1 - self.share) / allowed


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
    does not see them all.
    """

    at: datetime
    quarters: tuple[Quarter, ...]
    overspent: Mapping[str, Sequence[str]] | None
    spent: tuple[Spent, ...] | None = ()

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
    lived = _Lived(teams, declared, attainment.begun(conn), bad, _Chance())
    alerts = reads.alerts(conn, states=EVERY, since=starts[-1], limit=10_000)
    incidents = [group for group in together.groups(alerts, at) if any(map(_calls, group))]
    quarters = []
    for start, end in zip(starts, (at, *starts), strict=False):
        found = tuple(lived.attained(start, end))
        mine = tuple(group for group in incidents if start <= together.began(group) < end)
        quarters.append(Quarter(start, end, found, mine))
    overspent = None if declared is None else _overspent(reads.latest_budgets(conn), declared, teams)
    return Report(at, tuple(quarters), overspent, spending.read(conn, declared, starts, teams, at))


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
    return max(ended) - min(row.alert.started_at for row in incident) if len(ended) == len(incident) else None


def _calls(row: AlertRow) -> bool:
    return row.alert.kind in TOLD and row.alert.state is not AlertState.PENDING


@dataclass(frozen=True, slots=True)
class _Lived:
    """What is known of all objectives: whose they are, what was promised, when they lived and when they were bad."""

    teams: Mapping[str, str]
    declared: Declared | None
    begun: Sequence[Begun]
    bad: Mapping[tuple[str, str, datetime], timedelta]
    chance: "_Chance"

    def attained(self, start: datetime, end: datetime) -> Iterator[Attained]:
        """What each objective attained in the quarter from `start` to `end`, where it lived then."""
        for one in self.begun:
            first, last = max(one.first, start), min(one.last, end)
            if last <= first or one.stream not in self.teams:
                continue
            slo = self.declared.slos(one.stream).get(one.slo) if self.declared else None
            chance = self.chance.pages(slo) if slo else None
            expected = None if chance is None else chance * ((last - first) / YEAR)
            share = 1 - self.bad.get((one.stream, one.slo, start), timedelta()) / (last - first)
            target = float(slo.target) if slo else None
            yield Attained(self.teams[one.stream], one.stream, one.slo, max(0.0, share), target, expected)


@dataclass(frozen=True, slots=True)
class _Chance:
    """How many pages a year chance alone raises; objectives that differ in their names are computed once."""

    known: dict[Hashable, float] = field(default_factory=dict)

    def pages(self, slo: Slo) -> float | None:
        """At most so many of `slo`; None where it does not say how often a good window is called bad, or where its
        windows are so short that finding out would take the page minutes."""
        if not slo.alpha or slo.method is BudgetingMethod.OCCURRENCES:
            return None
        key = (slo.target, slo.interval, slo.period, slo.alpha, slo.rules)
        if key not in self.known:
            tiers = [tier for tier in slo.tiers if tier.rule.severity is Severity.PAGE]
            if max((tier.slots_long * tier.slots_short for tier in tiers), default=0) > MOST_CASES:
                return None
            self.known[key] = YEAR / slo.interval * sum(begins(slo, tier, float(slo.alpha)) for tier in tiers)
        return self.known[key]
