"""What the gate looks at: the same inputs, embedded by two encoders, and what that cost."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from drift.records import Texts


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The vectors of n inputs by both encoders: row i of each is input i.

    `inputs`, `labels` and `segments` have n entries, or none where they are not known. `coverage` is the share, in
    (0, 1], of the inputs offered that have a valid vector on both sides. `neighbours` is how many of the nearest count.
    """

    baseline: Float32[np.ndarray, "n d"]
    candidate: Float32[np.ndarray, "n k"]
    coverage: float = 1.0
    inputs: Texts = ()
    labels: Texts = ()
    segments: Texts = ()
    neighbours: int = 10

    def __len__(self) -> int:
        return len(self.baseline)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one encoder takes: seconds for an input in each piece of the inputs, and bytes of weights; None: not known.

    Pieces are the same on both sides; there are none where nothing was timed.
    """

    seconds: tuple[float | None, ...] = ()
    weights: int | None = None
