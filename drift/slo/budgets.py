"""How fast an objective's error budget burns.

Time-slice budgeting with the nominal number of slices as denominator, so that missing data can neither inflate a burn
nor resolve an alert; every page is gated by a projection of when the budget runs out. All decisions are made on exact
fractions.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from drift.records import Span
from drift.slo.indicators import Outcome
from drift.slo.objectives import MIN_BAD, BurnRateRule, Slo


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
    rules = slo.active_rules()
    return tuple(dict.fromkeys((slo.period, *map(slo.long, rules), *map(slo.short, rules))))


def spent(slo: Slo, bad: Sequence[Slot], at: datetime) -> dict[timedelta, Spent]:
    """What the slots `bad`, oldest first, add up to in each look-back that ends at `at`; slots count by their end."""
    found = {}
    for look_back in look_backs(slo):
        first = bisect_right(bad, at - look_back, key=_end)
        within = bad[first : bisect_right(bad, at, key=_end)]
        found[look_back] = Spent(sum((slot.span.length for slot in within), timedelta()), len(within))
    return found


def budget(slo: Slo, spent: Mapping[timedelta, Spent], at: datetime) -> Budget:
    """The error budget of `slo` at `at`, given what is spent in each of its look-backs (`look_backs`)."""
    remaining = 1 - _rate(slo, spent, slo.period)
    return Budget(at, remaining, tuple(_burn(slo, spent, rule, remaining) for rule in slo.active_rules()))


_MICRO = timedelta(microseconds=1)


def _end(slot: Slot) -> datetime:
    return slot.span.end


def _rate(slo: Slo, spent: Mapping[timedelta, Spent], look_back: timedelta) -> Fraction:
    """Budgets a period that are being spent: bad time in the look-back over the time that may be bad."""
    return Fraction(spent[look_back].time // _MICRO) / (slo.budget * (look_back // _MICRO))


def _burn(slo: Slo, spent: Mapping[timedelta, Spent], rule: BurnRateRule, remaining: Fraction) -> Burn:
    long, short = _rate(slo, spent, slo.long(rule)), _rate(slo, spent, slo.short(rule))
    count = spent[slo.long(rule)].slots
    left = max(Fraction(0), remaining) * Fraction(slo.period // _MICRO) / long if long else None
    threshold = slo.threshold(rule)
    exceeds = long > threshold and short > threshold
    in_horizon = rule.horizon is None or (left is not None and left <= rule.horizon // _MICRO)
    holds = exceeds and count * slo.windows >= MIN_BAD[rule.severity] and in_horizon
    exhausts_in = None if left is None else timedelta(microseconds=int(left))
    return Burn(rule, long, short, count, exhausts_in, exceeds, holds)
