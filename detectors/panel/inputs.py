"""What the panel takes from its callers: arrays or tensors of rows, checked once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from detectors.kernels import device
from drift.errors import BadReferenceError, TooFewRowsError, UnmeasurableError

Vectors = npt.NDArray[np.generic] | Tensor
"""Rows by dimensions, of any floating type."""

LARGEST = 1e15
"""Squares of larger numbers, added up over rows, would leave float32."""


def reference_rows(vectors: Vectors) -> Float[Tensor, "m d"]:
    """`vectors` on the device, in their own precision.

    Raises:
        BadReferenceError: not two-dimensional, not floating, not finite, or all rows equal.
    """
    if (fault := _fault(rows := _tensor(vectors))) is not None:
        raise BadReferenceError(f"panel needs {fault.needed}, the reference {fault.found}: {fault.remedy}")
    if len(rows) == 0 or bool((rows == rows[0]).all()):
        raise BadReferenceError(
            f"panel needs reference rows that differ, all {len(rows)} are equal: take other rows for the reference"
        )
    return rows


def window_rows(vectors: Vectors, dim: int, least: int) -> Float[Tensor, "n d"]:
    """`vectors` on the device, in their own precision.

    Raises:
        UnmeasurableError: not two-dimensional, not floating, not finite, or not of the reference's dimension.
        TooFewRowsError: fewer than `least` rows.
    """
    if (fault := _fault(rows := _tensor(vectors))) is not None:
        raise UnmeasurableError(f"panel needs {fault.needed}, the window {fault.found}: {fault.remedy}")
    if rows.shape[1] != dim:
        raise UnmeasurableError(
            f"panel needs windows of {dim} dimensions like its reference, the window has {rows.shape[1]}: "
            "fit a panel on a reference from the same encoder"
        )
    if len(rows) < least:
        raise TooFewRowsError(
            f"panel needs at least {least} rows, the window has {len(rows)}: "
            "collect more rows or fit the panel with a smaller window_size"
        )
    return rows


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with some rows, in words for a message."""

    needed: str
    found: str
    remedy: str


def _tensor(vectors: Vectors) -> Tensor:
    # A copy: stored arrays are often read-only, and torch warns about a view of those.
    return vectors.detach().to(device()) if isinstance(vectors, Tensor) else torch.tensor(vectors, device=device())


def _fault(rows: Tensor) -> _Fault | None:
    if rows.ndim != 2 or rows.shape[1] == 0:
        return _Fault("an array of rows by dimensions", f"has the shape {tuple(rows.shape)}", "pass one row per vector")
    if not rows.is_floating_point():
        return _Fault("floating point numbers", f"has {rows.dtype}", "convert it to float32")
    # In half precision the largest number stands for infinity, which is not larger than itself.
    finite = (rows.isfinite() & (rows.abs() <= LARGEST)).all(1)
    if not bool(finite.all()):
        first = int((~finite).nonzero()[0])
        bad = int((~finite).sum())
        return _Fault(
            f"finite numbers up to {LARGEST:g}", f"has others in {bad} rows, first in row {first}", "drop those rows"
        )
    return None
