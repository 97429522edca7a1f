"""Vectors as lossy stores give them back."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from detectors.quantised import on_lattice
from drift.diagnosis.pairs import Vectors

BITS: Final = (8, 6, 4, 3, 2)
DECIMALS: Final = (3, 2, 1)
FLOATS: Final = (("e4m3", 3, -6, 448.0), ("e5m2", 2, -14, 57344.0))
"""8-bit floats by name: bits of the mantissa, exponent of the least normal number, largest number."""
FITTED: Final = 12
"""Rows to which a scale and an offset for each dimension can be fitted."""
NEAR: Final = 1.0
"""Steps between a number and what was rounded, at most: half a step, one where it was cut, and what the fit errs."""
MOST_OUTSIDE: Final = 0.05
"""Of a row's numbers so many may lie beyond the range that was stored."""
STEPS: Final = 2.0
"""Fewer steps to a standard deviation are near to anything."""
AGREE: Final = 0.8
"""Share of signs that are right: about which middle they were taken is not known."""
EVEN: Final = 0.02
"""Part of a step by which a number may miss a whole one."""
GRIDDED: Final = 0.7
"""Share of dimensions that take equal steps. Of bfloat16 few do: those whose numbers are all of one size."""


def as_stored(x: Vectors, reference: Vectors) -> Iterator[tuple[str, Vectors]]:
    """`x` in so many bits: with one scale for each row, one for all, or a range for each dimension; or in decimals."""
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
    for name, mantissa, least_exponent, most in FLOATS:
        for scale in (1.0, most / whole):
            kept = small_float(np.clip(x * scale, -most, most), mantissa, least_exponent)
            yield f"8-bit floats ({name}) are stored", (kept / scale).astype(np.float32)
    for places in DECIMALS:
        yield f"{places} decimal{'s' if places > 1 else ''} are stored", np.round(x, places)


def small_float(x: Float[np.ndarray, "n d"], mantissa: int, least_exponent: int) -> Float[np.ndarray, "n d"]:
    """`x` rounded to floats with so many bits of mantissa."""
    exponent = np.maximum(np.frexp(x)[1] - 1, least_exponent)
    step = np.exp2(exponent - mantissa)
    back: Float[np.ndarray, "n d"] = np.round(x / step) * step
    return back


def as_integers(served: Vectors, right: Vectors) -> Bool[np.ndarray, "n"]:
    """Which served rows are whole numbers of steps, as `right` gives with a scale and an offset for each dimension.

    None where fewer than `FITTED` are whole: so few would fit anything.
    """
    found = on_lattice(served)
    if found.sum() < FITTED:
        return np.zeros(len(served), bool)
    x, y = served[found].astype(np.float64), right[found].astype(np.float64)
    off = y - y.mean(0)
    slope = (off * (x - x.mean(0))).sum(0) / np.maximum(np.square(off).sum(0), 1e-30)
    step = float(np.median([_step(row) for row in x]))
    beyond = np.abs(x - x.mean(0) - slope * off) > NEAR * step
    found[found] = (beyond.mean(1) <= MOST_OUTSIDE) & (x.std() > STEPS * step)
    return found


def as_signs(served: Vectors, right: Vectors, reference: Vectors) -> Bool[np.ndarray, "n"]:
    """Which served rows have two numbers only, one where `right` is positive or above the mean, one elsewhere."""
    low, high = served.min(1, keepdims=True), served.max(1, keepdims=True)
    upper = served > (low + high) / 2
    left = np.where(upper, high - served, served - low).max(1, keepdims=True)
    two = ((left <= 1e-5 * (high - low)) & (high > low))[:, 0]
    agree = np.maximum(*((upper == (right > middle)).mean(1) for middle in (0, reference.mean(0))))
    signs: Bool[np.ndarray, n] = two & (agree >= AGREE)
    return signs


def in_steps(served: Vectors, right: Vectors) -> Bool[np.ndarray, "n"]:
    """Which served rows are `right` in whole steps, at whatever scale; what was too large for the store is cut."""
    found = on_lattice(served)
    found[found] = [np.abs(row).max() > STEPS * _step(row) for row in served[found].astype(np.float64)]
    if not found.any():
        return found
    x, y = served[found].astype(np.float64), right[found].astype(np.float64)
    step = np.array([[_step(row)] for row in x])
    inner = np.abs(x) < np.abs(x).max(1, keepdims=True)
    scale = (x * y).sum(1, where=inner, keepdims=True) / np.square(x).sum(1, where=inner, keepdims=True)
    near = np.abs(x * scale - y) <= NEAR * step * scale
    cut = ~inner & (x * y >= np.square(x) * scale)
    found[found] = (near | cut).mean(1) >= 1 - MOST_OUTSIDE
    return found


def on_grids(served: Vectors) -> tuple[Bool[np.ndarray, "d"], Float[np.ndarray, "d"]]:
    """Which dimensions take numbers at equal steps, at most 255 of them, and how large their steps are.

    None where fewer than `FITTED` rows are there, or fewer dimensions than `GRIDDED` are so.
    """
    none = np.zeros(served.shape[1], bool), np.zeros(served.shape[1])
    if len(served) < FITTED:
        return none
    values = np.sort(served.astype(np.float64), axis=0)
    gaps = np.diff(values, axis=0)
    gaps[gaps <= 1e-6 * np.abs(values).max(0)] = np.inf
    step = gaps.min(0)
    steps = (values - values[0]) / step
    even = (np.abs(steps - np.round(steps)) < EVEN).all(0) & (steps[-1] < 255.5) & np.isfinite(step)
    return (even, step) if even.mean() >= GRIDDED else none


def in_own_steps(served: Vectors, right: Vectors) -> Bool[np.ndarray, "n"]:
    """Which served rows are `right` in steps that each dimension has of its own; beyond their range they are cut."""
    even, step = on_grids(served)
    if not even.any():
        return np.zeros(len(served), bool)
    x, y = served[:, even], right[:, even]
    cut = ((x == x.min(0)) & (y < x)) | ((x == x.max(0)) & (y > x))
    near: Bool[np.ndarray, n] = ((np.abs(x - y) <= NEAR * step[even]) | cut).mean(1) >= 1 - MOST_OUTSIDE
    return near


def _step(row: Float[np.ndarray, "d"]) -> float:
    gaps = np.diff(np.unique(row))
    return float(gaps[gaps > 1e-6 * np.abs(row).max()].min())


def rounded(x: Float[np.ndarray, "n d"], step: Float[np.ndarray, "*#s"] | np.float32) -> Vectors:
    """`x` in whole steps."""
    back: Vectors = (np.round(x / step) * step).astype(np.float32)
    return back
