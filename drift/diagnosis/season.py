"""Whether a change of the data comes back at the same hours."""

from dataclasses import replace
from typing import Final

from detectors import mmd_permutation_test
from drift.diagnosis.causes import SEASONALITY, cause_of
from drift.records import Diagnosis, Rows

CHANGES: Final = frozenset({"traffic-mix", "new-topic", "language"})
LEAST_ROWS: Final = 64
ALIKE: Final = 0.05
"""Below this p-value the hours differ. At this many rows the test sees what the panel sees of a change of a quarter."""
LIKELY: Final = 0.8


def seasonal(found: Diagnosis, window: Rows, past: Rows) -> Diagnosis:
    """`found`, with seasonality named first where a change of the data is what the same hours looked like before."""
    first = found.causes[0]
    if first.cause not in CHANGES or min(len(window), len(past)) < LEAST_ROWS:
        return found
    p = mmd_permutation_test(window.vectors, past.vectors).p_value
    if p <= ALIKE:
        why = f"rows of the same hours on other days are unlike (p {p:.2g})"
        return replace(found, ruled_out=(*found.ruled_out, SEASONALITY), against={**found.against, SEASONALITY: why})
    said = f"{len(past)} rows of the same hours on other days look alike (p {p:.2g}), and the hours between were good"
    season = cause_of(SEASONALITY, LIKELY, f"{said}. {first.evidence}")
    rest = tuple(replace(cause, score=round((1 - LIKELY) * cause.score, 3)) for cause in found.causes)
    return replace(found, causes=(season, *rest))
