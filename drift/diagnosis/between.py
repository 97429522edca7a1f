"""What lies between two vectors of one input: each known fault, tried on pairs of which some are beyond tolerance."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Final

import numpy as np

from drift.diagnosis.causes import cause_of
from drift.diagnosis.explain import Explanation, Ranked, Shares, explained, rank
from drift.diagnosis.failing import FEW, Failing, unit
from drift.diagnosis.pairs import Pairs, Vectors, deviation, turned
from drift.diagnosis.served import TURNED, relengthened
from drift.diagnosis.served import explanations as of_vectors
from drift.encoder.base import Encoder
from drift.encoder.cache import CachedEncoder
from drift.records import UNKNOWN, Cause

RECOMPUTED: Final = 16
"""So many failing rows are encoded under each variant."""
OTHER: Final = "other-model-version"
SOME: Final = 0.98
"""Of a row so much explained is all of it; where fewer rows fail than this share, some are right."""
LEAST_OWN: Final = 0.1
"""Where rows have more than the rest of their deviation in common, that much is held to be their own."""

Versions = Mapping[str, Encoder]


def fault_between(pairs: Pairs, reference: Vectors, encoder: Encoder | None = None) -> Cause | None:
    """The likeliest fault that makes the served vectors of `pairs` of the right ones, `encoder` having made the latter.

    None where no row is beyond tolerance, or no fault explains those that are. `reference` are right vectors of any
    inputs. Without an encoder only what can be done to a right vector is tried.
    """
    if not pairs.failing.any():
        return None
    tried: list[Explanation] = []
    for one in explanations(pairs, reference, encoder, MappingProxyType({})):
        tried.append(one)
        if one.complete:
            break
    rows = len(tried[0].explained)
    best = next(rank(tried, rows))
    return (
        None
        if best.cause == UNKNOWN
        else cause_of(best.cause, best.score, evidence(pairs, best, rows, "pairs of vectors"))
    )


def explanations(
    pairs: Pairs, reference: Vectors, encoder: Encoder | None, candidates: Versions
) -> Iterator[Explanation]:
    """What may explain the first failing rows: their vectors, other models, then each variant of the recipe."""
    rows = Failing.of(pairs, reference)
    texts = [text for text, failing in zip(pairs.inputs, pairs.failing, strict=True) if failing][:RECOMPUTED]
    served, right, apart = (x[: len(texts)] for x in (rows.served, rows.again, rows.apart))
    for one in chain([relengthened(rows)], of_vectors(rows)):
        yield replace(one, explained=one.explained[: len(texts)])
    if encoder is None:
        return
    # transformers takes seconds to import.
    from drift.encoder.variants import Variant, variants_of  # noqa: PLC0415

    others = (
        Variant(OTHER, f"the model {name!r} is served", other.encode(texts)[:, None])
        for name, other in candidates.items()
        if other.dim == served.shape[1]
    )
    for variant in chain(others, variants_of(inner(encoder), texts, served)):
        # Whatever else is wrong with the lengths.
        left = turned(served[:, None], variant.vectors)
        meant = variant.vectors[np.arange(len(texts)), left.argmin(1)]
        enough = len(texts) >= FEW
        share = explained(left.min(1), (variant.leeway if enough else min(variant.leeway, variant.few)) * apart)
        if enough:
            share = np.minimum(share, own_part(served, meant, right, variant.leeway))
        yield Explanation(variant.cause, variant.how, np.where(apart > TURNED, share, 0.0))


def inner(encoder: Encoder) -> Encoder:
    """The encoder itself, where it is one that remembers."""
    return encoder.encoder if isinstance(encoder, CachedEncoder) else encoder


def own_part(served: Vectors, meant: Vectors, right: Vectors, leeway: float) -> Shares:
    """How much `meant` explains of what each row's deviation has not in common with the others'.

    Many models move all vectors one way whatever is wrong, so that each fault explains some of each other: an
    untrained one does, and one whose vectors lie close together.
    """
    x, y, z = (unit(v).astype(np.float64) for v in (served, meant, right))
    left, apart = x - y, x - z
    total = np.square(apart).sum(1)
    # Medians: rows of another fault must not count in what is common.
    left, apart = (np.square(v - np.median(v, axis=0)).sum(1) for v in (left, apart))
    return explained(left, leeway * np.maximum(apart, LEAST_OWN * total))


def evidence(pairs: Pairs, one: Ranked, rows: int, called: str = "re-encoded rows") -> str:
    """How far the failing of the rows `called` so are from right, and how much `one` explains of the first `rows`."""
    apart = float(np.median(deviation(pairs.served[pairs.failing], pairs.again[pairs.failing])))
    count = int(pairs.failing.sum())
    said = f"{count} of {len(pairs)} {called} are beyond tolerance (median deviation {apart:.2g})"
    if one.best is None:
        return f"{said}, and no known fault explains them."
    share = one.best.explained
    whole = f"all of it in {int((share > SOME).sum())} of {rows} rows"
    return f"{said}; that {one.best.how} explains {share.mean():.0%} of it, {whole}."
