"""Why a window is as it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from drift.records.streams import Span

NONE: Final = "none"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause by its slug, how likely it is among all in [0, 1], the numbers in one sentence, what to do."""

    cause: str
    score: float
    evidence: str
    next_step: str

    @property
    def is_named(self) -> bool:
        """Whether it says what is wrong."""
        return self.cause not in {NONE, UNKNOWN}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Causes, the likeliest first, their scores adding up to at most 1; and the slugs that were looked for in vain."""

    causes: tuple[Cause, ...]
    ruled_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What a stretch of a stream was found to have, by its key, and when; the objective that asked, "" for a person."""

    stream: str
    slo: str
    span: Span
    made_at: datetime
    found: Diagnosis
