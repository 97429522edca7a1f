"""The limit of tokens that vectors were made with, where it is not the recipe's."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float32

from drift.encoder.tokens import TokensEncoder
from drift.encoder.transformer import TransformerEncoder

LIMITS: Final = (*range(4, 16), *range(16, 32, 2), *range(32, 64, 8), 64, 96, 128, 192, 256, 384, 512)
"""What is tried first."""
CLOSER: Final = 4
"""So many rows are encoded to come nearer to a limit between two of these."""
STEPS: Final = 8
AT_IT: Final = 1e-5

Vectors = Float32[np.ndarray, "n d"]
TextEncoder = TransformerEncoder | TokensEncoder


def cut(encoder: TextEncoder, texts: Sequence[str], served: Vectors) -> Iterator[tuple[int, Vectors]]:
    """Limits to which inputs may have been cut, with what each gives: usual ones, then that nearest to `served`.

    Below the recipe's limit, and above it as far as the model goes.
    """
    own = encoder.recipe.max_length
    most = max(own, min(encoder.longest or own, LIMITS[-1]))
    lengths = np.array([len(row) for row in limited(encoder, most).tokenize(texts)])
    usual = [limit for limit in LIMITS if limit < lengths.max() and limit != own]
    if lengths.max() > own:
        usual.append(int(lengths.max()))
    near: dict[int, np.ndarray] = {}
    for limit in reversed(usual):
        vectors = limited(encoder, limit).encode(texts)
        near[limit] = cosines(vectors, served)
        yield limit, vectors
    if near and (closer := _closer(encoder, texts, served, near, lengths)) is not None:
        yield closer, limited(encoder, closer).encode(texts)


def said(limit: int, encoder: TextEncoder) -> str:
    """What a limit does, in words."""
    own = encoder.recipe.max_length
    return f"inputs are cut to {limit} tokens" + (f" and not to the recipe's {own}" if limit > own else "")


def _closer(
    encoder: TextEncoder, texts: Sequence[str], served: Vectors, near: dict[int, np.ndarray], lengths: np.ndarray
) -> int | None:
    """The limit nearest to `served` between the best of those in `near` and the next; None where that is the best."""
    best = max(near, key=lambda limit: float(near[limit].mean()))
    # Rows that the limit makes a difference to, of those that it explains best.
    rows = [i for i in np.argsort(-near[best], kind="stable") if lengths[i] > best][:CLOSER]
    if not rows or near[best].min() > 1 - AT_IT:
        return None
    some, wanted = [texts[i] for i in rows], served[rows]
    known = {limit: float(found[rows].mean()) for limit, found in near.items()}
    tried, top = set(known), int(lengths.max())
    while True:
        at = max(known, key=lambda limit: known[limit])
        below, above = max((n for n in known if n < at), default=at), min((n for n in known if n > at), default=top)
        step = max(1, (above - below) // STEPS)
        fresh = [n for n in range(below + step, above, step) if n not in known and n != encoder.recipe.max_length]
        if not fresh:
            return None if at in tried else at
        known |= {n: float(cosines(limited(encoder, n).encode(some), wanted).mean()) for n in fresh}


def limited(encoder: TextEncoder, limit: int) -> TextEncoder:
    """The encoder with another limit of tokens."""
    return replace(encoder, recipe=replace(encoder.recipe, max_length=limit))


def cosines(x: Vectors, y: Vectors) -> np.ndarray:
    """Cosine of each pair of rows; 0 where one of them is zero."""
    a, b = (z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-30) for z in map(np.float64, (x, y)))
    found: np.ndarray = (a * b).sum(1)
    return found
