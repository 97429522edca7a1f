"""How fast is too fast: look-backs and factors, and what they come to for one objective.

Look-backs and factors are those of the SRE Workbook, chapter 5 ("Alerting on SLOs").
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final


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


LEAST_PAGE: Final = 3
"""Baselines a period that a page needs at least, whatever its rule says."""
_SECOND, _HOUR, _DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def default_rules(period: timedelta) -> tuple[BurnRateRule, ...]:
    """The rules of an objective that names none: each asks for a share of the budget within its long look-back.

    Factors are those of the period: 14.4, 6, 3 and 1 of 30 days, 13.44, 5.6, 2.8 and 0.93 of 28, a page's at least
    `LEAST_PAGE`. Shorter periods take those of 28 days and longer ones those of 30: 2 % of a week's budget in an hour
    is chance, of a quarter's it is more than an hour has.
    """
    month = min(max(period, 28 * _DAY), 30 * _DAY)

    def rule(
        name: str,
        severity: Severity,
        share: str,
        long: timedelta,
        short: timedelta,
        *,
        horizon: timedelta | None = None,
    ) -> BurnRateRule:
        factor = Fraction(share) * Fraction(month // _SECOND, long // _SECOND)
        if severity is Severity.PAGE:
            factor = max(factor, Fraction(LEAST_PAGE))
        return BurnRateRule(name, severity, factor, long, short, horizon)

    return (
        rule("fast", Severity.PAGE, "0.02", _HOUR, _HOUR / 12, horizon=30 * _DAY),
        rule("slow", Severity.PAGE, "0.05", 6 * _HOUR, _HOUR / 2, horizon=30 * _DAY),
        rule("projected", Severity.PAGE, "0.1", _DAY, 2 * _HOUR, horizon=72 * _HOUR),
        rule("ticket_1d", Severity.TICKET, "0.1", _DAY, 2 * _HOUR),
        rule("ticket_3d", Severity.TICKET, "0.1", 3 * _DAY, 6 * _HOUR),
    )


RULES: Final = default_rules(30 * _DAY)
MIN_BAD: Final = {Severity.PAGE: 3, Severity.TICKET: 2}
"""Windows in bad slots, below which nobody is told: of one or two bad windows a burn rate says nothing."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A rule as the interval and the budget of an objective make it.

    Both look-backs burn more than `threshold` budgets a period; `allowed_long` and `allowed_short` are the bad
    microseconds in each that burn 1. `floor` is how many slots of the long one must be bad whatever they burn.
    `bad_long` and `bad_short` are what it all comes to in whole slots: that many of `slots_long` and `slots_short`.
    """

    rule: BurnRateRule
    threshold: Fraction
    long: timedelta
    short: timedelta
    allowed_long: Fraction
    allowed_short: Fraction
    floor: int
    slots_long: int
    slots_short: int
    bad_long: int
    bad_short: int
