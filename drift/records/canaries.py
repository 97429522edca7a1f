"""Two versions of a model side by side in production: what is counted of them, and what was decided."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CanaryState(StrEnum):
    """What should be done with the candidate."""

    WAIT = "wait"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class CanaryRule:
    """When enough is known, for each of `signals`: on the same inputs, is the candidate right as often as the baseline?

    A loss beyond `tolerance` is rolled back once it is shown. The candidate is promoted once a loss of `margin` is
    ruled out in every signal. `alpha` bounds the chance that either is ever wrong.
    """

    signals: tuple[str, ...]
    alpha: float = 0.05
    tolerance: float = 0.0
    margin: float = 0.02


@dataclass(frozen=True, slots=True)
class Tally:
    """One signal's paired inputs: right with the baseline only (`lost`), alike, right with the candidate only.

    The true difference, candidate less baseline, lies in [`low`, `high`], at all times together.
    """

    name: str
    lost: int = 0
    same: int = 0
    gained: int = 0
    low: float = -1.0
    high: float = 1.0

    @property
    def rows(self) -> int:
        return self.lost + self.same + self.gained


@dataclass(frozen=True, slots=True)
class Canary:
    """One trial of a candidate version beside a baseline version, streams of one model; `id` names it for ever.

    `counted_until` is the end of the newest window that counts, `pairs` how many inputs both have served in all those
    `windows`. `detail` says why it was decided so, or what a signal lacks.
    """

    id: str
    model: str
    baseline: str
    candidate: str
    baseline_version: str
    candidate_version: str
    rule: CanaryRule
    tallies: tuple[Tally, ...]
    started_at: datetime
    counted_until: datetime
    state: CanaryState = CanaryState.WAIT
    windows: int = 0
    pairs: int = 0
    decided_at: datetime | None = None
    detail: str = ""


def canary_id(baseline: str, candidate: str, rule: CanaryRule) -> str:
    """Of two streams with their versions: another version, or another rule, is another trial, which counts anew."""
    return "canary_" + hashlib.sha256("\0".join((baseline, candidate, repr(rule))).encode()).hexdigest()[:20]
