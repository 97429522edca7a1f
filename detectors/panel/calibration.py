"""From the panel's statistics to p-values: a bank of null windows, one tail per statistic, one for their minimum."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int

from detectors.kernels import LEAST_P, beta_binomial
from detectors.lengths import HEAVY, tail_index
from detectors.nulls import AMPLE, widening
from detectors.panel.space import Space
from detectors.panel.statistics import NAMES, QUADRATIC, TWO_SIDED
from detectors.panel.tails import Pareto, Pearson3, Tail
from drift.errors import BadArgumentError, BadReferenceError


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How the statistics of healthy windows of one size are distributed.

    `upper` has a tail for each statistic, `lower` one (of the negated statistic) for the two-sided ones, `joint` is the
    tail of minus the logarithm of the smallest p. A healthy window's count of novel rows is beta-binomial whatever the
    reference (split conformal), so `novelty` has the exact chance of each count or more.
    """

    upper: tuple[Tail, ...]
    lower: tuple[Tail | None, ...]
    novelty: Float64[np.ndarray, "n1"]
    joint: Tail

    def marginal(self, values: Float64[np.ndarray, "b s"]) -> Float64[np.ndarray, "b s"]:
        """P-value of each statistic of each window."""
        return _marginal(self.upper, self.lower, self.novelty, values, among=0)

    def joint_p(self, values: Float64[np.ndarray, "b s"]) -> Float64[np.ndarray, "b"]:
        """One p-value for each window: how often the smallest of a healthy window's p-values is as small."""
        return self.joint.p(-np.log(self.marginal(values).min(1)))


def calibrate(bank: Float64[np.ndarray, "b s"], space: Space, n: int, m: int) -> Calibration:
    """The calibration that the null windows `bank`, of `n` of `m` rows each, give.

    Averages over rows vary less over subsets of the same rows, by 1/n - 1/m, than a fresh window's do about those rows'
    average, by 1/n + 1/m. So they are spread by the root of the ratio.
    """
    averages = [NAMES.index(name) for name in TWO_SIDED]
    bank = bank.copy()
    bank[:, averages] += (widening(n, m) - 1) * (bank[:, averages] - bank[:, averages].mean(0))
    upper, lower = [], []
    for name, column in zip(NAMES, np.sort(bank, axis=0).T, strict=True):
        upper.append(Tail(column, Pearson3.of(column) if name in QUADRATIC else Pareto.of(column)))
        mirrored = -column[::-1]
        lower.append(Tail(mirrored, Pareto.of(mirrored)) if name in TWO_SIDED else None)
    chances = beta_binomial(n, float(space.above), float(space.below))
    novelty = np.clip(chances[::-1].cumsum()[::-1], LEAST_P, 1.0)
    smallest = np.sort(-np.log(_marginal(tuple(upper), tuple(lower), novelty, bank, among=1).min(1)))
    return Calibration(tuple(upper), tuple(lower), novelty, Tail(smallest, Pareto.of(smallest)))


def _marginal(
    upper: tuple[Tail, ...],
    lower: tuple[Tail | None, ...],
    novelty: Float64[np.ndarray, "n1"],
    values: Float64[np.ndarray, "b s"],
    *,
    among: int,
) -> Float64[np.ndarray, "b s"]:
    columns = []
    for name, up, down, x in zip(NAMES, upper, lower, values.T, strict=True):
        if name == "novelty":
            columns.append(novelty[np.rint(x * (len(novelty) - 1)).astype(np.intp)])
        elif down is None:
            columns.append(up.p(x, among=among))
        else:
            columns.append(np.minimum(1.0, 2 * np.minimum(up.p(x, among=among), down.p(-x, among=among))))
    return np.stack(columns, 1)


def require_own(bank: npt.NDArray[np.float64], first: Float64[np.ndarray, "s"]) -> None:
    """Raise BadArgumentError unless `first`, the first null window of a panel, is the first of `bank` as well.

    Another machine rounds differently, which may move a row to the next cell; other rows differ by far more.
    """
    if not isinstance(bank, np.ndarray):
        raise BadArgumentError(f"Panel.fit needs bank to be the array `bank` of an earlier panel, it is {bank!r}")
    own = bank.ndim == 2 and bank.shape[1] == len(first) and bool(np.isfinite(bank).all())
    if not own or bool((np.abs(bank[0] - first) > 0.5 * bank.std(0)).any()):
        raise BadArgumentError(
            "Panel.fit needs bank to be of the same reference, window_size and seed, this is another's: leave it out"
        )


def halves(m: int, n: int, rng: np.random.Generator) -> tuple[Int[np.ndarray, "f"], Int[np.ndarray, "c"]]:
    """Which of `m` rows are R_fit and R_cal: all in random order, cut in the middle."""
    if m < 4 * n:
        raise BadReferenceError(
            f"panel needs a reference of at least {4 * n} rows for windows of {n}, it has {m}: "
            "add reference rows or fit the panel with a smaller window_size"
        )
    order = rng.permutation(m)
    return order[: m // 2], order[m // 2 :]


def shortfall(calibration_rows: int, reference_rows: int, n: int, alpha: float) -> str:
    """What to do about a reference too small to keep the level on each reference (not only on average); "" if it does.

    Chance differences between the reference and the stream shift all windows' statistics alike, by about n / m of a
    null standard deviation.
    """
    needed = 2 * AMPLE * n
    if calibration_rows >= AMPLE * n:
        return ""
    return (
        f"panel needs {needed} reference rows to keep its level with windows of {n}, it has {reference_rows}: add "
        f"{needed - reference_rows} rows or fit smaller windows; until then it tests at {alpha / 2:g}, not {alpha:g}"
    )


def heavy_tailed(scores: Float64[np.ndarray, "c"]) -> str:
    """What to know of a reference whose Mahalanobis `scores` have too heavy a tail; "" if they have none.

    A few rows of the reference then decide what is usual, and a window's own such rows are often more.
    """
    index = tail_index(scores)
    if index < HEAVY:
        return ""
    return (
        "panel needs rows of which none is far longer than most, the Mahalanobis scores of this reference have a tail "
        f"index of {index:.2f} where less than 0.5 is needed: healthy windows alarm several times too often; normalise "
        "the vectors, or leave out the rows that are far out"
    )
