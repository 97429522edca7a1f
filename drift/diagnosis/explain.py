"""How well each fault explains the failing rows, and what that makes of the faults' chances."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from drift.records import UNKNOWN

LEAST: Final = 0.3
"""A fault that explains less of a row's deviation than this is less likely than one that is not known. Faults that have
nothing to do with one another explain next to nothing of each other: each moves a vector its own way in hundreds of
dimensions."""
SLACK: Final = 0.02
AS_GOOD: Final = 0.005
SHOWN: Final = 0.02

Shares = Float64[np.ndarray, "n"]


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A fault by slug, how it came about, and the share in [0, 1] that it explains of each failing row's deviation."""

    cause: str
    how: str
    explained: Shares

    @property
    def complete(self) -> bool:
        """Whether it leaves next to nothing of any row."""
        return bool((self.explained > 1 - SLACK).all())


@dataclass(frozen=True, slots=True)
class Ranked:
    """An explanation, or none for what is unknown, with its score in [0, 1]."""

    cause: str
    score: float
    best: Explanation | None


def explained(left: Shares, deviation: Shares) -> Shares:
    """The share of each row's deviation that is gone where `left` is left; never below 0."""
    shares: Shares = np.clip(1 - left / np.maximum(deviation, 1e-30), 0, 1)
    return shares


def rank(found: Sequence[Explanation], rows: int) -> Iterator[Ranked]:
    """Each cause by its best explanation, the likeliest first; scores add up to at most 1.

    The odds of a fault for a row are explained / unexplained; those of an unknown one are fixed (`LEAST`). A cause is
    left out where one that stands earlier in `found`, and so is simpler, explains every row as well.
    """
    best: dict[str, Explanation] = {}
    for one in found:
        if one.cause not in best or one.explained.mean() > best[one.cause].explained.mean() + AS_GOOD:
            best[one.cause] = one
    kept: list[Explanation] = []
    for one in best.values():
        if not any((earlier.explained >= one.explained - AS_GOOD).all() for earlier in kept):
            kept.append(one)
    odds = np.array([_odds(one.explained) for one in kept] + [_odds(np.full(rows, LEAST))])
    scores = (odds / odds.sum(0)).mean(1)
    ranked = [Ranked(one.cause, float(score), one) for one, score in zip(kept, scores, strict=False)]
    ranked.append(Ranked(UNKNOWN, float(scores[-1]), None))
    yield from sorted((one for one in ranked if one.score >= SHOWN), key=lambda one: -one.score)


def _odds(share: Shares) -> Shares:
    return share / (1 + SLACK - share)
