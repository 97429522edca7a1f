"""What is promised: a share of good windows, and how fast its budget may burn."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final

from drift.records import Measurement
from drift.records.durations import format_duration
from drift.slo.conformal import needed
from drift.slo.indicators import Events, Outcome, Sli
from drift.slo.rules import LEAST_PAGE, MIN_BAD, RULES, BurnRateRule, Severity, Tier

_DAY, _MICRO = timedelta(days=1), timedelta(microseconds=1)
NODATA_AFTER: Final = 3
INSUFFICIENT_AFTER: Final = 12


class BudgetingMethod(StrEnum):
    """What a budget is made of, as OpenSLO calls it: good slots, or good events summed over slots."""

    TIMESLICES = "Timeslices"
    OCCURRENCES = "Occurrences"


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective: the share of good slots of `interval` over a rolling `period` is at least `target`.

    By `Occurrences` it is the share of good events; a slot is good where its own share is, and `alpha` is of events.
    `alpha` is the share of slots that the detector calls bad when nothing is wrong. `stream` is the key of the stream.
    Each slot is of `windows` windows, more than one where they are measured together. It raises an alert where data are
    missing unless another objective of the stream does so sooner (`tells_missing`). `tiers` are the rules in order,
    less page rules that another with the same look-backs makes redundant.
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
    windows: int = 1
    method: BudgetingMethod = BudgetingMethod.TIMESLICES
    tells_missing: bool = True
    tiers: tuple[Tier, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Kept, since each slot asks for them.
        object.__setattr__(self, "tiers", tuple(self._tier(rule) for rule in self._active_rules()))

    @property
    def budget(self) -> Fraction:
        """Share of slots, or of events, that may be bad."""
        return 1 - self.target

    def events(self, measured: Measurement | None) -> Events | None:
        """What is counted of a measurement; None without one, and where slots are counted."""
        if measured is None or self.method is BudgetingMethod.TIMESLICES:
            return None
        return self.sli.events(measured)

    def outcome(self, events: Events) -> Outcome:
        """GOOD where a slot with these events spends no more than its part of the budget."""
        return Outcome.GOOD if events.bad <= self.budget * events.total else Outcome.BAD

    @property
    def baseline(self) -> Fraction:
        """The burn that the detector's own false alarms cause, at least 1."""
        return max(Fraction(1), self.alpha / self.budget)

    def at_alpha(self, alpha: Fraction) -> "Slo":
        """The same where so many slots are bad by chance: a p-value is held against a bound of `alpha`."""
        if alpha == self.alpha:
            return self
        return replace(self, sli=replace(self.sli, at_least=float(alpha)), alpha=alpha)

    def threshold(self, rule: BurnRateRule) -> Fraction:
        """The burn that `rule` asks for, in budgets a period."""
        if rule.severity is Severity.PAGE:
            return max(rule.factor, LEAST_PAGE * self.baseline)
        return rule.factor * self.baseline

    def long(self, rule: BurnRateRule) -> timedelta:
        """The rule's long look-back: a whole number of slots, at least 4."""
        return self._whole(max(rule.long, 4 * self.interval))

    def short(self, rule: BurnRateRule) -> timedelta:
        """The rule's short look-back: a whole number of slots, at least 2."""
        return self._whole(max(rule.short, 2 * self.interval))

    @property
    def learning(self) -> timedelta:
        """How long it takes until there are enough past windows to be calibrated on, at least.

        Those of the longest look-back do not count: a change must not be ranked among itself before it can fire.
        """
        return max(map(self.long, self.rules)) + needed(self.sli) * self.interval

    def _whole(self, length: timedelta) -> timedelta:
        return -(-length // self.interval) * self.interval

    def _active_rules(self) -> tuple[BurnRateRule, ...]:
        return tuple(r for r in self.rules if not any(self._covers(other, r) for other in self.rules))

    def _tier(self, rule: BurnRateRule) -> Tier:
        backs = (self.long(rule), self.short(rule))
        terms = (self.budget, self.interval, self.windows)
        return _tier(rule, self.threshold(rule), backs, terms)

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
            if rule.horizon is not None and rule.horizon < self.interval:
                horizon, slot = map(format_duration, (rule.horizon, self.interval))
                found.append(f"rule {rule.name!r} has a horizon of {horizon}: it needs that of a slot at least, {slot}")
        if self.alpha > self.budget / 5:
            found.append(
                f"alpha {float(self.alpha):g} would spend {float(self.alpha / self.budget):.0%} of the budget on false "
                f"alarms: with a target of {float(self.target):.2%} it may be at most {float(self.budget / 5):g}"
            )
        longest = max(self.rules, key=lambda rule: rule.long)
        if self.period < longest.long:
            found.append(
                f"rule {longest.name!r} looks back {format_duration(longest.long)}, longer than the period "
                f"{format_duration(self.period)}: give the objective a period of at least "
                f"{format_duration(longest.long)}, or rules that look back less"
            )
        elif self.period < (needed := max(map(self.long, self.rules))):
            interval, period, most = map(format_duration, (self.interval, self.period, self.period / 4))
            found.append(
                f"the interval {interval} is too long: rules look back at least 4 intervals, here "
                f"{format_duration(needed)}, and the period is {period}, with which the interval may be at most {most}"
            )
        return found


@lru_cache(maxsize=4096)
def _tier(
    rule: BurnRateRule,
    threshold: Fraction,
    backs: tuple[timedelta, timedelta],
    terms: tuple[Fraction, timedelta, int],
) -> Tier:
    """`rule` by its look-backs and the budget, interval and windows of a slot.

    It is made once for all objectives alike: exact arithmetic takes long, and there are thousands of them.
    """
    (long, short), (budget, interval, windows) = backs, terms
    slots_long, slots_short = long // interval, short // interval
    allowed_long, allowed_short = (budget * (back // _MICRO) for back in (long, short))
    # The floor counts windows, of which a slot may have several.
    floor = -(-MIN_BAD[rule.severity] // windows)
    bad_long, bad_short = (int(threshold * budget * slots) + 1 for slots in (slots_long, slots_short))
    counted = (floor, slots_long, slots_short, max(bad_long, floor), bad_short)
    return Tier(rule, threshold, long, short, allowed_long, allowed_short, *counted)
