"""Rows that no detector can look at, because they are no vectors."""

from dataclasses import replace
from typing import Final

from drift.diagnosis.causes import cause_of, diagnosis_of
from drift.records import NONE, UNKNOWN, Diagnosis, RowReason, Window

REASONS: Final = (RowReason.ZERO_VECTOR, RowReason.NOT_FINITE, RowReason.WRONG_DIMENSION)
FEW: Final = 0.01
"""Share of rows that may be unusable; `drift compare` calls more drift."""
LIKELY: Final = 0.9


def with_unusable(found: Diagnosis, window: Window) -> Diagnosis:
    """`found`, which is of the usable rows, with what the others say: first where those are well, else last.

    Zero vectors are `zeroed-dimensions`; for numbers that are not finite, and other lengths, there is no name.
    """
    counts = {reason: count for reason in REASONS if (count := window.rejected.get(reason, 0))}
    share = sum(counts.values()) / max(window.received, 1)
    if share <= FEW:
        return found
    slug = "zeroed-dimensions" if max(counts, key=lambda reason: counts[reason]) is RowReason.ZERO_VECTOR else UNKNOWN
    named = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in counts.items())
    well = found.causes[0].cause == NONE or not len(window.rows)
    score = LIKELY if well else 1 - LIKELY
    said = cause_of(slug, score, f"{share:.0%} of {window.received} rows cannot be used ({named}).")
    others = (cause for cause in found.causes if cause.cause not in {NONE, slug})
    rest = tuple(replace(cause, score=round((1 - score) * cause.score, 3)) for cause in others)
    return diagnosis_of((said, *rest) if well else (*rest, said), found.ruled_out, found.against)
