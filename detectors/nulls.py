"""Null windows: what windows made of a reference's own rows say about windows of healthy traffic."""

from math import sqrt
from typing import Final

import numpy as np
from jaxtyping import Float64, Int

from drift.errors import UnmeasurableError
from drift.records import Reference

AMPLE: Final = 20
"""Reference rows for each row of a window, beyond which the reference's own error no longer matters."""

FEWEST: Final = 4
"""Null windows of a reference with fewer rows than this for each of theirs would hardly differ from one another."""


def null_picks(m: int, n: int, windows: int, rng: np.random.Generator) -> Int[np.ndarray, "b n"]:
    """Rows of `windows` null windows: `n` of `m` rows each, in random order and without replacement. The first ones do
    not depend on how many follow."""
    return np.stack([rng.choice(m, n, replace=False) for _ in range(windows)])


def widening(n: int, m: int) -> float:
    """How much further a fresh window of `n` rows lies from `m` reference rows than `n` of these do, n < m.

    The law of `n` of `m` rows varies about that of all `m` by 1/n - 1/m, that of a fresh window by 1/n + 1/m: this is
    the root of the ratio. It makes up for null windows that are part of what they are held against, in statistics that
    are a length of the difference of two laws, in which nothing is fitted to the reference's rows.
    """
    return sqrt((m + n) / (m - n))


def rank_p(value: float, nulls: Float64[np.ndarray, "b"]) -> float:
    """Upper-tail p-value in (0, 1]: (1 + how many of `nulls` are at least `value`) / (1 + b)."""
    return (1 + int((nulls >= value).sum())) / (1 + len(nulls))


def guarded(p_value: float, rows: int, held: int) -> float:
    """`p_value`, doubled where `held` reference rows are fewer than `AMPLE` for each of a window's `rows`.

    The reference's own error is the same in every window: healthy windows of one stream alarm too often, those of
    another hardly ever, although the share over all references is right.
    """
    return p_value if held >= AMPLE * rows else min(1.0, 2 * p_value)


def require_held(detector: str, reference: Reference, held: int, least: int, rows: int) -> None:
    """Raise UnmeasurableError unless `held` of the reference's rows, at least `least`, can be used for `rows` rows."""
    if held < least:
        raise UnmeasurableError(
            f"{detector} needs {least} reference rows for windows of {rows}, it can use {held} of the "
            f"{len(reference.rows)} of {reference}: give the reference more rows or the stream a smaller sample"
        )
