"""How fast an objective's error budget burns.

Time-slice budgeting with the nominal number of slices as denominator, so that missing data can neither inflate a burn
nor resolve an alert; every page is gated by a projection of when the budget runs out. All decisions are made on exact
fractions.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from drift.records import Span
from drift.slo.indicators import Outcome
from drift.slo.objectives import Slo
from drift.slo.rules import BurnRateRule, Tier


@dataclass(frozen=True, slots=True)
class Slot:
    """One stretch of an objective's time and what became of it."""

    span: Span
    outcome: Outcome


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
    """Bad time within a look-back, and in how many slots it is."""

    time: timedelta = timedelta()
    slots: int = 0

    def plus(self, slot: Slot) -> "Spent":
        """The same with one more bad slot."""
        return Spent(self.time + slot.span.length, self.slots + 1)


def look_backs(slo: Slo) -> tuple[timedelta, ...]:
    """All that a budget of `slo` looks back on, the period included, each once."""
    backs = (back for tier in slo.tiers for back in (tier.long, tier.short))
    return tuple(dict.fromkeys((slo.period, *backs)))


class Ledger:
    """Bad slots, oldest first, added up as they come, so that what lies in a look-back is one difference."""

    def __init__(self, bad: Iterable[Slot] = ()) -> None:
        self._ends: list[datetime] = []
        self._times: list[timedelta] = [timedelta()]
        for slot in bad:
            self.add(slot)

    def add(self, slot: Slot) -> None:
        """One more bad slot, not older than those before it."""
        self._ends.append(slot.span.end)
        self._times.append(self._times[-1] + slot.span.length)

    def spent(self, slo: Slo, at: datetime) -> dict[timedelta, Spent]:
        """What they add up to in each look-back of `slo` that ends at `at`; slots count by their end."""
        found, last = {}, bisect_right(self._ends, at)
        for look_back in look_backs(slo):
            first = bisect_right(self._ends, at - look_back)
            found[look_back] = Spent(self._times[last] - self._times[first], last - first)
        return found


def budget(slo: Slo, spent: Mapping[timedelta, Spent], at: datetime) -> Budget:
    """The error budget of `slo` at `at`, given what is spent in each of its look-backs (`look_backs`)."""
    remaining = 1 - _rate(spent[slo.period].time, slo.budget * (slo.period // _MICRO))
    return Budget(at, remaining, tuple(_burn(slo, spent, tier, remaining) for tier in slo.tiers))


_MICRO = timedelta(microseconds=1)


def _rate(bad: timedelta, allowed: Fraction) -> Fraction:
    """Budgets a period that are being spent: bad time over the microseconds that may be bad."""
    return Fraction(bad // _MICRO * allowed.denominator, allowed.numerator)


def _burn(slo: Slo, spent: Mapping[timedelta, Spent], tier: Tier, remaining: Fraction) -> Burn:
    within, recent, horizon = spent[tier.long], spent[tier.short], tier.rule.horizon
    long, short = _rate(within.time, tier.allowed_long), _rate(recent.time, tier.allowed_short)
    left = max(Fraction(0), remaining) * (slo.period // _MICRO) / long if long else None
    exceeds = long > tier.threshold and short > tier.threshold
    in_horizon = horizon is None or (left is not None and left <= horizon // _MICRO)
    holds = exceeds and within.slots >= tier.floor and in_horizon
    exhausts_in = None if left is None else timedelta(microseconds=int(left))
    return Burn(tier.rule, long, short, within.slots, exhausts_in, exceeds, holds)
