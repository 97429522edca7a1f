"""What objectives attained over a quarter, of what they promise. Pure.

That is one less the share of its time in bad windows, from when the objective began; time without a verdict counts as
good, as it does in the error budget. An objective that counts events attains the share of good ones.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from dashboard.declared import Declared
from drift.slo import BudgetingMethod, Events, Severity, Slo
from drift.slo.false_alarms import YEAR, begins
from drift.store.attainment import Begun

MOST_CASES: Final = 4_000_000
"""What is added up to know how often chance pages: 160 000 for windows of a minute, 23 million for such of 5 s."""


@dataclass(frozen=True, slots=True)
class Attained:
    """An objective over a quarter: the share of good time, or of good events, and what was promised (None where it is
    not declared). It lived `lived` of the quarter so far.

    `false_pages` are those that chance alone may have raised in that time, by what its test promises; None where it
    promises nothing.
    """

    team: str
    stream: str
    slo: str
    share: float
    target: float | None
    lived: timedelta
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
class Chance:
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


@dataclass(frozen=True, slots=True)
class Lived:
    """What is known of all objectives: whose they are, what was promised, when they lived, when they were bad, and
    what they counted."""

    teams: Mapping[str, str]
    declared: Declared | None
    begun: Sequence[Begun]
    bad: Mapping[tuple[str, str, datetime], timedelta]
    events: Mapping[tuple[str, str, datetime], Events]
    chance: Chance

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
            if slo and slo.method is BudgetingMethod.OCCURRENCES:
                share = _good(self.events.get((one.stream, one.slo, start)))
            target = float(slo.target) if slo else None
            yield Attained(self.teams[one.stream], one.stream, one.slo, max(0.0, share), target, last - first, expected)


def _good(events: Events | None) -> float:
    """The share of good ones; 1 where there are none."""
    return events.good / events.total if events else 1.0
