"""What runs a model that came as a graph: its inputs by name, arrays in, the first output out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from jaxtyping import Float32

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Port:
    """An input of a graph. Its first axis is of inputs; a length is None where any will do."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {list(self.shape)}"


class Graph(Protocol):
    """A model that is nothing but its graph."""

    @property
    def ports(self) -> tuple[Port, ...]: ...

    @property
    def described(self) -> Mapping[str, str]:
        """What runs it, by name: libraries, device."""
        ...

    def run(self, arrays: Arrays) -> Float32[np.ndarray, "n *rest"]:
        """The first output, for an array for each port."""
        ...


def finished(vectors: Float32[np.ndarray, "n d"], *, normalise: bool) -> Float32[np.ndarray, "n d"]:
    """Of unit length where wanted; a row of zeros stays one."""
    if not normalise:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Float32[np.ndarray, "n d"] = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit
