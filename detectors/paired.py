"""Golden texts, the same before and after: how much accuracy is lost, at once or while looking after every batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Final, final

import numpy as np
from jaxtyping import Bool
from scipy.optimize import brentq
from scipy.special import bdtr

from detectors.arguments import require_share, require_share_or_zero, require_whole
from detectors.arrays import Flags, as_flags
from detectors.kernels import Z
from drift.errors import TooFewRowsError, UnmeasurableError

BETS: Final = (np.arange(1, 17) / 17) ** 2
"""Shares of the largest stake that cannot lose everything. Small ones find small losses late, large ones large losses
soon; all are played, with a sixteenth of the capital each."""


LEAST_FOR_MEDIAN: Final = 6
"""Of fewer values not even the least and the greatest enclose the median in 95 % of cases."""


@final
@dataclass(frozen=True, slots=True)
class PairedAccuracy:
    """The accuracies `before` and `after` on the same `rows` inputs, and their difference, after less before.

    `low` and `high` are its 95 % score interval (Tango, Statistics in Medicine 17, 1998). `p_value` is McNemar's exact
    two-sided test on the inputs whose answer has changed: `lost` were right before only, `gained` are right after only.
    """

    rows: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    p_value: float
    lost: int
    gained: int


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """A 95 % interval of the median of what gives `values`, whatever their law; None of too few.

    Of n values the number below the median is binomial, so the k-th from either end enclose it.
    """
    n, ordered = len(values), sorted(values)
    beyond = sum(2 * float(bdtr(k, n, 0.5)) <= 0.05 for k in range(n // 2))
    return (ordered[beyond - 1], ordered[n - beyond]) if beyond else None


def paired_accuracy(before: Flags, after: Flags) -> PairedAccuracy:
    """Compare right or wrong answers on the same inputs in the same order, for one look at them.

    Inputs whose answer stays are no noise here: a loss of two points where 3 % of the answers change shows in some 600
    inputs; two separate samples, at an accuracy of .8, would need 6000.

    Raises:
        UnmeasurableError: the two are not booleans of one length.
        TooFewRowsError: there are none.
    """
    was, now = paired(before, after)
    lost, _, gained = changes(was, now)
    rows = len(was)
    if not rows:
        raise TooFewRowsError("paired_accuracy needs at least 1 input, before and after have 0: ask some golden texts")
    low, high = score_interval(lost, gained, rows)
    p = min(1.0, 2 * float(bdtr(min(lost, gained), lost + gained, 0.5))) if lost + gained else 1.0
    return PairedAccuracy(
        rows, float(was.mean()), float(now.mean()), (gained - lost) / rows, low, high, p, lost, gained
    )


@final
@dataclass(frozen=True, slots=True)
class PairedSequence:
    """A confidence sequence for the mean difference, after less before: it may be looked at after every batch.

    With a chance of at least 1 - `alpha`, `lower` and `upper` hold the mean at all times together, so whoever stops
    when the result pleases is not fooled. By betting (Waudby-Smith and Ramdas, JRSS-B 86, 2024): a capital that is
    staked against a mean grows to 2 / alpha with a chance of at most alpha / 2 if that is the mean. The same holds
    where the mean changes: while no batch's true loss is larger than `tolerance`, `loss_shown` comes with a chance of
    at most alpha / 2 (Podkopaev and Ramdas, arXiv 2110.06177).

    The state is three counts, so neither the order nor the size of batches matters. Give each input once: a text that
    is asked again is no new evidence.
    """

    alpha: float = 0.05
    tolerance: float = 0.0
    lost: int = 0
    same: int = 0
    gained: int = 0

    def __post_init__(self) -> None:
        require_share("PairedSequence", "alpha", self.alpha)
        require_share_or_zero("PairedSequence", "tolerance", self.tolerance)
        for name, count in (("lost", self.lost), ("same", self.same), ("gained", self.gained)):
            require_whole("PairedSequence", name, count, 0)

    def update(self, before: Flags, after: Flags) -> "PairedSequence":
        """This with a batch of new inputs, of any size.

        Raises:
            UnmeasurableError: the two are not booleans of one length.
        """
        lost, same, gained = changes(*paired(before, after))
        return replace(self, lost=self.lost + lost, same=self.same + same, gained=self.gained + gained)

    @property
    def rows(self) -> int:
        return self.lost + self.same + self.gained

    @property
    def lower(self) -> float:
        """At least so large is the mean difference; -1 where nothing is known."""
        return -upper_bound(self.gained, self.same, self.lost, self.alpha)

    @property
    def upper(self) -> float:
        """At most so large is the mean difference; 1 where nothing is known."""
        return upper_bound(self.lost, self.same, self.gained, self.alpha)

    @property
    def loss_shown(self) -> bool:
        """Whether more accuracy is lost than `tolerance`: `upper` is below -`tolerance`."""
        return log_capital(-self.tolerance, self.lost, self.same, self.gained) > log(2 / self.alpha)

    def rules_out(self, loss: float) -> bool:
        """Whether less than `loss` accuracy is lost, in (0, 1): `lower` is above -`loss`."""
        require_share("PairedSequence.rules_out", "loss", loss)
        return log_capital(loss, self.gained, self.same, self.lost) > log(2 / self.alpha)


def paired(before: Flags, after: Flags) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """The two as arrays of one length.

    Raises:
        UnmeasurableError: they are not.
    """
    was, now = as_flags(before, "before"), as_flags(after, "after")
    if len(was) != len(now):
        raise UnmeasurableError(
            f"paired accuracies need the same inputs, before has {len(was)} and after {len(now)}: "
            "ask both the same texts in the same order"
        )
    return was, now


def changes(was: Bool[np.ndarray, "n"], now: Bool[np.ndarray, "n"]) -> tuple[int, int, int]:
    """How many inputs were right before only, are as they were, and are right after only."""
    lost, gained = int((was & ~now).sum()), int((~was & now).sum())
    return lost, len(was) - lost - gained, gained


def score_interval(lost: int, gained: int, rows: int, z: float = Z) -> tuple[float, float]:
    """Tango's interval for the mean difference, 95 % by default: where its score test finds nothing."""
    return score_bound(lost, gained, rows, z), -score_bound(gained, lost, rows, z)


def score_bound(lost: int, gained: int, rows: int, z: float) -> float:
    """The smallest difference that is not rejected."""

    def excess(difference: float) -> float:
        half = lost + gained - (2 * rows - gained + lost) * difference
        # The most likely share of lost inputs, given the difference.
        under = half * half + 8 * rows * lost * difference * (1 - difference)
        share = (half + sqrt(max(0.0, under))) / (4 * rows)
        variance = max(0.0, 2 * share + difference * (1 - difference))
        return gained - lost - rows * difference - z * sqrt(rows * variance)

    if lost == rows:
        return -1.0
    # Below what was found: there the variance may be 0, and with it the excess.
    return float(brentq(excess, -1.0, (gained - lost) / rows - 1e-9, xtol=1e-12))


def upper_bound(lost: int, same: int, gained: int, alpha: float) -> float:
    """The mean from which on the capital that bets on less than it has reached 2 / alpha; 1 where there is none."""

    def excess(mean: float) -> float:
        return log_capital(mean, lost, same, gained) - log(2 / alpha)

    # Below 1, where the largest stake would be infinite.
    most = 1 - 1e-9
    return float(brentq(excess, -1.0, most, xtol=1e-12)) if excess(most) > 0 else 1.0


def log_capital(mean: float, lost: int, same: int, gained: int) -> float:
    """The logarithm of what 1 has become by betting that the differences are less than `mean`; increases with it.

    A stake s in [0, 1 / (1 - mean)) turns 1 into 1 - s (difference - mean) at each input, in any order.
    """
    stakes = BETS / (1 - mean)
    grown = lost * np.log1p(stakes * (1 + mean)) + same * np.log1p(stakes * mean) + gained * np.log1p(-BETS)
    most = float(grown.max())
    return most + log(float(np.exp(grown - most).mean()))
