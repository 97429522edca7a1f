"""What gates have decided."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import NotRequired, TypedDict


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
        return tuple(_checked(one) for one in json.loads(self.report or "{}").get("checks", []))


class _Said(TypedDict):
    """A check of a report. Another version may have written more, or no `wanted`."""

    check: str
    segment: str
    value: float
    warn: float | None
    fail: float | None
    wanted: NotRequired[str]
    verdict: str
    words: str


def _checked(said: _Said) -> Checked:
    limits, wanted = (said["warn"], said["fail"]), said.get("wanted") or _wanted(said)
    return Checked(said["check"], said["segment"], said["value"], *limits, wanted, said["verdict"], said["words"])


def _wanted(said: _Said) -> str:
    if told := re.search(r", (at least|at most) \S+ is wanted$", said["words"]):
        return told[1]
    # One that passes names no limit. The stricter one warns; where there is one alone, the value is on its right side.
    warn, fail = said["warn"], said["fail"]
    if warn is not None and fail is not None and warn != fail:
        return "at least" if warn > fail else "at most"
    limit = fail if warn is None else warn
    return "at most" if limit is not None and said["value"] < limit else "at least"


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
