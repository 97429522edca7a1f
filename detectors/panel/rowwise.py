"""Where a change comes from that single rows show: Mahalanobis scores and novelty, as sums over rows and groups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from detectors.kernels import Z, wilson
from detectors.panel.attribution import Attribution, Groups, Side, all_names, parts_of, places
from detectors.panel.effect import Bounds
from detectors.panel.space import Rows, Space, neighbour_distances
from detectors.panel.statistics import NAMES
from drift.records import Part


def _score(rows: Rows) -> Float64[Tensor, "n"]:
    return rows.score


def _deviation(rows: Rows) -> Float64[Tensor, "n"]:
    """What each row adds to the standard deviation of the scores, times the number of rows."""
    away = (rows.score - rows.score.mean()).square()
    variance = away.sum() / (len(away) - 1)
    return away * len(away) / (len(away) - 1) / variance.sqrt() if variance > 0 else away


def _novel(rows: Rows) -> Float64[Tensor, "n"]:
    return rows.novel.double()


TERMS: Final[Mapping[str, Callable[[Rows], Float64[Tensor, "n"]]]] = {
    "mahalanobis_mean": _score,
    "mahalanobis_sd": _deviation,
    "novelty": _novel,
}
"""What each row gives to the statistics that are made of single rows: the mean over all rows is the statistic."""

SCORES: Final = ("mahalanobis_mean", "mahalanobis_sd")
UNBOUNDED: Final = frozenset({"ridge_strong", "ridge_light", "frechet", "trace", *SCORES})
"""Statistics that one row can move as far as you like."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownRows:
    """Rows of R_cal, which nothing but the novelty radius was fitted to, and the groups that they are in.

    `terms` has one array for each of `TERMS`.
    """

    terms: Mapping[str, Float64[np.ndarray, "c"]]
    cluster: Groups
    segment_names: tuple[str, ...]
    segment: Groups | None

    def attribute(
        self, by: str, space: Space, seen: Rows, whole: Attribution, segments: Sequence[str] | None
    ) -> Attribution:
        """The statistic `by`, one of `TERMS`, of the window `seen` less what it is in R_cal, taken apart.

        Row i contributes (t_i - usual) / n, with t its term and usual the mean of R_cal's. A group contributes what its
        rows do less the like sum over its rows in R_cal, as in `Attributor`. `whole` has the window's rows and
        clusters. Rows are ranked by their score, the smallest first where the statistic has fallen, or by how far
        beyond the reference they lie.
        """
        term, known = TERMS[by](seen).cpu().numpy(), self.terms[by]
        usual = float(known.mean())
        away, there = term - usual, known - usual
        if by == "novelty":
            rank = neighbour_distances(space, seen.centred).double().cpu().numpy()
        else:
            rank = np.sign(away.mean()) * seen.score.cpu().numpy()
        clusters = parts_of(_names(whole), _side(whole.cluster, away), _side(self.cluster, there))
        split = () if segments is None else self._by_segment(away, there, segments)
        return Attribution(by, usual, whole.index, away / len(away), rank, whole.cluster, clusters, split)

    def bounds(self, by: str, seen: Rows, spread: Float64[np.ndarray, "s"], *, novel: bool) -> Bounds:
        """What the rows `seen` themselves say of the share by which `by` has moved, `spread` being the null standard
        deviations. One row far out can move what has no bound; how many need be is for the scores to say. `novel` says
        that novelty is significant."""
        terms = SCORES if by in UNBOUNDED else (by,) if by in TERMS else ()
        fewest = min((self._fewest(term, seen, Z * float(spread[NAMES.index(term)])) for term in terms), default=1.0)
        most = wilson(int(seen.novel.sum()), len(seen.novel))[1] if novel else 0.0
        return Bounds(fewest, most)

    def _fewest(self, term: str, seen: Rows, error: float) -> float:
        """The smallest share of rows that can have moved a statistic as far, less `error`; 1 if it has not moved."""
        away = TERMS[term](seen).cpu().numpy() - self.terms[term].mean()
        moved = abs(float(away.mean())) - error
        if moved <= 0:
            return 1.0
        reached = np.sort(np.sign(away.mean()) * away)[::-1].cumsum()
        return float(1 + np.searchsorted(np.maximum.accumulate(reached), moved * len(away))) / len(away)

    def _by_segment(
        self, away: Float64[np.ndarray, "n"], there: Float64[np.ndarray, "c"], segments: Sequence[str]
    ) -> tuple[Part, ...]:
        names = all_names(self.segment_names, segments)
        held = None if self.segment is None else _side(self.segment, there)
        return parts_of(names, _side(places(segments, names), away), held)


def known_rows(rows: Rows, cluster: Groups, segments: Sequence[str] | None) -> KnownRows:
    """R_cal's `rows`, in groups."""
    names = tuple(sorted(set(segments or ())))
    terms = {name: term(rows).cpu().numpy() for name, term in TERMS.items()}
    return KnownRows(terms, cluster, names, None if segments is None else places(segments, names))


def _names(whole: Attribution) -> tuple[str, ...]:
    return tuple(part.name for part in whole.clusters)


def _side(of: Groups, away: Float64[np.ndarray, "n"]) -> Side:
    return Side(of, away, np.zeros_like(away))
