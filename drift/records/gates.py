"""What gates have decided."""

import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """One number of a report beside its limits, of which there may be none. `segment` is "" for all rows.

    `wanted` is "at least" or "at most": on which side of its limits the number should lie. `words` say what it is.
    """

    name: str
    segment: str
    value: float
    warn: float | None
    fail: float | None
    wanted: str
    verdict: str
    words: str


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

    @property
    def checks(self) -> tuple[Checked, ...]:
        """Every check of the report, in its order."""
        said = json.loads(self.report or "{}").get("checks", [])
        return tuple(Checked(one.pop("check"), **one) for one in said)


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
