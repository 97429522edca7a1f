"""Why a window is as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """Causes, the likeliest first, their scores adding up to at most 1; and the slugs that were looked for in vain.

    `against` says of slugs that are ruled out by which number, as a clause.
    """

    causes: tuple[Cause, ...]
    ruled_out: tuple[str, ...]
    against: Mapping[str, str] = field(default_factory=dict)

    @property
    def ruled_out_by(self) -> Mapping[str, tuple[str, ...]]:
        """The slugs that are ruled out, by what speaks against them; those of no number under ""."""
        found: dict[str, tuple[str, ...]] = {}
        for slug in self.ruled_out:
            why = self.against.get(slug, "")
            found[why] = (*found.get(why, ()), slug)
        return found


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What a stretch of a stream was found to have, by its key, and when; the objective that asked, "" for a person."""

    stream: str
    slo: str
    span: Span
    made_at: datetime
    found: Diagnosis
