"""How extreme a window is among past ones of the same hour: for traffic that is dependent, or changes by the clock.

A test's own p-value takes the rows for independent and the reference for all that is usual. Where rows come in
sessions, or nights are not like days, it is small in healthy windows too. Its rank among the p-values of past healthy
windows of the same hour is a p-value again, whatever made those small (conformal prediction; Vovk, Gammerman and
Shafer, 2005), as long as healthy windows of one hour are exchangeable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drift.slo.indicators import Sli


class Hours(StrEnum):
    """Which past windows are alike, the closest first. Hours are those of UTC."""

    OF_WEEK = "hour of the week"
    OF_DAY = "hour of the day"
    ANY = "any hour"

    def alike(self, one: datetime, other: datetime) -> bool:
        """Whether windows that begin at these times are."""
        same_hour = self is Hours.ANY or one.hour == other.hour
        return same_hour and (self is not Hours.OF_WEEK or one.weekday() == other.weekday())


@dataclass(frozen=True, slots=True)
class Past:
    """A past healthy window: when it began, and the test's own p-value."""

    start: datetime
    p_value: float


@dataclass(frozen=True, slots=True)
class Conformal:
    """A p-value in (0, 1] by rank among `windows` past ones; None where they are too few, and the test's own counts."""

    p_value: float | None
    windows: int
    hours: Hours

    def __str__(self) -> str:
        if self.p_value is None:
            return f"the test's own p-value, as there are only {self.windows} past healthy windows to rank it among"
        alike = "" if self.hours is Hours.ANY else f" of the same {self.hours}"
        return f"p-value by rank among {self.windows} past healthy windows{alike}"


def conformal(sli: Sli, now: Past, past: Sequence[Past]) -> Conformal:
    """The rank of the window `now` among `past` ones of the closest hours that are enough for a bad verdict.

    (1 + how many have a p-value as small) / (1 + how many there are): below the bound for at most that share of healthy
    windows, on average over pasts. Past windows must be healthy ones, *not* those with a good verdict: without the most
    extreme of the healthy ones their law would end at the bound, and ever more of the next would lie beyond.
    """
    for hours in Hours:
        alike = [one.p_value for one in past if hours.alike(one.start, now.start)]
        if len(alike) >= needed(sli):
            as_small = sum(p_value <= now.p_value for p_value in alike)
            return Conformal((1 + as_small) / (1 + len(alike)), len(alike), hours)
    return Conformal(None, len(past), Hours.ANY)


def needed(sli: Sli) -> int:
    """How many past windows it takes for the smallest rank to lie below the bound of `sli`."""
    bound = sli.at_least or 1.0
    count = int(1 / bound)
    return count if 1 / (1 + count) < bound else count + 1
