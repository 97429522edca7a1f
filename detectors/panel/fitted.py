"""The distributional panel: many statistics of one window, one p-value, and how much has moved."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float64

from detectors.arguments import as_segments, require_share, require_share_or_zero, require_whole
from detectors.arrays import Vectors, as_reference, as_wide_rows, require_same_width
from detectors.copies import distinct_rows
from detectors.kernels import Z, drawn
from detectors.nulls import null_picks
from detectors.panel.attribution import Attribution, Attributor, fit_attributor
from detectors.panel.calibration import Calibration, calibrate, halves, heavy_tailed, require_own, shortfall
from detectors.panel.clusters import nearest
from detectors.panel.effect import Curves, Effect, Shares, fit_curves, interval
from detectors.panel.result import Result, Statistic
from detectors.panel.rowwise import TERMS, KnownRows, known_rows
from detectors.panel.space import Space, fit_space, observe
from detectors.panel.statistics import NAMES, Progress, evaluate
from drift.errors import BadArgumentError, CopiedRowsWarning, LevelWarning

MMD, NOVELTY = NAMES.index("mmd_wide"), NAMES.index("novelty")
MANY_COPIES = 0.05
"""The share of copies from which a caller is warned: it makes three healthy windows of twenty have p <= .05."""


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Panel:
    """A test whether windows come from the reference's distribution, by many statistics and one joint p-value.

    The reference is shuffled and split. On one half, R_fit, everything is fitted; windows drawn from the other, R_cal,
    say how the statistics are distributed when nothing has changed. The rows must be independent: of each session (a
    conversation, a user) keep one, and leave out what is merely repeated. The smallest of the statistics' p-values is
    calibrated by those same windows (min-p; Westfall and Young, 1993), so that the joint p is uniform under the null
    whatever the dependence among the statistics.

    A window has drifted if its p-value is at most `level` and its `effect` is not negligible: the interval reaches
    `min_effect`. The upper end decides, since only an interval that lies below `min_effect` shows that an effect is
    small. The effect is by a statistic that is at most `level` itself and reaches `min_effect`, if there is one: any
    will do, since noise or one wrong dimension hardly moves a mean embedding. So the gate stays open for small windows,
    which find nothing negligible, and closes for large ones. It only lowers the share of false alarms.

    `level` is `alpha`, or half of it while `warning` (else empty) says that the reference is too small or has too heavy
    a tail. `bank` holds the null windows' statistics, one column for each of `NAMES`: store it and hand it to `fit` to
    skip the draws.
    """

    space: Space
    calibration: Calibration
    curves: Curves
    attributor: Attributor
    known: KnownRows
    bank: Float64[np.ndarray, "b s"]
    window_size: int
    alpha: float
    min_effect: float
    seed: int
    warning: str

    @classmethod
    def fit(
        cls,
        reference: Vectors,
        window_size: int = 500,
        alpha: float = 0.01,
        seed: int = 0,
        *,
        nulls: int = 4000,
        min_effect: float = 0.01,
        clusters: int = 16,
        segments: Sequence[str] | None = None,
        bank: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> "Panel":
        """A panel for windows of `window_size` rows of `reference`, rows by dimensions in any order.

        `nulls` windows are drawn, `progress` is told how many are done; a `bank` from an earlier fit with the same
        reference, size and seed spares them. Changes are attributed to at most `clusters` clusters, and to segments,
        which `segments` names for each row of the reference. Equal arguments give equal panels.

        Warns with a LevelWarning where `warning` is not empty; `fitted` does not.

        Raises:
            BadReferenceError: the rows are not finite, all equal, or fewer than four windows have.
            BadArgumentError: a parameter is of another type or out of range, `bank` is another panel's, or `segments`
                are of other rows.
        """
        panel = cls.fitted(
            reference,
            window_size,
            alpha,
            seed,
            nulls=nulls,
            min_effect=min_effect,
            clusters=clusters,
            segments=segments,
            bank=bank,
            progress=progress,
        )
        if panel.warning:
            warnings.warn(LevelWarning(panel.warning), stacklevel=2)
        return panel

    @classmethod
    def fitted(
        cls,
        reference: Vectors,
        window_size: int,
        alpha: float,
        seed: int,
        *,
        nulls: int = 4000,
        min_effect: float = 0.01,
        clusters: int = 16,
        segments: Sequence[str] | None = None,
        bank: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> "Panel":
        """`fit` for those who tell of `warning` themselves."""
        for name, value, least in (("window_size", window_size, 2), ("nulls", nulls, 19), ("clusters", clusters, 1)):
            require_whole("Panel.fit", name, value, least)
        require_whole("Panel.fit", "seed", seed, 0)
        require_share("Panel.fit", "alpha", alpha)
        require_share_or_zero("Panel.fit", "min_effect", min_effect)
        x = as_reference(reference)
        named = as_segments(segments, len(x))
        seeds = np.random.SeedSequence(seed).spawn(5)
        shuffling, drawing, injecting, grouping, parting = (np.random.default_rng(s) for s in seeds)
        first, second = halves(len(x), window_size, shuffling)
        fit, held_out = (x[torch.from_numpy(half).to(x.device)] for half in (first, second))
        space = fit_space(fit, held_out, parting)
        rows = observe(space, space.centred(held_out))
        picks = null_picks(len(held_out), window_size, nulls if bank is None else 1, drawing)
        found = evaluate(space, rows, torch.from_numpy(picks).to(held_out.device), progress).cpu().numpy()
        if bank is None:
            bank = found
        else:
            require_own(bank, found[0])
        curves = fit_curves(space, rows, bank, window_size, injecting)
        of_fit, of_held = (
            None if named is None else [named[i] for i in half] for half in (first[: len(space.anchors)], second)
        )
        attributor = fit_attributor(space, clusters, of_fit, grouping)
        known = known_rows(rows, nearest(rows.lead, attributor.centres).cpu().numpy(), of_held)
        small = shortfall(len(held_out), len(fit) + len(held_out), window_size, alpha)
        warning = "; ".join(filter(None, (small, heavy_tailed(known.terms["mahalanobis_mean"]))))
        calibration = calibrate(bank, space, window_size, len(held_out))
        return cls(space, calibration, curves, attributor, known, bank, window_size, alpha, min_effect, seed, warning)

    def __repr__(self) -> str:
        size = f"window_size={self.window_size}, dimensions={len(self.space.centre)}, nulls={len(self.bank)}"
        return f"Panel({size}, alpha={self.alpha:g}, seed={self.seed}{', level halved' if self.warning else ''})"

    @property
    def level(self) -> float:
        """The p-value at or below which a window may count as drifted."""
        return self.alpha / 2 if self.warning else self.alpha

    def test(
        self, window: Vectors, *, segments: Sequence[str] | None = None, rng: np.random.Generator | None = None
    ) -> Result:
        """The verdict on `window`: rows by dimensions, at least `window_size` rows.

        Of a larger window `window_size` rows are drawn, by `rng` or, without one, by the panel's seed. `segments` names
        one for each row, to which a change is attributed.

        Warns with a CopiedRowsWarning where one row in twenty or more is a copy; `tested` does not.

        Raises:
            UnmeasurableError: rows that are not finite, or not of the reference's dimension.
            TooFewRowsError: fewer rows than `window_size`.
            BadArgumentError: `segments` has another length than `window`, or `rng` is no generator.
        """
        result = self.tested(window, segments=segments, rng=rng)
        if result.copies >= MANY_COPIES * self.window_size:
            text = (
                f"{result.copies} of the {self.window_size} rows tested are copies of others, and the p-value is of "
                "independent rows: leave copies out (window[detectors.distinct_rows(window)]), unless they are popular "
                "inputs, each drawn anew"
            )
            warnings.warn(CopiedRowsWarning(text), stacklevel=2)
        return result

    def tested(
        self, window: Vectors, *, segments: Sequence[str] | None = None, rng: np.random.Generator | None = None
    ) -> Result:
        """`test` for those who look at copies themselves."""
        if rng is not None and not isinstance(rng, np.random.Generator):
            raise BadArgumentError(f"Panel.test needs rng from numpy.random.default_rng(seed), it is {rng!r}")
        rows = as_wide_rows(window, "window", self.window_size)
        require_same_width(rows.shape[1], len(self.space.centre), ("window", "reference"))
        segments = as_segments(segments, len(rows))
        index = drawn(len(rows), self.window_size, rng or np.random.default_rng(self.seed))
        tested = rows[torch.from_numpy(index).to(rows.device)]
        seen = observe(self.space, self.space.centred(tested))
        picks = torch.arange(self.window_size, device=rows.device)[None]
        values = evaluate(self.space, seen, picks).cpu().numpy()
        p = self.calibration.marginal(values)[0]
        joint = float(self.calibration.joint_p(values)[0])
        equivalents = self.curves.equivalents(values[0])
        named = None if segments is None else [segments[i] for i in index]
        mmd = attribution = self.attributor.attribute(self.space, seen, index, named)
        if (rowwise := self._rowwise(p)) is not None:
            attribution = self.known.attribute(rowwise, self.space, seen, mmd, named)
        pairs = zip(values[0].tolist(), p.tolist(), strict=True)
        told = p if joint <= self.level else np.ones_like(p)
        by = self._telling(told, equivalents)
        novel = bool(told[NOVELTY] <= self.level)
        bounds = self.known.bounds(NAMES[by], seen, self.curves.spread[0], novel=novel)
        share = interval(*equivalents.of(by), self.window_size, bounds)
        effect = self._effect(share, NAMES[by], mmd, float(values[0, MMD]))
        return Result(
            joint,
            joint <= self.level and effect.high >= self.min_effect,
            effect,
            MappingProxyType({name: Statistic(*pair) for name, pair in zip(NAMES, pairs, strict=True)}),
            attribution,
            self.window_size - len(distinct_rows(tested)),
        )

    def _rowwise(self, p: Float64[np.ndarray, "s"]) -> str | None:
        """The most significant statistic of single rows, if one is significant and MMD is not."""
        least = min(TERMS, key=lambda name: p[NAMES.index(name)])
        return least if p[NAMES.index(least)] <= self.level < p[MMD] else None

    def _telling(self, p: Float64[np.ndarray, "s"], equivalents: Shares) -> int:
        """Which statistic says how much has moved: one that is significant and matters, else one that is significant.

        MMD if it is such a one or there is none, else the most significant of them; by less than a row none matters.
        """
        significant = p <= self.level
        matters = significant & (equivalents.high >= self.min_effect)
        for told in (matters & (equivalents.share >= 1 / self.window_size), matters, significant):
            if told.any():
                return MMD if told[MMD] else int(np.where(told, p, np.inf).argmin())
        return MMD

    def _effect(self, share: tuple[float, float, float], by: str, mmd: Attribution, mmd2: float) -> Effect:
        # What chance does to the mean of the witness, and what it does to a window in which nothing has changed.
        sd = float(np.sqrt(4 * self.window_size * mmd.rows.var(ddof=1) + self.curves.spread[0, MMD] ** 2))
        return Effect(*share, by, mmd2, mmd2 - Z * sd, mmd2 + Z * sd)
