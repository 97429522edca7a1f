"""What gates have decided."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run of the gate came to: `verdict` is pass, warn, fail, or error where it could not decide.

    `reasons` are in order of weight, `report` is the whole of `drift gate --json`, "" without one.
    """

    baseline: str
    candidate: str
    verdict: str
    reasons: tuple[str, ...] = ()
    rows: int = 0
    report: str = ""


@dataclass(frozen=True, slots=True)
class Gated:
    """A judgement on record. `id` is that of the retraining it follows on, or of the run; `model`, `stream` and
    `version` are "" where nobody said."""

    id: str
    judgement: Judgement
    decided_at: datetime
    model: str = ""
    stream: str = ""
    version: str = ""
