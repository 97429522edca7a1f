"""The rows that are beyond tolerance, as each fault is tried on them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from drift.diagnosis.explain import Shares, explained
from drift.diagnosis.pairs import Pairs, Vectors, deviation, like

EXACT: Final = 0.02
"""What has many free numbers (a rotation, an order of dimensions) must leave less than this part of the deviation."""
FEW: Final = 8
"""What is fitted to rows needs so many of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Failing:
    """The failing rows: served, encoded again, and how far apart in direction; everything that was encoded again; the
    reference; and the inputs of the failing rows and of everything."""

    served: Vectors
    again: Vectors
    apart: Shares
    everything: Vectors
    reference: Vectors
    inputs: tuple[str, ...]
    every: tuple[str, ...]

    @classmethod
    def of(cls, pairs: Pairs, reference: Vectors) -> "Failing":
        served, again = pairs.served[pairs.failing], pairs.again[pairs.failing]
        inputs = tuple(text for text, failing in zip(pairs.inputs, pairs.failing, strict=True) if failing)
        apart = deviation(unit(served), unit(again))
        return cls(served, again, apart, pairs.again, reference, inputs, pairs.inputs)

    def by(self, vectors: Vectors) -> Shares:
        """How much of each row's deviation is explained if `vectors`, at whatever length, are what was meant."""
        return explained(deviation(self.served, like(vectors, self.served)), self.apart)


def exact(left: Float64[np.ndarray, "n"], rows: Failing) -> Shares:
    """Like `explained`, for what fits nearly anything a little."""
    return explained(left, EXACT * rows.apart)


def unit(x: Vectors) -> Vectors:
    """Rows at length 1."""
    return like(x, np.ones((len(x), 1), np.float32)).astype(np.float32)
