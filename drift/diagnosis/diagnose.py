"""Did the data move or did the encoder, and what is the fault called?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np

from drift.diagnosis.alone import STORED, from_vectors
from drift.diagnosis.between import OTHER, RECOMPUTED, SOME, Versions, evidence, explanations, inner
from drift.diagnosis.causes import SERVING, cause_of, diagnosis_of
from drift.diagnosis.data import Changes, from_data
from drift.diagnosis.explain import LEAST, Explanation, Ranked, rank
from drift.diagnosis.failing import unit
from drift.diagnosis.pairs import Pairs, Tolerance, deviation, paired
from drift.diagnosis.season import seasonal
from drift.diagnosis.unusable import with_unusable
from drift.encoder.base import Encoder
from drift.records import NONE, UNKNOWN, Cause, Diagnosis, Reference, Rows, Window

BESIDE: Final = 0.15
"""What is left for a change of the data where the serving path is at fault."""
MIXED: Final = "mixed-versions"

Progress = Callable[[str], None]


def diagnose(
    window: Window,
    reference: Reference,
    encoder: Encoder | None = None,
    *,
    rng: np.random.Generator,
    candidates: Versions = MappingProxyType({}),
    past: Rows | None = None,
    tolerance: Tolerance | None = None,
    progress: Progress = lambda _: None,
) -> Diagnosis:
    """What is wrong with `window`, held against `reference`. The rows of both are in random order.

    With `encoder` and inputs up to 256 rows are encoded again. Where all agree with what was served, the data is what
    may have changed; else failing rows are encoded under each variant of the recipe and by the `candidates`, other
    models by name, until all are explained. Without either, vectors alone tell less. `past` are rows of the same hours
    on other days, which tell a season from a change. `progress` is told what is tried.

    Raises:
        UnmeasurableError: the encoder gives vectors of another length than the window's.
        TooFewRowsError: the window has too few rows to say anything.
    """
    bounds = tolerance or Tolerance()
    found = _diagnose(window, reference, encoder, rng=rng, candidates=candidates, bounds=bounds, progress=progress)
    return with_unusable(found if past is None else seasonal(found, window.rows, past), window)


def _diagnose(
    window: Window,
    reference: Reference,
    encoder: Encoder | None,
    *,
    rng: np.random.Generator,
    candidates: Versions,
    bounds: Tolerance,
    progress: Progress,
) -> Diagnosis:
    progress("encoding again")
    pairs = paired(window.rows, encoder, bounds) if encoder is not None else None
    if encoder is None or pairs is None:
        return from_vectors(window, reference, rng)
    progress("comparing with the reference")
    right = replace(window.rows.take(pairs.index), vectors=pairs.again)
    if not pairs.failing.any():
        data = from_data(window, reference, rng)
        stored = (look(window.vectors, reference.vectors) for look in STORED)
        cause = next((one for one in stored if one is not None), None)
        return _healthy(pairs, data if cause is None else replace(data, causes=(cause,)))
    data = from_data(replace(window, rows=right), reference, rng)
    elsewhere = _environment(reference, encoder, bounds)
    if elsewhere is not None and pairs.share > 0.5:
        return Diagnosis((elsewhere,), ())
    tried: list[Explanation] = []
    for one in explanations(pairs, reference.vectors, encoder, candidates):
        progress(one.cause)
        tried.append(one)
        if one.complete:
            break
    from drift.encoder.variants import untried  # noqa: PLC0415

    return _failing(window, pairs, tried, data, untried(inner(encoder)))


def _environment(reference: Reference, encoder: Encoder, tolerance: Tolerance) -> Cause | None:
    """Whether the encoder no longer gives the reference's own vectors for the reference's own inputs."""
    own = paired(reference.rows, encoder, tolerance, most=RECOMPUTED)
    if own is None or own.share <= 0.5:
        return None
    said = f"{own.failing.sum()} of {len(own)} of the reference's own inputs get another vector here"
    return cause_of("environment", 0.9, f"{said}: this encoder, or what it runs on, did not make the reference.")


def _healthy(pairs: Pairs, found: Changes) -> Diagnosis:
    said = f"All {len(pairs)} re-encoded rows are within tolerance"
    causes = tuple(replace(cause, evidence=f"{said}. {cause.evidence}") for cause in found.causes)
    if not causes:
        text = f"{said}, and the window is like the reference."
        causes = (cause_of(NONE, 0.95, text),)
    farthest = deviation(unit(pairs.served), unit(pairs.again)).max()
    serving = f"{len(pairs)} re-encoded rows are as served, the farthest at a cosine of {1 - farthest:.6f}"
    against = dict.fromkeys(SERVING, serving) | dict(found.against)
    return diagnosis_of(causes, against, against)


def _failing(window: Window, pairs: Pairs, tried: list[Explanation], data: Changes, left_out: str = "") -> Diagnosis:
    rows = len(tried[0].explained)
    likely = list(rank(tried, rows))
    ranked = list(_versions(window, pairs, likely))
    room = 1 - BESIDE if data.causes else 1.0
    said = ((one, evidence(pairs, one, rows)) for one in ranked)
    causes = [
        cause_of(one.cause, room * one.score, f"{text} {left_out}".strip() if one.best is None else text)
        for one, text in said
    ]
    causes += [replace(cause, score=round(BESIDE * cause.score, 3)) for cause in data.causes]
    best: dict[str, float] = {}
    for one in tried:
        best[one.cause] = max(best.get(one.cause, 0.0), float(one.explained.mean()))
    against = {slug: f"it explains {share:.0%} of how far the failing rows are off" for slug, share in best.items()}
    # What explains much without being named has another name, or a simpler fault explains as much.
    open_ = {one.cause for one in likely} | {slug for slug, share in best.items() if share >= LEAST}
    sought = (slug for slug in (*best, *(() if data.causes else data.against)) if slug not in open_)
    return diagnosis_of(causes, sought, against | dict(data.against))


def _versions(window: Window, pairs: Pairs, ranked: Iterable[Ranked]) -> Iterator[Ranked]:
    """The ranking, where another version in some of the rows is called a mixture of versions."""
    for one in ranked:
        if one.cause in {OTHER, UNKNOWN} and pairs.share < SOME:
            told = one.cause == OTHER or _told_apart(window, pairs)
            yield replace(one, cause=MIXED if told else one.cause)
        else:
            yield one


def _told_apart(window: Window, pairs: Pairs) -> bool:
    """Whether the failing rows say that another encoder version made them than the right ones do."""
    said = window.rows.encoder_versions
    if not said or pairs.failing.all():
        return False
    failing, right = ({said[i] for i in pairs.index[mask]} for mask in (pairs.failing, ~pairs.failing))
    return not failing & right
