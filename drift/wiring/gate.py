"""The two sides of `drift gate`: files of embeddings, paired, or encoders, asked the same inputs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from collectors.files import SUFFIXES
from collectors.references import Inputs, read_inputs
from collectors.vectors import Sampled, read_vectors
from detectors.paired import LEAST_FOR_MEDIAN
from drift.diagnosis.between import fault_between
from drift.diagnosis.pairs import MOST_PAIRS, Tolerance, pairs_of
from drift.encoder.base import Encoder
from drift.encoder.load import MODEL_FILES
from drift.errors import SourceError
from drift.gate.decision import Decision, decide
from drift.gate.embedded import Cost, Embedded
from drift.gate.thresholds import Thresholds
from drift.records import Cause
from drift.wiring.encoders import SPECS
from drift.wiring.gate_encoders import (
    PIECE,
    Progress,
    alike_in_capitals,
    emulated,
    encoded,
    open_side,
    recased,
    redrawn_layers,
    size_of,
)
from drift.wiring.gate_notes import disagreements, unusable

MOST_ROWS: Final = 200_000
"""Rows of a file that are read to be paired: all are held."""
LEAST_ROWS: Final = 32
VECTOR_FILES: Final = (".npy", *SUFFIXES)


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants decided: on at most `rows` inputs, drawn by `seed`.

    `baseline` and `candidate` are two files of embeddings, or two models as in `EncoderConfig`, or YAML files of these;
    models encode the inputs of `probe`, in the precisions of `precisions`, "" being the model's own. `segment` names a
    column whose values are judged one by one, "" for none. `neighbours` is how many of the nearest count.
    """

    baseline: str
    candidate: str
    probe: Path | None = None
    rows: int = 2000
    seed: int = 0
    segment: str = ""
    neighbours: int = 10
    precisions: tuple[str, str] = ("", "")

    @property
    def names(self) -> tuple[str, str]:
        """Baseline and candidate as reports call them."""
        sides = ((self.baseline, self.precisions[0]), (self.candidate, self.precisions[1]))
        old, new = (f"{side} ({precision})" if precision else side for side, precision in sides)
        return old, new


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A decision, and the vectors that it is about."""

    decision: Decision
    of: Embedded


def gate(request: Request, limits: Thresholds, progress: Progress) -> Found:
    """The decision that `request` asks for; `progress` is told how many inputs of how many are encoded.

    Raises:
        DriftError: a file cannot be read, the files have too few inputs in common, or a model cannot be loaded.
    """
    files = [_is_embedded(Path(side)) for side in (request.baseline, request.candidate)]
    if all(files):
        if request.probe is not None or any(request.precisions):
            raise SourceError(
                "two files of embeddings need no --probe and have no precision: labels and segments are read from them"
            )
        return of_files(request, limits)
    if any(files):
        raise SourceError(
            f"--baseline {request.baseline} and --candidate {request.candidate} need to be of one kind, one is a file: "
            "give two files of embeddings of the same inputs, or two models and --probe"
        )
    # What cannot be read should not wait for models to load.
    read_inputs(_probe(request), limit=1, segments=_columns(request))
    sides = zip((request.baseline, request.candidate), request.precisions, strict=True)
    baseline, candidate = (open_side(side, precision) for side, precision in sides)
    return of_encoders(request, baseline, candidate, limits, progress=progress, clock=time.perf_counter)


def inputs_of(request: Request) -> Inputs:
    """The inputs of `request.probe`, with their labels and segments.

    Raises:
        SourceError: it cannot be read, or has too few.
    """
    found = read_inputs(_probe(request), limit=request.rows, segments=_columns(request))
    if len(found) < LEAST_ROWS:
        raise SourceError(f"{request.probe} needs {LEAST_ROWS} rows with an `input`, it has {len(found)}: add some")
    return found


def _is_embedded(side: Path) -> bool:
    """Whether a side is a file of embeddings, and not one of a model.

    Raises:
        SourceError: it has the name of one, and there is none.
    """
    if side.suffix in VECTOR_FILES and not side.exists():
        raise SourceError(f"{side}: there is no such file")
    return side.is_file() and side.suffix not in (*MODEL_FILES, *SPECS)


def _probe(request: Request) -> Path:
    if request.probe is None:
        raise SourceError(
            f"models, such as {request.baseline}, need --probe: a Parquet or Arrow file with a column `input`"
        )
    return request.probe


def _columns(request: Request) -> tuple[str, ...]:
    return (request.segment,) if request.segment else ()


def of_files(request: Request, limits: Thresholds) -> Found:
    """The decision on two files, whose rows are paired by `id`, or by their order where they have none.

    Raises:
        SourceError: a file cannot be read, or they have too few inputs in common.
    """
    paths = Path(request.baseline), Path(request.candidate)
    sides = [_all_rows(path, request.segment) for path in paths]
    embedded, disagreeing = paired(request, *sides)
    decision = decide(embedded, limits, cause=cause_of(embedded, None), seed=request.seed)
    lost = filter(None, map(unusable, paths, sides))
    return Found(replace(decision, notes=(*lost, *disagreeing)), embedded)


def paired(request: Request, old: Sampled, new: Sampled) -> tuple[Embedded, tuple[str, ...]]:
    """The rows that the two files have in common, see `of_files`, and notes on what the files say otherwise of them."""
    places = [{str(id_): at for at, id_ in reversed([*enumerate(side.rows.ids)])} for side in (old, new)]
    common = sorted(places[0].keys() & places[1].keys())
    if len(common) < LEAST_ROWS:
        raise SourceError(
            f"{request.baseline} and {request.candidate} need {LEAST_ROWS} valid rows of the same `id`, or in the same "
            f"place where they have no ids, they have {len(common)}: embed the same inputs with both"
        )
    drawn = [common[i] for i in np.random.default_rng(request.seed).permutation(len(common))[: request.rows]]
    rows, others = (
        side.rows.take(np.array([at[id_] for id_ in drawn])) for side, at in zip((old, new), places, strict=True)
    )
    embedded = Embedded(
        rows.vectors,
        others.vectors,
        coverage=len(common) / max(old.received, new.received),
        inputs=rows.inputs or others.inputs,
        labels=rows.labels or others.labels,
        segments=rows.segments[request.segment] if request.segment else (),
        neighbours=request.neighbours,
    )
    return embedded, disagreements(rows, others, request.segment)


def _all_rows(path: Path, segment: str) -> Sampled:
    """Every valid row of the file.

    Raises:
        SourceError: it cannot be read, or has too many to be held.
    """
    found = read_vectors(path, limit=MOST_ROWS, segment=segment)
    if found.received > MOST_ROWS:
        raise SourceError(
            f"{path} has {found.received} rows, at most {MOST_ROWS} can be paired: give both files' same rows, a sample"
        )
    return found


def of_encoders(
    request: Request,
    baseline: Encoder,
    candidate: Encoder,
    limits: Thresholds,
    *,
    progress: Progress,
    clock: Callable[[], float],
) -> Found:
    """The decision on two encoders, which encode the inputs of `request.probe`; `clock` gives seconds.

    Raises:
        SourceError: the probe cannot be read, or has too few inputs that both take.
    """
    found = inputs_of(request)
    made = encoded(found.texts, (baseline, candidate), progress, clock)
    if len(made.index) < LEAST_ROWS:
        raise SourceError(
            f"{request.probe} needs {LEAST_ROWS} inputs that both models take, found {len(made.index)}: {made.note}"
        )
    (old, new), kept = made.sides, found.take(made.index)
    segments = kept.segments[request.segment] if request.segment else ()
    embedded = Embedded(old.vectors, new.vectors, made.coverage, kept.texts, kept.labels, segments, request.neighbours)
    in_capitals = alike_in_capitals(baseline, candidate, kept.texts)
    slow = any(emulated(side) for side in (baseline, candidate))
    decision = decide(
        embedded,
        limits,
        baseline=Cost(() if slow else old.seconds, size_of(baseline)),
        candidate=Cost(() if slow else new.seconds, size_of(candidate)),
        alike_in_capitals=in_capitals,
        cause=redrawn_layers(baseline, candidate) or cause_of(embedded, baseline) or recased(in_capitals),
        seed=request.seed,
    )
    notes = [made.note] if made.note else []
    if slow:
        notes.append("Latency is not judged: this CPU is slower in half precision than in float32, others need not be.")
    elif all(check.name != "latency" for check in decision.checks):
        notes.append(
            f"Latency is not judged: fewer than {LEAST_FOR_MEDIAN} pieces of {PIECE} inputs were timed on both sides."
        )
    return Found(replace(decision, notes=tuple(notes)), embedded)


def cause_of(of: Embedded, encoder: Encoder | None) -> Cause | None:
    """The fault that makes the candidate's vectors of the baseline's, which `encoder` gave; None if none does."""
    if of.baseline.shape[1] != of.candidate.shape[1]:
        return None
    some = slice(0, MOST_PAIRS)
    inputs = tuple(text or "" for text in of.inputs[some]) or ("",) * len(of.baseline[some])
    pairs = pairs_of(inputs, of.candidate[some], of.baseline[some], Tolerance())
    return fault_between(pairs, of.baseline, encoder)
