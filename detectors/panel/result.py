"""What the panel says of one window."""

from collections.abc import Mapping
from dataclasses import dataclass

from detectors.panel.attribution import Attribution
from detectors.panel.effect import Effect


@dataclass(frozen=True, slots=True)
class Statistic:
    """One of the panel's statistics, in its own unit, and its own p-value in (0, 1]."""

    value: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Result:
    """What the panel says of one window: see `Panel`.

    `statistics` has one entry for each of `NAMES`; `attribution` takes one of them apart. `copies` counts
    the tested rows that equal an earlier one: if they are no independent draws of popular inputs, the p-value is too
    small, and the rows should be made distinct first (`detectors.distinct_rows`).
    """

    p_value: float
    drifted: bool
    effect: Effect
    statistics: Mapping[str, Statistic]
    attribution: Attribution
    copies: int
