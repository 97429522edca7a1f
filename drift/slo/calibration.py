"""Does a test keep its word? How often healthy windows were bad, against how often they may be by chance."""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Final

from scipy.special import betaincinv

OVER: Final = timedelta(days=30)
MOST: Final = 10_000
"""Windows that are looked at, at most: the newest of the last `OVER`. They tell 0.5 % from 0.7 %."""
LEVEL: Final = 0.99
ADVICE: Final = (
    "Rows of one session are not independent: send one of each, or give them one id. Traffic that changes with the "
    "hour: set `calibrate: windows` on the objective. A small or old reference: give it more rows, or newer ones."
)
"""What to do where a test does not keep its level."""


LEAST: Final = 100
"""Healthy windows from which on they say how often one is bad by chance."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Healthy windows of an objective that counts events: how many were bad, and bad events of all in them."""

    windows: int
    bad: int
    events: int
    bad_events: int

    @property
    def chance(self) -> float | None:
        """How often a healthy window is bad, never 0; None where too few are on record to say."""
        return (1 + self.bad) / (1 + self.windows) if self.windows >= LEAST else None

    @property
    def share(self) -> Fraction:
        """Bad events of all."""
        return Fraction(self.bad_events, self.events) if self.events else Fraction(0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of `windows` healthy ones that had a verdict `bad` were bad; of healthy windows `alpha` should be, at most.

    Healthy are those outside of firing alerts, good or bad.
    """

    windows: int
    bad: int
    alpha: float

    @property
    def interval(self) -> tuple[float, float]:
        """The shares of bad windows that these counts may come from: exact, 99 % (Clopper and Pearson, 1934)."""
        tail, good = (1 - LEVEL) / 2, self.windows - self.bad
        low = float(betaincinv(self.bad, good + 1, tail)) if self.bad else 0.0
        return low, float(betaincinv(self.bad + 1, good, 1 - tail)) if good else 1.0

    @property
    def too_many(self) -> bool:
        """Whether surely more healthy windows are bad than may be."""
        return self.interval[0] > self.alpha
