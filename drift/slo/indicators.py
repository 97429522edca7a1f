"""Which measurements are good."""

import math
from dataclasses import dataclass
from enum import StrEnum

from drift.records import Measurement


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


class Quantity(StrEnum):
    """Which number of a measurement an indicator looks at."""

    VALUE = "value"
    P_VALUE = "p_value"


@dataclass(frozen=True, slots=True)
class Events:
    """What was counted in a slot: rows or answers, at least one, and how many of them were good."""

    good: int
    total: int

    @property
    def bad(self) -> int:
        return self.total - self.good


@dataclass(frozen=True, slots=True)
class Sli:
    """Says which measurements of a detector are good: those with `at_least <= quantity <= at_most`.

    Where the detector's value is the size of a change, those are good as well whose effect is surely too small to
    matter: the upper end of its interval lies below `effect_at_least`. The upper end decides, since only an interval
    that lies below the minimum as a whole shows that an effect is small. Small windows find nothing so; large ones,
    in which any difference is significant, do.

    `calibrated` says that the p-value that is held against the bound is not the test's own but its rank among those of
    past healthy windows (`conformal`), once there are enough.
    """

    detector: str
    quantity: Quantity = Quantity.VALUE
    at_least: float | None = None
    at_most: float | None = None
    effect_at_least: float | None = None
    calibrated: bool = False

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

    def negligible(self, measurement: Measurement) -> bool:
        """Whether the effect is surely too small to matter, whatever the number that is judged."""
        most = measurement.value if measurement.high is None else measurement.high
        return self.effect_at_least is not None and most < self.effect_at_least

    def judge(self, measurement: Measurement) -> Outcome:
        """GOOD or BAD."""
        good = self.allows(self.number(measurement)) or self.negligible(measurement)
        return Outcome.GOOD if good else Outcome.BAD

    def allows(self, number: float) -> bool:
        """Whether `number`, as it is judged, lies within the bounds."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= number <= high

    def events(self, measurement: Measurement) -> Events:
        """The rows of which the value is a share: of good ones where it must be at least so much, else of bad ones.

        Exact: a value is the quotient of two counts, of which `rows` is one.
        """
        counted = round(measurement.value * measurement.rows)
        return Events(counted if self.at_most is None else measurement.rows - counted, measurement.rows)

    def __str__(self) -> str:
        name = self.detector if self.quantity is Quantity.VALUE else f"{self.detector} p-value"
        name += " among past windows" if self.calibrated else ""
        bounds = [(">=", self.at_least), ("<=", self.at_most)]
        good = f"{name} " + " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
        return f"{good}, or an effect surely below {self.effect_at_least:g}" if self.effect_at_least else good
