"""The arrays that callers of the public functions hand in, checked once."""

from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

from detectors.kernels import device
from drift.errors import TooFewRowsError, UnmeasurableError

Vectors: TypeAlias = Shaped[np.ndarray, "..."] | Tensor
"""Embeddings as callers have them: shape (n, d), a numpy array or a torch tensor of any floating-point type."""


def as_rows(x: Vectors, name: str, least: int) -> Float32[Tensor, "n d"]:
    """A copy of `x` in float32 on the device: at least `least` rows, d >= 1, finite.

    Raises:
        UnmeasurableError: `x`, called `name`, has another shape or type, or a row that float32 cannot hold.
        TooFewRowsError: it has fewer rows.
    """
    if x.ndim != 2 or not x.shape[1]:
        raise UnmeasurableError(f"{name} needs shape (n, d) with d >= 1, it has {tuple(x.shape)}")
    floating = x.is_floating_point() if isinstance(x, Tensor) else np.issubdtype(x.dtype, np.floating)
    if not floating:
        raise UnmeasurableError(f"{name} needs floating-point vectors, it has {x.dtype}: convert it first")
    if len(x) < least:
        raise TooFewRowsError(f"{name} needs at least {least} rows, it has {len(x)}: take more")
    if isinstance(x, Tensor):
        rows = x.detach().to(device(), torch.float32, copy=True)
    else:
        with np.errstate(over="ignore"):  # what float32 cannot hold is found below
            rows = torch.from_numpy(np.array(x, np.float32)).to(device())
    bad = torch.isfinite(rows).all(1).logical_not().nonzero()[:, 0]
    if len(bad):
        raise UnmeasurableError(
            f"{name} needs finite float32 numbers, row {int(bad[0])} has others, {len(bad)} of {len(x)} rows in all: "
            "leave these rows out"
        )
    return rows


def require_same_width(x: Float32[Tensor, "n d"], y: Float32[Tensor, "m k"], names: tuple[str, str]) -> None:
    """Raise UnmeasurableError unless the two have vectors of one length."""
    if x.shape[1] != y.shape[1]:
        raise UnmeasurableError(
            f"{names[0]} and {names[1]} need vectors of one length, they have {x.shape[1]} and {y.shape[1]}: "
            "compare embeddings of one encoder"
        )
