"""Sliced Wasserstein distance: how far must the embeddings be carried, seen along many random directions?"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.random import Generator
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import draw, on_grid, pinned, seeded, tensor
from detectors.nulls import FEWEST, guarded, null_picks, rank_p, require_held, widening
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class SlicedWasserstein:
    """Change of distribution: mean Wasserstein distance to the reference along random directions (Rabin et al., 2011).

    In standard deviations of the reference along a direction: a shift of all rows by s of them along every direction
    gives s. A healthy window gives what chance does, about 1.3 / sqrt(rows), so read it beside its band, which holds
    99 % of the null windows. Each direction's distance is exact, of order 1.

    `directions` are uniform on the sphere of the directions that the reference uses, and pinned to it. The p-value is
    (1 + b) / (1 + nulls) over windows drawn from the reference itself. These lie closer to it than fresh ones do, by
    the root of (1/n - 1/m) / (1/n + 1/m): the distance is proportional to the difference of the two laws and nothing is
    fitted, so theirs is stretched by that much. (A split reference would need no such step, and hold windows against
    half of the rows.) With fewer than 20 reference rows for each of the window's the p-value is doubled.

    The reference's first `reference_rows` rows are used (they are in random order), and of the window as many as the
    grid of window sizes has: each size needs null windows of its own, which takes about a second.
    """

    name: ClassVar[str] = "sliced_wasserstein"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "the embeddings lie further from the reference than chance explains, seen along many directions at once"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the model may need "
        "retraining on it; if not, fix the serving path."
    )

    directions: int = 128
    nulls: int = 999
    reference_rows: int = 10_240
    min_rows: int = 64

    def __post_init__(self) -> None:
        if min(self.directions, self.nulls, self.reference_rows) < 1 or self.min_rows < 2:
            raise ValueError(
                f"sliced_wasserstein needs directions, nulls and reference_rows >= 1 and min_rows >= 2, got {self}"
            )

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        used = independent_rows(self.name, window, reference, self.min_rows)
        n = on_grid(len(used))
        nulls = null_distances(reference, self.directions, self.reference_rows, n, self.nulls)
        slices = sliced(reference, self.directions, self.reference_rows)
        value = slices.distance(slices.project(draw(tensor(used.vectors), n, rng)))
        low, high = np.quantile(nulls, (0.005, 0.995))
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=value,
            rows=n,
            p_value=guarded(rank_p(value, nulls), n, slices.rows),
            band=(float(low), float(high)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """The reference along `l` directions: its values there, ascending, and their running means.

    Values are in standard deviations and counted from the lowest, so that `below`, of which the k-th entry adds up the
    k lowest values over m, never falls.
    """

    centre: Float[Tensor, "d"]
    axes: Float[Tensor, "d l"]
    lowest: Float64[Tensor, "l 1"]
    values: Float64[Tensor, "l m"]
    below: Float64[Tensor, "l m1"]

    @property
    def rows(self) -> int:
        return self.values.shape[1]

    def project(self, x: Float[Tensor, "n d"]) -> Float64[Tensor, "l n"]:
        """The rows along the directions, ascending."""
        return (((x - self.centre) @ self.axes).mT.double() - self.lowest).sort(1).values

    def distance(self, x: Float64[Tensor, "l n"]) -> float:
        """Mean over the directions of the Wasserstein distance of `x`, ascending, to the reference."""
        return self.transport(x, torch.searchsorted(self.values, x.contiguous(), right=True))

    def transport(self, x: Float64[Tensor, "l n"], ranks: Int[Tensor, "l n"]) -> float:
        """`distance` where it is known how many reference values, `ranks`, are at most each of `x`.

        The i-th of n values is carried to the reference's quantiles between i/n and (i+1)/n: upwards to those above
        it, downwards to the others, and sums of quantiles are differences of `below`.
        """
        cuts = torch.arange(x.shape[1] + 1, dtype=x.dtype, device=x.device) / x.shape[1]
        sums = self._up_to(cuts)
        low, high = cuts[:-1], cuts[1:]
        split = (ranks / self.rows).clamp(low, high)
        shared = torch.gather(self.below, 1, ranks).clamp(sums[:, :-1], sums[:, 1:])
        carried = x * (2 * split - low - high) + sums[:, :-1] + sums[:, 1:] - 2 * shared
        return float(carried.sum(1).mean())

    def _up_to(self, shares: Float64[Tensor, "k"]) -> Float64[Tensor, "l k"]:
        """The sum of the quantiles up to each of `shares`."""
        whole = (shares * self.rows).long().clamp(max=self.rows - 1)
        return self.below[:, whole] + (shares - whole / self.rows) * self.values[:, whole]


@pinned
def sliced(reference: Reference, directions: int, most: int) -> Slices:
    """The first `most` rows along random directions.

    A direction is a sum of the rows with random weights, whitened: uniform on the sphere that they span, whatever
    their covariance, and turning with them if everything is turned. Dead directions, of a standard deviation below
    1e-4 of the median, are left out.

    Raises:
        UnmeasurableError: those rows are all equal.
    """
    x = tensor(reference.vectors[:most])
    if bool((x == x[:1]).all()):
        raise UnmeasurableError(
            f"sliced_wasserstein needs reference rows that differ, the first {len(x)} rows of {reference} are equal: "
            "de-duplicate the reference or raise reference_rows"
        )
    centre = x.double().mean(0).to(x.dtype)
    centred = (x - centre).double()
    left, lengths, right = torch.linalg.svd(centred, full_matrices=False)
    live = lengths > 1e-4 * lengths[lengths > 0].median()
    weights = torch.from_numpy(seeded(reference, "sliced_wasserstein").standard_normal((len(x), directions)))
    axes = right[live].mT @ (left[:, live].mT @ weights.to(x.device))
    axes /= axes.square().sum(0).sqrt() * (lengths.square().sum() / len(x) / int(live.sum())).sqrt()
    axes = axes.to(x.dtype)
    values = ((x - centre) @ axes).mT.double().sort(1).values.contiguous()
    lowest = values[:, :1].clone()
    values -= lowest
    below = torch.nn.functional.pad(values.cumsum(1), (1, 0)) / len(x)
    return Slices(centre, axes, lowest, values, below)


@pinned
def null_distances(reference: Reference, directions: int, most: int, n: int, nulls: int) -> Float64[np.ndarray, "b"]:
    """The distances of `nulls` null windows of `n` rows, stretched to what fresh windows give.

    Raises:
        UnmeasurableError: the reference has fewer rows than four windows.
    """
    m = min(most, len(reference.rows))
    require_held("sliced_wasserstein", reference, m, FEWEST * n, n)
    slices = sliced(reference, directions, most)
    projected = (tensor(reference.vectors[:m]) - slices.centre) @ slices.axes
    ranks = projected.argsort(0).argsort(0).mT.to(torch.int16 if m <= 2**15 else torch.int32).cpu().numpy()
    found = []
    for picks in null_picks(m, n, nulls, seeded(reference, f"sliced_wasserstein/{n}")):
        # Ranks stand for values, which need not be searched for then; numpy sorts them fifty times faster than torch.
        chosen = torch.from_numpy(np.sort(ranks[:, picks], axis=1)).to(projected.device, torch.int64)
        found.append(slices.transport(torch.gather(slices.values, 1, chosen), chosen + 1))
    return widening(n, m) * np.array(found)
