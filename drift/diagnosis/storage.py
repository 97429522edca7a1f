"""Vectors as lossy stores give them back."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Float

from drift.diagnosis.pairs import Vectors

BITS: Final = (8, 6, 4, 3, 2)


def as_stored(x: Vectors, reference: Vectors) -> Iterator[tuple[str, Vectors]]:
    """`x` rounded to so many bits: with one scale for each row, one for all, or a range for each dimension."""
    yield "only signs are stored", np.where(x > 0, 1, -1).astype(np.float32)
    whole = np.abs(reference).max()
    low, high = reference.min(0), reference.max(0)
    for bits in BITS:
        steps = 2 ** (bits - 1) - 1
        own = np.abs(x).max(1, keepdims=True)
        yield f"{bits} bits are stored, one scale for each vector", rounded(x, own / steps)
        yield f"{bits} bits are stored, one scale for all", rounded(np.clip(x, -whole, whole), whole / steps)
        yield f"{bits} bits are stored, from -1 to 1", rounded(x, np.float32(1 / steps))
        step = np.maximum(high - low, 1e-12) / (2**bits - 1)
        yield f"{bits} bits are stored, one range for each dimension", rounded(np.clip(x, low, high) - low, step) + low
        least = x.min(1, keepdims=True)
        yield (
            f"{bits} bits are stored, one range for each vector",
            rounded(x - least, (x.max(1, keepdims=True) - least) / (2**bits - 1)) + least,
        )


def rounded(x: Float[np.ndarray, "n d"], step: Float[np.ndarray, "*#s"] | np.float32) -> Vectors:
    """`x` in whole steps."""
    back: Vectors = (np.round(x / step) * step).astype(np.float32)
    return back
