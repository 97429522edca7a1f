"""Permutation test on the maximum mean discrepancy: has the distribution of the embeddings changed?"""

from dataclasses import dataclass
from typing import ClassVar, final

from numpy.random import Generator

from detectors.copies import independent_rows
from detectors.kernels import on_grid
from detectors.permuting import gaussian_block, measurement, permuted
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class Mmd:
    """Change of distribution: unbiased squared MMD with a permutation p-value (Gretton et al., JMLR 13, 2012).

    Squared distance of mean embeddings, in kernel units (at most 2); about 0, and negative half of the time, when
    nothing has changed: it is never floored. The p-value is (1 + b) / (1 + permutations). The band holds 99 % of the
    values that the permutations give.

    The kernel is the mean of Gaussian kernels exp(-d2 / (b * s)), one for each b in `bandwidths`, where s is the median
    squared distance in the reference. A mean of kernels is a kernel, so value, band and p-value are about one number
    and the test is exact as it stands; a maximum over bandwidths would have to be standardised within the permutations.

    The reference's first `reference_rows` rows are used (they are in random order), and of the window as many as the
    grid of window sizes has: each size needs a fit of its own. Windows should have at most a
    twentieth as many: with fewer reference rows a healthy stream's own share of small p-values strays from nominal.
    """

    name: ClassVar[str] = "mmd"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "the embeddings are not distributed as in the reference: the traffic, or the encoder, has changed"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the model may need "
        "retraining on it; if not, fix the serving path."
    )

    permutations: int = 999
    bandwidths: tuple[float, ...] = (0.25, 1.0)
    reference_rows: int = 5120
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.permutations < 1 or self.reference_rows < 2 or not self.bandwidths or min(self.bandwidths) <= 0:
            raise ValueError(f"mmd needs permutations >= 1, reference_rows >= 2 and bandwidths > 0, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        # Copies move together, where the permutations move each row by itself.
        rows = independent_rows(self.name, window, reference, self.min_rows)
        n = on_grid(len(rows))
        held = gaussian_block(reference, self.name, self.reference_rows, self.bandwidths)
        values = permuted(reference, held, rows.vectors[:n], self.permutations, rng)
        return measurement(window, reference, self.name, values, n)
