"""How fast an objective's error budget burns.

Of Timeslices the denominator is the nominal number of slices, so that missing data can neither inflate a burn nor
resolve an alert. Of Occurrences it is the number of events that were seen, and at least as many as are usual in a
look-back: the mean of the slots of the period that have any, as if every slot had it. So neither a gap nor a night with
few rows inflates a burn. Every page is gated by a projection of when the budget runs out. All decisions are made on
exact fractions.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from drift.records import Span
from drift.slo.indicators import Events, Outcome
from drift.slo.objectives import BudgetingMethod, Slo
from drift.slo.rules import BurnRateRule, Tier


@dataclass(frozen=True, slots=True)
class Slot:
    """One stretch of an objective's time and what became of it; `events` only where those are counted."""

    span: Span
    outcome: Outcome
    events: Events | None = None


@dataclass(frozen=True, slots=True)
class Burn:
    """What one rule sees: burns in budgets a period, bad slots in the long look-back, and whether it fires.

    `exhausts_in` is how long the budget lasts at the long burn; None when nothing burns. `exceeds` says that both
    burns are over the threshold, `holds` that the floor of bad windows and the projection agree.
    """

    rule: BurnRateRule
    long: Fraction
    short: Fraction
    bad: int
    exhausts_in: timedelta | None
    exceeds: bool
    holds: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """An objective's error budget at a moment: the share that is left (negative when overspent), and its burns."""

    at: datetime
    remaining: Fraction
    burns: tuple[Burn, ...]

    def burn_of(self, rule: str) -> Burn:
        """The burn by the rule of that name; by the first one, where none has it."""
        return next((burn for burn in self.burns if burn.rule.name == rule), self.burns[0])


@dataclass(frozen=True, slots=True)
class Spent:
    """Bad time within a look-back, and in how many slots; bad events, of all `events`, that `measured` time had."""

    time: timedelta = timedelta()
    slots: int = 0
    bad_events: int = 0
    events: int = 0
    measured: timedelta = timedelta()

    @classmethod
    def of(cls, slot: Slot) -> "Spent":
        """What one slot spends."""
        length, bad = slot.span.length, slot.outcome is Outcome.BAD
        spent = (length, 1) if bad else (timedelta(), 0)
        return cls(*spent, slot.events.bad, slot.events.total, length) if slot.events else cls(*spent)

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.time + other.time,
            self.slots + other.slots,
            self.bad_events + other.bad_events,
            self.events + other.events,
            self.measured + other.measured,
        )

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            self.time - other.time,
            self.slots - other.slots,
            self.bad_events - other.bad_events,
            self.events - other.events,
            self.measured - other.measured,
        )


def look_backs(slo: Slo) -> tuple[timedelta, ...]:
    """All that a budget of `slo` looks back on, the period included, each once."""
    backs = (back for tier in slo.tiers for back in (tier.long, tier.short))
    return tuple(dict.fromkeys((slo.period, *backs)))


class Ledger:
    """Slots that spend, oldest first, added up as they come, so that what lies in a look-back is one difference."""

    def __init__(self, slots: Iterable[Slot] = ()) -> None:
        self._ends: list[datetime] = []
        self._sums: list[Spent] = [Spent()]
        for slot in slots:
            self.add(slot)

    def add(self, slot: Slot) -> None:
        """One more slot that is bad or has events, not older than those before it."""
        self._ends.append(slot.span.end)
        self._sums.append(self._sums[-1] + Spent.of(slot))

    def spent(self, slo: Slo, at: datetime) -> dict[timedelta, Spent]:
        """What they add up to in each look-back of `slo` that ends at `at`; slots count by their end."""
        return {look_back: self.within(look_back, at) for look_back in look_backs(slo)}

    def within(self, look_back: timedelta, at: datetime) -> Spent:
        """What they add up to in the one look-back that ends at `at`."""
        return self._sums[bisect_right(self._ends, at)] - self._sums[bisect_right(self._ends, at - look_back)]


def budget(slo: Slo, spent: Mapping[timedelta, Spent], at: datetime) -> Budget:
    """The error budget of `slo` at `at`, given what is spent in each of its look-backs (`look_backs`)."""
    rate = _Rate(slo, spent)
    remaining = 1 - rate.over(slo.period, slo.budget * (slo.period // _MICRO))
    return Budget(at, remaining, tuple(_burn(slo, rate, tier, remaining) for tier in slo.tiers))


_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Rate:
    """How many budgets a period are being spent."""

    slo: Slo
    spent: Mapping[timedelta, Spent]

    def over(self, back: timedelta, allowed: Fraction) -> Fraction:
        """In a look-back of which `allowed` microseconds may be bad."""
        found = self.spent[back]
        if self.slo.method is BudgetingMethod.TIMESLICES:
            return Fraction(found.time // _MICRO * allowed.denominator, allowed.numerator)
        period = self.spent[self.slo.period]
        if not period.events:
            return Fraction(0)
        usual = Fraction(period.events * (back // _MICRO), period.measured // _MICRO)
        return found.bad_events / (self.slo.budget * max(usual, Fraction(found.events)))


def _burn(slo: Slo, rate: _Rate, tier: Tier, remaining: Fraction) -> Burn:
    within, horizon = rate.spent[tier.long], tier.rule.horizon
    long, short = rate.over(tier.long, tier.allowed_long), rate.over(tier.short, tier.allowed_short)
    left = max(Fraction(0), remaining) * (slo.period // _MICRO) / long if long else None
    exceeds = long > tier.threshold and short > tier.threshold
    in_horizon = horizon is None or (left is not None and left <= horizon // _MICRO)
    holds = exceeds and within.slots >= tier.floor and in_horizon
    exhausts_in = None if left is None else timedelta(microseconds=int(left))
    return Burn(tier.rule, long, short, within.slots, exhausts_in, exceeds, holds)
