"""Two files of embeddings, held against each other by all that the service has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final

import numpy as np

from collectors.vectors import Sampled, read_vectors
from detectors import DETECTORS, Collapse, Panel, Verdict, collapse
from detectors.base import Detector
from detectors.copies import independent, without_pairs
from detectors.panel import Result
from detectors.panel.calibration import heavy_tailed
from detectors.panel.statistics import Progress
from drift.config.slos import ASKED_FOR, SloConfig, default_slos
from drift.errors import SourceError, UnmeasurableError
from drift.records import EPOCH, Gap, Measurement, Reference, RowReason, Rows, Span, Stream, Window
from drift.slo import Outcome

COVERED: Final = frozenset(
    {
        "joint",
        "mmd",
        "novelty",
        "online",
        "effective_rank",
        "variance_ratio",
        "knn_probe",
        "recall",
        "refit_probe",
        *ASKED_FOR,
    }
)
"""Detectors of what the panel, `collapse` or `probe` look at as well. Their objectives do not decide by themselves:
each is bad in some healthy windows, which is right where three bad ones page, and would add up where one decides."""

LEAST: Final = 16
PART: Final = 4
"""The window has at most this part of the reference's rows: one fourth."""
PANEL_PART: Final = 20
"""The panel's windows likewise. Those that it draws vary less than fresh ones, by 1/n - 1/m to 1/n + 1/m (m is half of
the reference): it would alarm in 10 % of healthy windows at one fourth, in 2 % at one tenth; here in about `alpha`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants compared: at most `window` rows of `current` with at most `rows` rows of `reference`.

    `alpha` is the panel's share of false alarms. `seed` decides how the reference is split. `segment` names a column of
    both files, to whose values a change is attributed.
    """

    reference: Path
    current: Path
    rows: int = 20_480
    window: int = 512
    alpha: float = 0.01
    seed: int = 0
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One file: how many rows it has, why some cannot be used, and how many were compared.

    `copies` are rows that count once with another: of the reference they are left out, of the current rows they are
    left out of the panel.
    """

    path: Path
    rows: int
    copies: int
    received: int
    rejected: Mapping[RowReason, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one detector made of the current rows, and what the service's default objective, if any, says of it."""

    detector: type[Detector]
    measured: Measurement | Gap
    objective: SloConfig | None

    @property
    def outcome(self) -> Outcome | None:
        """The objective's verdict; None where there is none, or nothing was measured."""
        if self.objective is None or isinstance(self.measured, Gap):
            return None
        return self.objective.sli.judge(self.measured)

    @property
    def decides(self) -> bool:
        """Whether a bad outcome is drift by itself."""
        return self.objective is not None and self.detector.name not in COVERED


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All that was found. `held` and `window` are the rows that were compared, `tested` those that the panel may draw
    from."""

    request: Request
    reference: Side
    current: Side
    held: Reference
    window: Window
    tested: Rows
    panel: Panel
    result: Result
    findings: tuple[Finding, ...]
    shape: Collapse

    @property
    def warning(self) -> str:
        """What keeps the panel from all current rows or from its level; "" if nothing does.

        That the level is half of `alpha` where REF has fewer than 40 rows for each of the window's is what its size
        costs, and no more.
        """
        heavy = heavy_tailed(self.panel.known.terms["mahalanobis_mean"])
        return "; ".join(filter(None, (self.cut, heavy)))

    @property
    def cut(self) -> str:
        """How many of the current rows the panel looks at; "" if at all."""
        used, given = self.panel.window_size, len(self.tested)
        if used == given:
            return ""
        held, needed = len(self.held.rows), PANEL_PART * given
        return (
            f"the panel looks at {used} of {given} current rows, a {PANEL_PART}th of the {held} reference rows: "
            f"{needed} reference rows would let it look at all"
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why this is drift; empty where it is not.

        The panel's verdict, any verdict on the shape but "healthy", and bad objectives on what neither looks at: rows
        that cannot be used, rows that are copies, and a probe that errs. Two samples of one source are drift a
        little more often than `alpha`.
        """
        panel = ("panel",) if self.result.drifted else ()
        shape = () if self.shape.verdict is Verdict.HEALTHY else (f"shape: {self.shape.verdict}",)
        bad = (f.objective.name for f in self.findings if f.objective and f.decides and f.outcome is Outcome.BAD)
        return (*panel, *shape, *(f"objective: {name}" for name in bad))


def compare(request: Request, *, nulls: int = 4000, progress: Progress | None = None) -> Comparison:
    """Compare the two files of `request`; `progress` is told how many of the panel's `nulls` windows are drawn.

    Where the files have no more rows than are asked for, one in each session, neither their order nor their format
    matters.

    Raises:
        SourceError: a file cannot be read, is too small, or they hold vectors of two dimensions.
        BadReferenceError: the reference's rows are all equal.
        UnmeasurableError: the vectors' numbers are too large to compute with.
    """
    held, reference = reference_of(request)
    window = window_of(request, held)
    once = independent(window.rows, held)
    # Hardly anything but copies is drift, and not too few rows to say so.
    tested = once if len(once) >= LEAST else window.rows
    size = min(len(tested), len(held.rows) // PANEL_PART)
    known, seen = (_segments(rows, request.segment) for rows in (held.rows, tested))
    panel = Panel.fitted(
        held.vectors, size, request.alpha, request.seed, nulls=nulls, segments=known, progress=progress
    )
    return Comparison(
        request,
        reference,
        Side(request.current, len(window.rows), len(window.rows) - len(once), window.received, window.rejected),
        held,
        window,
        tested,
        panel,
        panel.tested(tested.vectors, segments=seen),
        tuple(_find(detector, window, held, request) for detector in DETECTORS.values()),
        collapse(window.vectors, held.vectors, seed=request.seed),
    )


def _segments(rows: Rows, column: str) -> list[str] | None:
    """The segment of each row, "" where it has none; None where no column was asked for."""
    return [value or "" for value in rows.segments.get(column) or (None,) * len(rows)] if column else None


def reference_of(request: Request) -> tuple[Reference, Side]:
    """The reference that `request` names, in random order and without pairs of equal rows; see `compare`."""
    path = request.reference
    sampled = read_vectors(path, limit=request.rows, segment=request.segment)
    rows = without_pairs(_shuffled(sampled.rows, request.seed))
    if (count := len(rows)) < LEAST * PANEL_PART:
        raise SourceError(f"{path} needs at least {LEAST * PANEL_PART} valid rows as a reference, it has {count}")
    side = Side(path, count, len(sampled.rows) - count, sampled.received, sampled.rejected)
    return Reference(path.name, rows, EPOCH), side


def window_of(request: Request, held: Reference) -> Window:
    """The current rows that `request` names, in random order; see `compare`."""
    dim = held.vectors.shape[1]
    sampled = _current(request, dim, min(request.window, len(held.rows) // PART))
    if (rows := len(sampled.rows)) < LEAST:
        raise SourceError(f"{request.current} needs at least {LEAST} valid rows, it has {rows}")
    span = Span(EPOCH, EPOCH + timedelta(seconds=1))  # files have no time; a window must have a span
    stream = Stream(request.current.name, "", "", dim)
    return Window(stream, span, _shuffled(sampled.rows, request.seed), sampled.received, sampled.rejected)


def _current(request: Request, dim: int, limit: int) -> Sampled:
    try:
        return read_vectors(request.current, limit=limit, dim=dim, segment=request.segment)
    except SourceError:
        if (found := read_vectors(request.current, limit=1).rows.vectors.shape[1]) == dim:
            raise
        raise SourceError(
            f"{request.current} has vectors of {found} dimensions, {request.reference} of {dim}: "
            "compare embeddings of one encoder"
        ) from None


def _shuffled(rows: Rows, seed: int) -> Rows:
    """`rows` in a random order that depends on what they hold and on `seed`, not on where they stood."""
    labels = rows.labels or [None] * len(rows)
    held = [blake2b(v.tobytes() + repr(label).encode()).digest() for v, label in zip(rows.vectors, labels, strict=True)]
    # Drawn after sorting: by their digests alone, duplicates would all come to lie in one half of the reference.
    return rows.take(
        np.argsort(np.array(held, "V64"), kind="stable")[np.random.default_rng(seed).permutation(len(rows))]
    )


def _find(detector: type[Detector], window: Window, held: Reference, request: Request) -> Finding:
    objective = next(iter(default_slos([detector.name])), None)
    drawn = sha256(f"{request.seed}\0{detector.name}".encode()).digest()
    try:
        rng = np.random.default_rng(np.frombuffer(drawn, np.uint32))
        return Finding(detector, detector().measure(window, held, rng=rng), objective)
    except UnmeasurableError as error:
        gap = Gap.of(window, detector=detector.name, error=error)
        return Finding(detector, gap, objective)
