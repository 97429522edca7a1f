"""What is promised: a share of good windows, and how fast its budget may burn.

Look-backs and factors are those of the SRE Workbook, chapter 5 ("Alerting on SLOs").
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from drift.slo.conformal import needed
from drift.slo.indicators import Sli


class Severity(StrEnum):
    """Who is told: a page wakes somebody, a ticket waits for the morning."""

    PAGE = "page"
    TICKET = "ticket"


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
"""Windows in bad slots, below which nobody is told: of one or two bad windows a burn rate says nothing."""

NODATA_AFTER: Final = 3
INSUFFICIENT_AFTER: Final = 12


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective: the share of good slots of `interval` over a rolling `period` is at least `target`.

    `alpha` is the share of slots that the detector calls bad when nothing is wrong. `stream` is the key of the stream.
    Each slot is of `windows` windows, more than one where they are measured together.
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

    @property
    def learning(self) -> timedelta:
        """How long it takes until there are enough past windows to be calibrated on, at least.

        Those of the longest look-back do not count: a change must not be ranked among itself before it can fire.
        """
        return max(map(self.long, self.rules)) + needed(self.sli) * self.interval

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
