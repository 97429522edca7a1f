"""Novelty of single rows: how many lie further out than the reference's own rows do?"""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float
from numpy.random import Generator
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import (
    beta_binomial,
    central_range,
    chance,
    pinned,
    squared_distances,
    tensor,
    wilson,
)
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class Novelty:
    """Novel rows: share of the window beyond the reference's own `quantile` of novelty (split conformal).

    Share in [0, 1], about `quantile` when healthy. A row's novelty is the Euclidean distance to its `neighbours`-th
    nearest row of the reference's first half; the threshold comes from the second half (Papadopoulos et al., 2002;
    Bates et al., Ann. Statist. 51, 2023). Finds a few rows of a new kind, not a changed mix of known kinds.

    Given its second half, a reference lets through a random share, a Beta variable: so the p-value is the tail of a
    beta-binomial law, exact over references, and the band holds 99 % of that law. low and high are Wilson's.
    """

    name: ClassVar[str] = "novelty"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "more rows than usual lie further from the reference than its own rows do: inputs of a new kind arrive"
    )
    next_step: ClassVar[str] = (
        "Read the newest inputs in the window: new content needs new labels and retraining, junk needs a "
        "filter upstream."
    )

    neighbours: int = 5
    quantile: float = 0.01
    min_rows: int = 64

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1 or self.neighbours < 1:
            raise ValueError(f"novelty needs 0 < quantile < 1 and neighbours >= 1, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        # One novel row that is repeated is one success in the beta-binomial law, and not many.
        rows = independent_rows(self.name, window, reference, self.min_rows)
        n = len(rows)
        known = known_rows(reference, self.neighbours, self.quantile)
        beyond = known.beyond(tensor(rows.vectors))
        healthy = beta_binomial(n, float(known.above), float(known.below))
        low, high = central_range(healthy)
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=beyond / n,
            rows=n,
            p_value=chance(healthy[beyond:]),
            interval=wilson(beyond, n),
            band=(low / n, high / n),
        )


@dataclass(frozen=True, slots=True, eq=False)
class KnownRows:
    """What the reference knows: its fitting rows, centred, and the novelty beyond which a row counts as novel.

    A healthy row lands beyond `threshold` with a probability drawn from Beta(above, below).
    """

    rows: Float[Tensor, "m d"]
    centre: Float[Tensor, "d"]
    neighbours: int
    threshold: float = 0.0
    above: int = 0
    below: int = 0

    def novelty(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """Squared distance of each row to its `neighbours`-th nearest known row."""
        centred = x - self.centre
        # In pieces: a reference of 50,000 rows against itself would need 2.5 GB at once.
        return torch.cat([self._kth(piece) for piece in torch.split(centred, 1024)])

    def beyond(self, x: Float[Tensor, "n d"]) -> int:
        """How many rows have a novelty beyond the threshold."""
        return int(self.novel(x).sum())

    def novel(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, "n"]:
        """Which rows have a novelty beyond the threshold: so few known rows within it. Counting spares the sort."""
        pieces = torch.split(x - self.centre, 1024)
        within = [(squared_distances(piece, self.rows) <= self.threshold).sum(1) for piece in pieces]
        return torch.cat(within) < self.neighbours

    def _kth(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        return squared_distances(x, self.rows).topk(self.neighbours, dim=1, largest=False, sorted=True).values[:, -1]


@pinned
def known_rows(reference: Reference, neighbours: int, quantile: float) -> KnownRows:
    """The reference's first half, and the threshold that its second half gives.

    Raises:
        UnmeasurableError: the halves are too small for so many neighbours or so small a quantile.
    """
    fit, calibration = tensor(reference.fit.vectors), tensor(reference.calibration.vectors)
    above = int(quantile * (len(calibration) + 1) + 1e-9)
    if above < 1 or neighbours > len(fit):
        least = max(2 * neighbours, 2 * (ceil(1 / quantile - 1e-9) - 1) - 1)
        raise UnmeasurableError(
            f"novelty needs a reference of {least} rows for {neighbours} neighbours and quantile {quantile}, "
            f"{reference} has {len(reference.rows)}: give the reference more rows or novelty a larger quantile"
        )
    below = len(calibration) + 1 - above
    centre = fit.double().mean(0).to(fit.dtype)
    known = KnownRows(fit - centre, centre, neighbours)
    threshold = float(known.novelty(calibration).sort().values[below - 1])
    return KnownRows(known.rows, centre, neighbours, threshold, above, below)
