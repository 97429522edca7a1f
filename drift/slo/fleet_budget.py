"""How many false pages a year a whole fleet may have, divided over its objectives.

Every objective keeps its bound, unless chance would raise more pages by it than the greatest share that the fleet can
afford: then it gets a lower one. So what hardly ever pages by chance loses nothing to what does.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import count
from math import ceil, floor, log10
from typing import Final

from drift.slo.false_alarms import false_alarms
from drift.slo.indicators import Sli
from drift.slo.objectives import Slo
from drift.slo.rules import BurnRateRule

STEPS: Final = (1, 2, 5)
"""Bounds are the stated one divided by these, and by tens, hundreds … of them: numbers that one can read."""


@dataclass(frozen=True, slots=True)
class Share:
    """An objective's part of the false pages: its `alpha` may be lowered, to no less than `least`.

    `least` is None where alpha is what it is.
    """

    slo: Slo
    least: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Division:
    """The alphas of objectives, the pages a year by chance that they raise together, and which raises most.

    `least` is what there would be at the lowest alphas, rounded up to two digits: no fleet budget below it can be kept.
    """

    alphas: Mapping[Slo, Fraction]
    pages: float
    least: float
    worst: Slo | None


def divide(shares: Sequence[Share], pages: float) -> Division:
    """The greatest alphas by which all `shares` together raise at most `pages` pages a year by chance.

    Where even the lowest raise more, these.
    """
    steps = {share.slo: _steps(_terms(share.slo), share.least) for share in shares}
    kinds = Counter(steps.values())
    caps = sorted({rate for kind in kinds for _, rate in kind}, reverse=True)
    chosen = next((cap for cap in caps if _total(kinds, cap) <= pages), 0.0)
    found = {slo: _within(kind, chosen) for slo, kind in steps.items()}
    return Division(
        alphas={slo: alpha for slo, (alpha, _) in found.items()},
        pages=sum(rate for _, rate in found.values()),
        least=rounded_up(_total(kinds, 0.0)),
        worst=max(found, key=lambda slo: found[slo][1], default=None),
    )


Step = tuple[Fraction, float]


Terms = tuple[Fraction, timedelta, timedelta, Fraction, tuple[BurnRateRule, ...], int]


def _terms(slo: Slo) -> Terms:
    """All that its false pages depend on."""
    return slo.target, slo.interval, slo.period, slo.alpha, slo.rules, slo.windows


@lru_cache(maxsize=1024)  # most objectives of a large fleet differ in their names alone
def _steps(terms: Terms, least: Fraction | None) -> tuple[Step, ...]:
    """Alphas of an objective, the greatest first, each with the pages a year that it raises."""
    target, interval, period, stated, rules, windows = terms
    found = []
    for alpha in _alphas(stated, least):
        slo = Slo("", "", Sli(""), target, interval, period, alpha, rules, windows=windows)
        found.append((alpha, false_alarms(slo, float(alpha)).pages))
    return tuple(found)


def _alphas(stated: Fraction, least: Fraction | None) -> Iterator[Fraction]:
    yield stated
    for i in count(1):
        lower = stated / (STEPS[i % 3] * 10 ** (i // 3))
        if least is None or lower < least:
            return
        yield lower


def _within(kind: tuple[Step, ...], cap: float) -> Step:
    """The first that raises at most `cap`, else the one that raises least."""
    return next((step for step in kind if step[1] <= cap), min(kind, key=lambda step: step[1]))


def _total(kinds: Mapping[tuple[Step, ...], int], cap: float) -> float:
    return sum(many * _within(kind, cap)[1] for kind, many in kinds.items())


def rounded_up(value: float) -> float:
    """The next number above that has two digits."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (floor(log10(value)) - 1)
    return ceil(value / unit) * unit
