"""The most recent rows of a sequence: a mean in which a row counts less the older it is, held against the reference."""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from detectors.kernels import length_scale, pair_distances, squared_distances
from drift.errors import UnmeasurableError

ANCHORS: Final = 128
BANDWIDTH: Final = 0.25
RIDGE: Final = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is averaged of each row: `k` features, whose mean over healthy rows is 0.

    They are the row itself and its Gaussian kernel values to the `anchors`, rows of the reference (the mean embedding
    at given places; Chwialkowski et al., 2015, Jitkrittum et al., 2016): the first see a shift, the others a change of
    the mix of kinds or of the spread. Both are whitened, with a ridge of `RIDGE` mean variances. The whitening is
    symmetric, so that an eigenvector's sign, which the next machine may choose differently, does not matter.

    A mean of n independent healthy rows has an expected squared length of 1/n, half of whose spread each part gives.
    """

    centre: Float[Tensor, "d"]
    anchors: Float[Tensor, "a d"]
    scale: float
    place: Float64[Tensor, "d d"]
    kinds: Float64[Tensor, "a a"]
    mean: Float64[Tensor, "k"]

    def features(self, x: Float[Tensor, "n d"]) -> Float64[Tensor, "n k"]:
        """The features of each row."""
        centred = (x - self.centre).float()
        near = torch.exp(squared_distances(centred, self.anchors) / -self.scale).double()
        return torch.cat([centred.double() @ self.place, near @ self.kinds], 1) - self.mean


def fit_view(first: Float[Tensor, "f d"], second: Float[Tensor, "c d"]) -> View:
    """The view that the halves of a reference, at least 2 rows each, pin.

    Directions are fitted on the first; mean and scale, to which nothing has been fitted, come from the second.

    Raises:
        UnmeasurableError: the rows of one of the halves are all equal.
    """
    centre = first.double().mean(0).to(first.dtype)
    one, two = ((half - centre).float() for half in (first, second))
    bandwidth = BANDWIDTH * length_scale(pair_distances(one[:1024]))
    if bandwidth <= 0 or not bool((second != second[:1]).any()):
        raise UnmeasurableError(
            "online needs rows that differ in both halves of the reference, those of one are all equal: "
            "de-duplicate the reference"
        )
    anchors = one[:ANCHORS].clone()
    kernel = [torch.exp(squared_distances(half, anchors) / -bandwidth).double() for half in (one, two)]
    place, kinds = _whitening(one.double(), two.double()), _whitening(*kernel)
    features = torch.cat([two.double() @ place, kernel[1] @ kinds], 1)
    unit = features.var(0).sum().sqrt()
    return View(centre, anchors, bandwidth, place / unit, kinds / unit, features.mean(0) / unit)


def _whitening(first: Float64[Tensor, "f k"], second: Float64[Tensor, "c k"]) -> Float64[Tensor, "k k"]:
    """Whitens by the covariance of `first`, so that squared lengths of means of `second` vary by one and the same.

    All 0 where the columns do not vary.
    """
    values, vectors = torch.linalg.eigh(_covariance(first))
    values = values.clamp(min=0)
    matrix = vectors / (values + RIDGE * values.mean()).sqrt() @ vectors.mT
    spread = float((_covariance(second @ matrix).square()).sum()) ** 0.25
    return matrix / spread if 0 < spread < float("inf") else torch.zeros_like(matrix)


def _covariance(x: Float64[Tensor, "n k"]) -> Float64[Tensor, "k k"]:
    centred = x - x.mean(0)
    return centred.mT @ centred / (len(x) - 1)


def noise(memory: int, held: int) -> float:
    """Expected squared length of the mean of healthy rows that `follow` gives, long after the start.

    `held` rows give the reference's mean, with an error of its own; as a negative number where the rows are drawn from
    those themselves, without replacement.
    """
    return 1 / memory + 1 / held


def follow(
    recent: Float[Tensor, "b k"], features: Float[Tensor, "m k"], picks: Int[Tensor, "b n"], memory: int
) -> Float[Tensor, "b n"]:
    """Squared lengths of `b` running means after each of `n` rows, those of `features` that `picks` names.

    The newest row counts 2 / (memory + 1), and each older one that much less than the next: the mean varies as that of
    `memory` rows does. `recent` holds the means, 0 at the start, and is changed in place: a row takes time and memory
    for `k` numbers, however many came before.
    """
    lengths = torch.empty(picks.shape, dtype=features.dtype, device=features.device)
    for i, rows in enumerate(picks.mT):
        recent.lerp_(features[rows], 2 / (memory + 1))
        lengths[:, i] = torch.linalg.vector_norm(recent, dim=1)
    return lengths.square_()
