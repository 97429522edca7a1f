"""Each number that the gate looks at, beside its limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from detectors import compare_versions, crossed_probe, kept_neighbours, paired_accuracy
from detectors.figures import LONGER, Shape, live_dimensions, shape
from detectors.kernels import tensor
from detectors.paired import PairedAccuracy, median_interval
from detectors.versions import KeptNeighbours
from drift.errors import UnmeasurableError
from drift.gate.embedded import Cost, Embedded
from drift.gate.thresholds import Least, Most, Thresholds, Verdict

MOST_SHAPE_ROWS = 1000
CHANCE = 0.05
LEAST, MOST = "at least", "at most"


@dataclass(frozen=True, slots=True)
class Check:
    """One number beside its limits. `segment` is "" for all rows; `what` says in words what the number is."""

    name: str
    value: float
    limit: Least | Most
    verdict: Verdict
    what: str
    segment: str = ""

    @property
    def warn(self) -> float | None:
        return self.limit.warn

    @property
    def fail(self) -> float | None:
        return self.limit.fail

    @property
    def wanted(self) -> str:
        """On which side of its limits the number should lie."""
        return LEAST if isinstance(self.limit, Least) else MOST

    @property
    def words(self) -> str:
        """The number, and what would have passed, as a sentence without its full stop."""
        where = f" in segment {self.segment!r}" if self.segment else ""
        said = f"{self.what}{where} is {self.value:.4g}"
        bound = self.limit.fail if self.verdict is Verdict.FAIL else self.limit.warn
        if self.verdict is Verdict.PASS or bound is None:
            return said
        return f"{said}, {self.wanted} {bound:g} is wanted"


def check(name: str, value: float, limit: Least | Most, what: str, segment: str = "") -> Check:
    """A number judged by its limits alone."""
    return Check(name, value, limit, limit.judge(value), what, segment)


def checks(of: Embedded, limits: Thresholds, seed: int) -> Iterator[Check]:
    """Every check of vectors, in the order in which they explain one another: what comes first spoils what follows."""
    yield check("coverage", of.coverage, limits.coverage, "the share of inputs with a vector on both sides")
    yield check("lengths", _other_lengths(of), limits.lengths, "the share of vectors of another length")
    if (of.candidate == of.candidate[0]).all():
        yield check("effective_rank", 0.0, limits.effective_rank, "the effective rank (all vectors are equal)")
        return
    sides = (of.baseline, of.candidate, of.neighbours)
    found, kept = compare_versions(*sides), kept_neighbours(*sides)
    yield check("compatibility", found.cross_recall or 0.0, limits.compatibility, _compatibility(of))
    yield check("overlap", found.overlap, limits.overlap, _overlap(of))
    yield check("cka", found.cka, limits.cka, "the similarity of the two spaces (debiased linear CKA)")
    residual = "the share of variance that no rotation repairs (Procrustes)"
    yield check("procrustes_residual", found.procrustes_residual, limits.procrustes_residual, residual)
    yield from _accuracy(of, limits, seed)
    yield from _shapes(of, limits)
    yield from _segments(of, kept, limits)


def costs(baseline: Cost, candidate: Cost, limits: Thresholds) -> Iterator[Check]:
    """The checks of what is known of both sides' costs."""
    yield from _latency(baseline, candidate, limits)
    if baseline.weights and candidate.weights:
        yield check("size", candidate.weights / baseline.weights, limits.size, "the size of the weights, a ratio,")


def _latency(baseline: Cost, candidate: Cost, limits: Thresholds) -> Iterator[Check]:
    """The median ratio of times of the same piece, judged by the lower end of its interval: a busy machine slows some
    pieces of either side and should warn of nothing. No check without an interval.
    """
    times = zip(baseline.seconds, candidate.seconds, strict=True)
    ratios = [new / old for old, new in times if old and new]
    interval = median_interval(ratios)
    if interval is None:
        return
    low, high = interval
    what = f"the time for an input, a ratio (95 % interval {low:.2f} to {high:.2f}),"
    yield Check("latency", float(np.median(ratios)), limits.latency, limits.latency.judge(low), what)


def capitals(share: float, limits: Thresholds) -> Check:
    """The check of what the two tokenizers make of capitals, which the inputs need not have."""
    return check("capitals", share, limits.capitals, "the share of inputs that get the same tokens in capitals")


def _other_lengths(of: Embedded) -> float:
    old, new = (np.linalg.norm(x.astype(np.float64), axis=1) for x in (of.baseline, of.candidate))
    return float((np.abs(new / old - 1) > LONGER).mean())


def _compatibility(of: Embedded) -> str:
    old, new = of.baseline.shape[1], of.candidate.shape[1]
    said = f"the recall@{of.neighbours} of new queries on the old index"
    return said if old == new else f"{said} (vectors have {new} dimensions, the index has {old})"


def _overlap(of: Embedded) -> str:
    return f"the share of the {of.neighbours} nearest neighbours that stay"


def _accuracy(of: Embedded, limits: Thresholds, seed: int) -> Iterator[Check]:
    """The accuracy of a linear probe on all labelled rows, then by segment; nothing without enough labels."""
    if not of.labels:
        return
    try:
        before, after = (crossed_probe(x, of.labels, seed) for x in (of.baseline, of.candidate))
    except UnmeasurableError:
        return
    yield loss(paired_accuracy(before, after), limits)
    if not of.segments:
        return
    labelled = [s for s, label in zip(of.segments, of.labels, strict=True) if label is not None]
    parts = [*_parts(labelled, limits.segment_rows)]
    for name, rows in parts:
        yield segment_loss(paired_accuracy(before[rows], after[rows]), limits, name, len(parts))


def loss(found: PairedAccuracy, limits: Thresholds) -> Check:
    """A large loss fails where it is no chance, its interval leaving out zero, and warns where it may be."""
    value, limit = found.before - found.after, limits.accuracy_loss
    verdict = limit.judge(value)
    if verdict is Verdict.FAIL and found.high >= 0:
        verdict = Verdict.WARN
    return Check("accuracy_loss", value, limit, verdict, _lost(found))


def segment_loss(found: PairedAccuracy, limits: Thresholds, segment: str, segments: int) -> Check:
    """A large loss in one of `segments` counts where it is no chance, though that has so many tries (Bonferroni)."""
    value, limit = found.before - found.after, limits.accuracy_loss
    verdict = limit.judge(value) if found.p_value * segments <= CHANCE else Verdict.PASS
    return Check("accuracy_loss", value, limit, verdict, _lost(found), segment)


def _lost(found: PairedAccuracy) -> str:
    return (
        f"the loss of a probe's accuracy ({found.before:.3f} to {found.after:.3f}, "
        f"95 % interval of the loss {-found.high:.3f} to {-found.low:.3f})"
    )


def _shapes(of: Embedded, limits: Thresholds) -> Iterator[Check]:
    old, new = (_shape(x) for x in (of.baseline, of.candidate))
    rank = f"the effective rank, a ratio ({old.effective_rank:.0f} to {new.effective_rank:.0f}),"
    yield check("effective_rank", new.effective_rank / old.effective_rank, limits.effective_rank, rank)
    cone = f"the share of variance in one direction, a ratio ({old.anisotropy:.3f} to {new.anisotropy:.3f}),"
    yield check("anisotropy", new.anisotropy / old.anisotropy, limits.anisotropy, cone)


def _shape(vectors: Float32[np.ndarray, "n d"]) -> Shape:
    rows = tensor(vectors[:MOST_SHAPE_ROWS])
    return shape(rows, live_dimensions(rows))


def _segments(of: Embedded, kept: KeptNeighbours, limits: Thresholds) -> Iterator[Check]:
    """What the inputs of each segment keep, searched among all inputs."""
    for name, rows in _parts(of.segments, limits.segment_rows):
        if kept.cross_recall is not None:
            value = float(kept.cross_recall[rows].mean())
            yield check("compatibility", value, limits.compatibility, _compatibility(of), name)
        value = float(kept.overlap[rows].mean())
        yield check("overlap", value, limits.overlap, _overlap(of), name)


def _parts(segments: Sequence[str | None], least: int) -> Iterator[tuple[str, Bool[np.ndarray, "n"]]]:
    """Each segment of at least `least` rows, in order of its name, and which rows it has."""
    column = np.array([name or "" for name in segments])
    for name in sorted(set(column.tolist()) - {""}):
        rows = column == name
        if rows.sum() >= least:
            yield str(name), rows
