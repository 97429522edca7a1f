"""Energy distance: has the distribution of the embeddings changed, with no bandwidth to choose?"""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from numpy.random import Generator
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import on_grid, pinned, squared_distances
from detectors.permuting import Block, apart, measurement, permuted
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class Energy:
    """Change of distribution: energy distance with a permutation p-value (Szekely and Rizzo, 2013).

    2 E|x - y| - E|x - x'| - E|y - y'|, unbiased and unfloored, in units of the reference's mean distance: about 0, and
    negative half of the time, when nothing has changed. It is the squared MMD of the kernel -|x - y| (Sejdinovic et
    al., Ann. Statist. 41, 2013), so it finds what `mmd` finds with a wide bandwidth. The p-value is (1 + b) / (1 +
    permutations); the band holds 99 % of the values that the permutations give. Rows are used as in `mmd`.
    """

    name: ClassVar[str] = "energy"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "the embeddings lie elsewhere than in the reference: the traffic, or the encoder, has changed"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the model may need "
        "retraining on it; if not, fix the serving path."
    )

    permutations: int = 999
    reference_rows: int = 5120
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.permutations < 1 or self.reference_rows < 2:
            raise ValueError(f"energy needs permutations >= 1 and reference_rows >= 2, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        rows = independent_rows(self.name, window, reference, self.min_rows)
        n = on_grid(len(rows))
        values = permuted(reference, block(reference, self.reference_rows), rows.vectors[:n], self.permutations, rng)
        return measurement(window, reference, self.name, values, n)


@dataclass(frozen=True, slots=True)
class Nearness:
    """1 - |x - y| / `mean`, whose mean over pairs is about 0: only rounding notices."""

    mean: float

    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
        return squared_distances(x, y).sqrt_().mul_(-1 / self.mean).add_(1)


@pinned
def block(reference: Reference, most: int) -> Block:
    """The first `most` rows; a thousand of them say how far apart rows lie.

    Raises:
        UnmeasurableError: those rows are all equal, so that no distance has a unit.
    """
    held = apart(Energy.name, reference, most)
    return Block(held.rows, held.centre, Nearness(float(held.pairs.sqrt().double().mean())))
