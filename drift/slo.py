"""Objectives and how fast their error budgets burn.

Time-slice budgeting with the nominal number of slices as denominator, so that missing data can neither inflate a burn
nor resolve an alert. Look-backs and factors are those of the SRE Workbook, chapter 5 ("Alerting on SLOs"); every page
is gated by a projection of when the budget runs out. All decisions are made on exact fractions.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from drift.records import Measurement, Span


class Outcome(StrEnum):
    """What became of one slot of an objective."""

    GOOD = "good"
    BAD = "bad"
    MISSING = "missing"  # nothing arrived
    INSUFFICIENT = "insufficient"  # evaluated, but too little for a verdict
    EXCLUDED = "excluded"  # planned maintenance: no verdict, no budget spent

    @property
    def is_verdict(self) -> bool:
        return self in {Outcome.GOOD, Outcome.BAD}


class Severity(StrEnum):
    """Who is told: a page wakes somebody, a ticket waits for the morning."""

    PAGE = "page"
    TICKET = "ticket"


class Quantity(StrEnum):
    """Which number of a measurement an indicator looks at."""

    VALUE = "value"
    P_VALUE = "p_value"


@dataclass(frozen=True, slots=True)
class Slot:
    """One stretch of an objective's time and what became of it."""

    span: Span
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Sli:
    """Says which measurements of a detector are good: those with `at_least <= quantity <= at_most`."""

    detector: str
    quantity: Quantity = Quantity.VALUE
    at_least: float | None = None
    at_most: float | None = None

    def number(self, measurement: Measurement) -> float:
        """The number that is judged.

        Raises:
            ValueError: the indicator looks at a p-value and the detector is not a test.
        """
        if self.quantity is Quantity.VALUE:
            return measurement.value
        if measurement.p_value is None:
            raise ValueError(f"{measurement.detector} gives no p-value: judge its value instead")
        return measurement.p_value

    def judge(self, measurement: Measurement) -> Outcome:
        """GOOD or BAD."""
        number = self.number(measurement)
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return Outcome.GOOD if low <= number <= high else Outcome.BAD

    def __str__(self) -> str:
        name = self.detector if self.quantity is Quantity.VALUE else f"{self.detector} p-value"
        bounds = [(">=", self.at_least), ("<=", self.at_most)]
        return f"{name} " + " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class BurnRateRule:
    """How fast is too fast: both look-backs burn more than `factor` budgets a period.

    A page also needs the budget to be projected to run out within `horizon`; None asks for no projection.
    """

    name: str
    severity: Severity
    factor: Fraction
    long: timedelta
    short: timedelta
    horizon: timedelta | None = None


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
RULES: Final[tuple[BurnRateRule, ...]] = (
    BurnRateRule("fast", Severity.PAGE, Fraction("14.4"), _HOUR, timedelta(minutes=5), 30 * _DAY),
    BurnRateRule("slow", Severity.PAGE, Fraction(6), 6 * _HOUR, timedelta(minutes=30), 30 * _DAY),
    BurnRateRule("projected", Severity.PAGE, Fraction(3), _DAY, 2 * _HOUR, 72 * _HOUR),
    BurnRateRule("ticket_1d", Severity.TICKET, Fraction(3), _DAY, 2 * _HOUR),
    BurnRateRule("ticket_3d", Severity.TICKET, Fraction(1), 3 * _DAY, 6 * _HOUR),
)
MIN_BAD: Final = {Severity.PAGE: 3, Severity.TICKET: 2}
NODATA_AFTER: Final = 3
INSUFFICIENT_AFTER: Final = 12


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective: the share of good slots of `interval` over a rolling `period` is at least `target`.

    `alpha` is the share of slots that the detector calls bad when nothing is wrong. `stream` is the key of the stream.
    """

    name: str
    stream: str
    sli: Sli
    target: Fraction
    interval: timedelta
    period: timedelta = 30 * _DAY
    alpha: Fraction = Fraction(0)
    rules: tuple[BurnRateRule, ...] = RULES
    retrain: bool = True

    @property
    def budget(self) -> Fraction:
        """Share of slots that may be bad."""
        return 1 - self.target

    @property
    def baseline(self) -> Fraction:
        """The burn that the detector's own false alarms cause, at least 1."""
        return max(Fraction(1), self.alpha / self.budget)

    def threshold(self, rule: BurnRateRule) -> Fraction:
        """The burn that `rule` asks for, in budgets a period."""
        if rule.severity is Severity.PAGE:
            return max(rule.factor, 3 * self.baseline)
        return rule.factor * self.baseline

    def long(self, rule: BurnRateRule) -> timedelta:
        """The rule's long look-back: a whole number of slots, at least 4."""
        return self._whole(max(rule.long, 4 * self.interval))

    def short(self, rule: BurnRateRule) -> timedelta:
        """The rule's short look-back: a whole number of slots, at least 2."""
        return self._whole(max(rule.short, 2 * self.interval))

    def _whole(self, length: timedelta) -> timedelta:
        return -(-length // self.interval) * self.interval

    def active_rules(self) -> tuple[BurnRateRule, ...]:
        """The rules in order, less page rules that another with the same look-backs makes redundant."""
        return tuple(r for r in self.rules if not any(self._covers(other, r) for other in self.rules))

    def _covers(self, other: BurnRateRule, rule: BurnRateRule) -> bool:
        endless = timedelta.max
        return (
            rule.severity is other.severity is Severity.PAGE
            and (self.long(other), self.short(other)) == (self.long(rule), self.short(rule))
            and other.factor < rule.factor
            and (other.horizon or endless) >= (rule.horizon or endless)
        )

    def faults(self) -> list[str]:
        """Why this objective could not work, in words for its author; empty when it can."""
        found = []
        for rule in self.rules:
            threshold = self.threshold(rule)
            if threshold * self.budget >= 1:
                least = 1 - 1 / threshold
                found.append(
                    f"rule {rule.name!r} can never fire: a burn of {float(threshold):g} needs a target above "
                    f"{float(least):.2%}, the target is {float(self.target):.2%}"
                )
        if self.alpha > self.budget / 5:
            found.append(
                f"alpha {float(self.alpha):g} would spend {float(self.alpha / self.budget):.0%} of the budget on false "
                f"alarms: with a target of {float(self.target):.2%} it may be at most {float(self.budget / 5):g}"
            )
        if self.period < (longest := max(self.long(r) for r in self.rules)):
            found.append(f"the period {self.period} is shorter than the longest look-back {longest}")
        return found


@dataclass(frozen=True, slots=True)
class Burn:
    """What one rule sees: burns in budgets a period, bad slots in the long look-back, and whether it fires.

    `exhausts_in` is how long the budget lasts at the long burn; None when nothing burns. `exceeds` says that both
    burns are over the threshold, `holds` that the floor of bad slots and the projection agree.
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
    holds = exceeds and count >= MIN_BAD[rule.severity] and in_horizon
    exhausts_in = None if left is None else timedelta(microseconds=int(left))
    return Burn(rule, long, short, count, exhausts_in, exceeds, holds)
