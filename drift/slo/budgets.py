"""How fast an objective's error budget burns.

Time-slice budgeting with the nominal number of slices as denominator, so that missing data can neither inflate a burn
nor resolve an alert; every page is gated by a projection of when the budget runs out. All decisions are made on exact
fractions.
"""

from bisect import bisect_right
from collections.abc import Sequence
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


def burn_rate(slo: Slo, bad: Sequence[Slot], look_back: timedelta, at: datetime) -> Fraction:
    """Budgets a period that are being spent: bad time in (at - look_back, at] over the time that may be bad.

    `bad` are bad slots, oldest first.
    """
    spent = sum((slot.span.length for slot in _within(bad, look_back, at)), timedelta(0))
    return Fraction(spent // _MICRO) / (slo.budget * (look_back // _MICRO))


def budget(slo: Slo, bad: Sequence[Slot], at: datetime) -> Budget:
    """The error budget of `slo` at `at`, given the `bad` slots of its period, oldest first."""
    mine = _within(bad, slo.period, at)
    remaining = 1 - burn_rate(slo, mine, slo.period, at)
    return Budget(at, remaining, tuple(_burn(slo, mine, rule, remaining, at) for rule in slo.active_rules()))


_MICRO = timedelta(microseconds=1)


def _within(slots: Sequence[Slot], look_back: timedelta, at: datetime) -> Sequence[Slot]:
    first = bisect_right(slots, at - look_back, key=_end)
    return slots[first : bisect_right(slots, at, key=_end)]


def _end(slot: Slot) -> datetime:
    return slot.span.end


def _burn(slo: Slo, bad: Sequence[Slot], rule: BurnRateRule, remaining: Fraction, at: datetime) -> Burn:
    long = burn_rate(slo, bad, slo.long(rule), at)
    short = burn_rate(slo, bad, slo.short(rule), at)
    count = len(_within(bad, slo.long(rule), at))
    left = max(Fraction(0), remaining) * Fraction(slo.period // _MICRO) / long if long else None
    threshold = slo.threshold(rule)
    exceeds = long > threshold and short > threshold
    in_horizon = rule.horizon is None or (left is not None and left <= rule.horizon // _MICRO)
    holds = exceeds and count * slo.windows >= MIN_BAD[rule.severity] and in_horizon
    exhausts_in = None if left is None else timedelta(microseconds=int(left))
    return Burn(rule, long, short, count, exhausts_in, exceeds, holds)
