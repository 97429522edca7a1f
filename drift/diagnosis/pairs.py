"""Served rows beside what the encoder gives for their inputs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from detectors.kernels import tensor
from detectors.skew import beyond
from drift.encoder.base import Encoder
from drift.encoder.readable import encode_readable
from drift.errors import UnmeasurableError
from drift.records import Rows

MOST_PAIRS = 256

Vectors = Float32[np.ndarray, "n d"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a served vector may be from the encoder's before its row fails, as in the detector `skew`.

    `apart` bounds 1 - cosine (the default lets bfloat16 pass), `norm` bounds |ratio of lengths - 1|.
    """

    apart: float = 3e-4
    norm: float = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Rows at `index` of a window: inputs, vectors as served and encoded again, and which are beyond tolerance."""

    index: Int[np.ndarray, "n"]
    inputs: tuple[str, ...]
    served: Vectors
    again: Vectors
    failing: Bool[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def share(self) -> float:
        """Share of rows beyond tolerance."""
        return float(self.failing.mean())


def paired(rows: Rows, encoder: Encoder, tolerance: Tolerance, *, most: int = MOST_PAIRS) -> Pairs | None:
    """At most `most` rows that carry inputs, the first, encoded again; None where no row does.

    Raises:
        UnmeasurableError: the encoder gives vectors of another length.
        UnreadableInputsError: the encoder takes none of the inputs.
    """
    index = rows.with_value(rows.inputs)[:most]
    if not len(index):
        return None
    if encoder.dim != (dim := rows.vectors.shape[1]):
        raise UnmeasurableError(
            f"the encoder gives vectors of {encoder.dim} dimensions, the rows have {dim}: "
            "name the encoder that they should be of"
        )
    inputs = tuple(text for i in index if (text := rows.inputs[i]) is not None)
    found = encode_readable(encoder, inputs)
    index = index[found.index]
    return pairs_of(tuple(inputs[i] for i in found.index), rows.vectors[index], found.vectors, tolerance, index)


def pairs_of(
    inputs: tuple[str, ...],
    served: Vectors,
    again: Vectors,
    tolerance: Tolerance,
    index: Int[np.ndarray, "n"] | None = None,
) -> Pairs:
    """Rows whose right vectors are `again`, at `index` of a window, by default at their places here."""
    failing = beyond(tensor(served), tensor(again), tolerance.apart, tolerance.norm).cpu().numpy()
    return Pairs(np.arange(len(inputs)) if index is None else index, inputs, served, again, failing)


def deviation(x: Float[np.ndarray, "*n d"], y: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n"]:
    """|x - y|^2 / (2 |x| |y|): 1 - cosine for vectors of one length, and more where their lengths differ."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    lengths = np.sqrt(np.square(a).sum(-1) * np.square(b).sum(-1))
    result: Float[np.ndarray, "*n"] = np.square(a - b).sum(-1) / (2 * np.maximum(lengths, 1e-30))
    return result


def turned(x: Float[np.ndarray, "*#n d"], y: Float[np.ndarray, "*#n d"]) -> Float[np.ndarray, "*n"]:
    """1 - cosine of each pair of rows, exact where it is small; 1/2 where one of them is zero."""
    a, b = (z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-30) for z in map(np.float64, (x, y)))
    result: Float[np.ndarray, "*n"] = np.square(a - b).sum(-1) / 2
    return result


def like(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """`x` with each row as long as that of `y`; a zero row stays zero."""
    lengths = np.linalg.norm(y, axis=1, keepdims=True) / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
    scaled: Float[np.ndarray, "n d"] = x * lengths
    return scaled
