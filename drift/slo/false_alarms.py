"""How many alerts a year nothing but chance raises, if slots are bad independently of one another.

A page begins in a slot in which some rule is true that was not true one slot before. For one rule that is a sum over
three slots (the one that comes, the one that leaves the short look-back, the one that leaves the long) and two binomial
counts (of the slots that stay in both look-backs, and of those that stay in the long one alone): exact. The sum over
rules is an upper bound, since two rules may begin at once, and one may begin while another keeps the alert firing.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlog1py, xlogy

from drift.slo.objectives import Slo
from drift.slo.rules import Severity, Tier

YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Pages and tickets a year, as expected, that no fault causes."""

    pages: float = 0.0
    tickets: float = 0.0

    def __add__(self, other: "FalseAlarms") -> "FalseAlarms":
        return FalseAlarms(self.pages + other.pages, self.tickets + other.tickets)


def false_alarms(slo: Slo, chance: float, usual: Fraction = Fraction(0)) -> FalseAlarms:
    """At most so many a year, where each slot of `slo` is bad with `chance`, whatever the others are.

    Slots that depend on one another raise more: bad ones come together. Where `slo` counts events, all those of a bad
    slot are taken for bad, and the share `usual` of a good one, of slots that have as many.
    """
    a_year = YEAR / slo.interval
    usual = min(usual, slo.budget)  # or the slot would not be good
    tiers = [_beside(slo, tier, usual) for tier in slo.tiers]
    each = [(tier.rule.severity, a_year * begins(slo, tier, chance, usual)) for tier in tiers]
    pages = sum(rate for severity, rate in each if severity is Severity.PAGE)
    tickets = sum(rate for severity, rate in each if severity is Severity.TICKET)
    return FalseAlarms(pages, tickets)


def begins(slo: Slo, tier: Tier, chance: float, usual: Fraction = Fraction(0)) -> float:
    """The probability that `tier` is true at the end of a slot and was not one slot before."""
    long, short = tier.slots_long, min(tier.slots_short, tier.slots_long)
    needed, recent = _needed(slo, tier, chance, usual), tier.bad_short
    both = np.arange(short)  # bad slots that stay in both look-backs
    only_long = long > short
    rest = _binomial(long - short - 1 if only_long else 0, chance)  # of those that stay in the long one alone
    at_least = np.append(np.cumsum(rest[::-1])[::-1], 0.0)
    total = 0.0
    for new, left_short, left_long in product((0, 1), (0, 1) if only_long else (0,), (0, 1)):
        # Where both look-backs are one, the slot that leaves the long leaves the short as well.
        before_short = both + (left_short if only_long else left_long)
        enough = np.clip(needed - both - new - left_short, 0, rest.size)
        too_many = np.clip(needed - both - left_short - left_long, enough, rest.size)
        begun = at_least[enough] - np.where(before_short >= recent, at_least[too_many], 0.0)
        singles = [new, left_long, *([left_short] if only_long else [])]
        weight = float(np.prod([chance if bad else 1 - chance for bad in singles]))
        total += weight * float(_binomial(short - 1, chance)[both + new >= recent] @ begun[both + new >= recent])
    return total


def _needed(slo: Slo, tier: Tier, chance: float, usual: Fraction) -> int:
    """Bad slots of the long look-back that make `tier` true, the projection included.

    The rest of the period has as many bad ones as expected.
    """
    horizon = tier.rule.horizon
    if horizon is None:
        return tier.bad_long
    slots = Fraction(slo.period / slo.interval)
    elsewhere = (Fraction(chance) + (1 - Fraction(chance)) * usual) * max(slots - tier.slots_long, Fraction(0))
    for bad in range(tier.bad_long, tier.slots_long + 1):
        spent = bad + (tier.slots_long - bad) * usual
        left = max(Fraction(0), 1 - (spent + elsewhere) / (slo.budget * slots))
        burn = spent / (slo.budget * tier.slots_long)
        if left * Fraction(slo.period / horizon) <= burn:
            return bad
    return tier.slots_long + 1


def _beside(slo: Slo, tier: Tier, usual: Fraction) -> Tier:
    """`tier` where good slots burn as well, at the share `usual`: it needs fewer bad ones."""

    def needed(slots: int) -> int:
        return max(0, int(slots * (tier.threshold * slo.budget - usual) / (1 - usual) // 1) + 1)

    if not usual:
        return tier
    return replace(tier, bad_long=max(needed(tier.slots_long), tier.floor), bad_short=needed(tier.slots_short))


def _binomial(count: int, chance: float) -> npt.NDArray[np.float64]:
    """The law of how many of `count` slots are bad: 0 to `count`."""
    bad = np.arange(count + 1)
    ways = gammaln(count + 1) - gammaln(bad + 1) - gammaln(count - bad + 1)
    law: npt.NDArray[np.float64] = np.exp(ways + xlogy(bad, chance) + xlog1py(count - bad, -chance))
    return law
