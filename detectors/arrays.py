"""The arrays that callers of the public functions hand in, checked once."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Shaped
from torch import Tensor

from detectors.kernels import device
from drift.errors import BadReferenceError, TooFewRowsError, UnmeasurableError
from drift.records import Texts

Vectors: TypeAlias = Shaped[np.ndarray, "..."] | Tensor
"""Embeddings as callers have them: shape (n, d), a numpy array or a torch tensor of floating-point or whole numbers.

Whole numbers, such as int8 quantised embeddings, count as they are: where each dimension has a scale of its own, undo
it first. Booleans are refused.
"""

Labels: TypeAlias = Sequence[str | int | np.integer | None] | Shaped[np.ndarray, "..."] | Tensor
"""One label for each row: text or whole numbers, None or "" where a row has none."""

Flags: TypeAlias = Sequence[bool] | Shaped[np.ndarray, "..."] | Tensor
"""Right or wrong for each input: booleans of shape (n,)."""

LARGEST, SMALLEST = 1e15, 1e-15
"""Squares of larger numbers, added up over rows, would leave float32; those of smaller ones would lose digits in it."""


def as_rows(x: Vectors, name: str, least: int) -> Float32[Tensor, "n d"]:
    """A copy of `x` in float32 on the device: at least `least` rows, d >= 1, no number beyond `LARGEST`.

    Raises:
        UnmeasurableError: `x`, called `name`, has another shape or type, a number that is not finite or too large, or
            none that is as large as `SMALLEST` but some that are not 0.
        TooFewRowsError: it has fewer rows.
    """
    return _rows(x, name, least, torch.float32)


def as_wide_rows(x: Vectors, name: str, least: int) -> Float[Tensor, "n d"]:
    """`as_rows` for those who centre before they round: in float64 where `x` has more digits than float32 holds."""
    wide = isinstance(x, np.ndarray | Tensor) and x.dtype.itemsize > 4
    return _rows(x, name, least, torch.float64 if wide else torch.float32)


def as_reference(x: Vectors, least: int = 1) -> Float[Tensor, "m d"]:
    """`as_wide_rows` for a reference, whose rows must differ.

    Raises:
        BadReferenceError: `x` is none of that, or has fewer rows than `least`.
    """
    try:
        rows = as_wide_rows(x, "reference", least)
    except UnmeasurableError as error:
        raise BadReferenceError(str(error)) from None
    if bool((rows == rows[:1]).all()):
        raise BadReferenceError(
            f"reference needs rows that differ, all {len(rows)} are equal: take other rows for the reference"
        )
    return rows


def as_labels(labels: Labels, name: str, rows: int) -> Texts:
    """`labels` of `rows` rows as text.

    Raises:
        UnmeasurableError: `labels`, called `name`, are not one for each row, or of another type.
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise UnmeasurableError(f"{name} needs a list or an array with one label for each row, it is {labels!r}")
    values = list(labels.tolist() if isinstance(labels, np.ndarray | Tensor) else labels)
    if len(values) != rows:
        raise UnmeasurableError(
            f"{name} needs one label for each of {rows} rows, it has {len(values)}: use None where a row has no label"
        )
    wrong = next((value for value in values if not isinstance(value, str | int | np.integer | None)), None)
    if wrong is not None:
        raise UnmeasurableError(
            f"{name} needs text or whole numbers, it has {wrong!r}: convert it, and use None where a row has no label"
        )
    return tuple(None if value is None else str(value) for value in values)


def as_flags(flags: Flags, name: str) -> Bool[np.ndarray, "n"]:
    """`flags` as an array.

    Raises:
        UnmeasurableError: `flags`, called `name`, have another shape or type.
    """
    array = flags.cpu().numpy() if isinstance(flags, Tensor) else np.asarray(flags)
    if not array.size:
        array = array.astype(np.bool_)  # an empty list has no type
    if array.ndim != 1 or array.dtype != np.bool_:
        raise UnmeasurableError(
            f"{name} needs booleans of shape (n,), it has {array.dtype} of shape {array.shape}: "
            "pass right or wrong for each input"
        )
    return array


def require_same_width(x: int, y: int, names: tuple[str, str]) -> None:
    """Raise UnmeasurableError unless vectors of the lengths `x` and `y` can be compared."""
    if x != y:
        raise UnmeasurableError(
            f"{names[0]} and {names[1]} need vectors of one length, they have {x} and {y}: "
            "compare embeddings of one encoder"
        )


def _rows(x: Vectors, name: str, least: int, dtype: torch.dtype) -> Float[Tensor, "n d"]:
    if not isinstance(x, np.ndarray | Tensor):
        raise UnmeasurableError(
            f"{name} needs a numpy array or a torch tensor, it has {type(x).__name__}: pass np.asarray({name}), "
            f"of a column of vectors np.stack(np.asarray({name}))"
        )
    if np.ma.is_masked(x):
        raise UnmeasurableError(f"{name} needs all of its numbers, some are masked: leave these rows out")
    if isinstance(x, Tensor) and (x.layout is not torch.strided or x.is_meta):
        raise UnmeasurableError(
            f"{name} needs a dense tensor with numbers, it is {x.layout} on {x.device}: make it one"
        )
    if x.ndim != 2 or not x.shape[1]:
        raise UnmeasurableError(
            f"{name} needs shape (n, d) with d >= 1, it has {tuple(x.shape)}: pass one row for each vector"
        )
    _require_numbers(x, name)
    if len(x) < least:
        raise TooFewRowsError(f"{name} needs at least {least} rows, it has {len(x)}: take more or ask for fewer")
    if isinstance(x, Tensor):
        rows = x.detach().to(device(), dtype, copy=True)
    else:
        with np.errstate(over="ignore"):  # what float32 cannot hold is found below
            rows = torch.from_numpy(np.array(x, np.float64 if dtype is torch.float64 else np.float32)).to(device())
    # Not "larger than": that would let a NaN pass.
    bad = (rows.abs() <= LARGEST).all(1).logical_not().nonzero()[:, 0]
    if len(bad):
        raise UnmeasurableError(
            f"{name} needs finite numbers up to {LARGEST:g}, row {int(bad[0])} has others, {len(bad)} of {len(x)} rows "
            "in all: leave these rows out"
        )
    if len(rows) and 0 < (largest := float(rows.abs().max())) < SMALLEST:
        raise UnmeasurableError(
            f"{name} needs numbers of {SMALLEST:g} or more, its largest is {largest:.2g}: scale all vectors alike"
        )
    return rows


def _require_numbers(x: Shaped[np.ndarray, "..."] | Tensor, name: str) -> None:
    kind = str(x.dtype).removeprefix("torch.") if isinstance(x, Tensor) else x.dtype.name
    if kind == "bool":
        raise UnmeasurableError(
            f"{name} needs numbers, it has booleans: if these are binary embeddings, pass them as numbers, "
            f"{name}.astype(np.float32)"
        )
    if not kind.startswith(("float", "bfloat", "int", "uint")):
        raise UnmeasurableError(f"{name} needs floating-point or whole numbers, it has {x.dtype}: convert it first")
