"""Classifiers that are frozen on the labelled rows of a reference's first half: a linear one, and its nearest rows."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from detectors.kernels import pinned, squared_distances, tensor
from detectors.labels import classes_of, codes, labelled
from drift.errors import UnmeasurableError
from drift.records import Reference, Rows


@dataclass(frozen=True, slots=True, eq=False)
class LinearProbe:
    """A fitted probe: which of `classes` it gives a row is the largest of the row's scores."""

    classes: tuple[str, ...]
    centre: Float[Tensor, "d"]
    scale: float
    weights: Float[Tensor, "d c"]
    bias: Float[Tensor, "c"]

    def scores(self, rows: Rows) -> Float[Tensor, "n c"]:
        """The logits of each row."""
        return (tensor(rows.vectors) - self.centre) / self.scale @ self.weights + self.bias

    def right(self, rows: Rows) -> int:
        """How many of `rows`, all labelled, are given their own label."""
        return int(self.marks(rows).sum())

    def marks(self, rows: Rows) -> Bool[np.ndarray, "n"]:
        """Which of `rows`, all labelled, are given their own label."""
        return np.asarray((self.scores(rows).argmax(1).cpu() == codes(rows, self.classes)).numpy())


@pinned
def fitted_probe(reference: Reference, strength: float) -> LinearProbe:
    """The probe fitted on the labelled rows of the reference's first half.

    `strength` is the inverse weight of the penalty, as in C * sum of losses + |weights|^2 / 2, on vectors that are
    centred and scaled to a mean squared length of 1.

    Raises:
        MissingLabelsError: they do not have two different labels.
    """
    whose = f"the first half of {reference}"
    rows = labelled(reference.fit, 1, "probe", whose)
    classes = classes_of(rows, "probe", whose)
    x = tensor(rows.vectors)
    centre = x.double().mean(0).to(x.dtype)
    scale = float((x - centre).square().sum(1).double().mean()) ** 0.5 or 1.0
    weights, bias = logistic((x - centre) / scale, codes(rows, classes).to(x.device), len(classes), strength)
    return LinearProbe(classes, centre, scale, weights, bias)


def logistic(
    x: Float[Tensor, "n d"], y: Int[Tensor, "n"], classes: int, strength: float
) -> tuple[Float[Tensor, "d c"], Float[Tensor, "c"]]:
    """Weights and bias that minimise strength * sum of cross-entropies + |weights|^2 / 2; convex, so there is one."""
    weights = torch.zeros(x.shape[1], classes, dtype=x.dtype, device=x.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, device=x.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        error = torch.nn.functional.cross_entropy(x @ weights + bias, y)
        value = error + weights.square().sum() / (2 * strength * len(x))
        torch.autograd.backward(value)
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.detach()


@dataclass(frozen=True, slots=True, eq=False)
class NearestRows:
    """Known rows at length 1, less their mean `centre`, and their labels as positions in `classes`."""

    classes: tuple[str, ...]
    units: Float[Tensor, "m d"]
    centre: Float[Tensor, "d"]
    labels: Int[Tensor, "m"]

    def of(self, rows: Rows, k: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
        """Squared distances at length 1 (2 - 2 cosines) and labels of each row's `k` nearest known rows."""
        units = torch.nn.functional.normalize(tensor(rows.vectors)) - self.centre
        # In pieces: a reference of 50,000 rows against itself would need 2.5 GB at once.
        found = [
            squared_distances(piece, self.units).topk(k, dim=1, largest=False) for piece in torch.split(units, 1024)
        ]
        return torch.cat([near.values for near in found]), self.labels[torch.cat([near.indices for near in found])]


@pinned
def nearest_rows(reference: Reference, k: int, detector: str) -> NearestRows:
    """The labelled rows of the reference's first half, among which `detector` looks for `k` nearest ones.

    Raises:
        MissingLabelsError: they do not have two different labels.
        UnmeasurableError: they are fewer than `k`.
    """
    whose = f"the first half of {reference}"
    rows = labelled(reference.fit, 1, detector, whose)
    classes = classes_of(rows, detector, whose)
    if len(rows) < k:
        raise UnmeasurableError(
            f"{detector} needs {k} labelled rows, {whose} has {len(rows)}: give the reference more labelled rows"
        )
    units = torch.nn.functional.normalize(tensor(rows.vectors))
    # Centred, because float32 cancels where all rows point the same way.
    centre = units.double().mean(0).to(units.dtype)
    return NearestRows(classes, units - centre, centre, codes(rows, classes).to(units.device))
