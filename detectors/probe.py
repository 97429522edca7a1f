"""Probe accuracy: do the embeddings still say what they said to a model trained on them?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.random import Generator
from scipy.special import gammaln
from torch import Tensor

from detectors.copies import independent
from detectors.kernels import beta_binomial, central_range, chance, pinned, tensor, wilson
from drift.errors import MissingLabelsError, TooFewRowsError
from drift.records import Measurement, Reference, Rows, Window


@final
@dataclass(frozen=True, slots=True)
class Probe:
    """Compatibility: accuracy on the window's labelled rows of a linear probe that was frozen on the reference.

    Share in [0, 1]; low and high are Wilson's. The probe is an L2-penalised logistic regression on labelled rows of the
    reference's first half. It stands for the models downstream, so a label that it has never seen counts as wrong: they
    would not get it right either. Sees wrong versions (rotations) and noise, not merely other traffic.

    Healthy is the accuracy on the reference's second half. The p-value is Fisher's exact test that the window's is no
    lower, which allows for the chance in both samples; the band holds 99 % of the healthy windows of this size.

    `strength` is the inverse weight of the penalty, as in C * sum of losses + |weights|^2 / 2, on vectors that are
    centred and scaled to a mean squared length of 1.
    """

    name: ClassVar[str] = "probe"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "a probe that was fitted on the reference makes more mistakes on these embeddings than it should"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew: if it is bad, the serving path or the version is wrong; if not, the task has "
        "drifted, and the model needs retraining."
    )

    strength: float = 10.0
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.strength <= 0:
            raise ValueError(f"probe needs strength > 0, got {self.strength}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        whose = f"window {window}"
        rows = independent(labelled(window.rows, self.min_rows, whose), reference)
        # A mistake that is copied is one mistake to Fisher's test. Of equal rows the first that has a label counts.
        rows = labelled(rows, self.min_rows, f"{whose}, its copies left out,")
        probe = fitted_probe(reference, self.strength)
        right, healthy, out_of = probe.right(rows), *calibration(reference, self.strength, self.min_rows)
        n = len(rows)
        low, high = central_range(beta_binomial(n, healthy + 0.5, out_of - healthy + 0.5))
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=right / n,
            rows=n,
            p_value=chance(hypergeometric(n, right + healthy, n + out_of)[: right + 1]),
            interval=wilson(right, n),
            band=(low / n, high / n),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LinearProbe:
    """A fitted probe: which of `classes` it gives a row is the largest of the row's scores."""

    classes: tuple[str, ...]
    centre: Float[Tensor, "d"]
    scale: float
    weights: Float[Tensor, "d c"]
    bias: Float[Tensor, "c"]

    def right(self, rows: Rows) -> int:
        """How many of `rows`, all labelled, are given their own label."""
        scores = (tensor(rows.vectors) - self.centre) / self.scale @ self.weights + self.bias
        return int((scores.argmax(1).cpu() == codes(rows, self.classes)).sum())


@pinned
def fitted_probe(reference: Reference, strength: float) -> LinearProbe:
    """The probe fitted on the labelled rows of the reference's first half.

    Raises:
        MissingLabelsError: they do not have two different labels.
    """
    rows = labelled(reference.fit, 1, f"the first half of {reference}")
    classes = tuple(sorted({label for label in rows.labels if label is not None}))
    if len(classes) < 2:
        raise MissingLabelsError(
            f"probe needs two different labels, the first half of {reference} has only {classes[0]!r}: "
            "give the reference inputs of every label"
        )
    x = tensor(rows.vectors)
    centre = x.double().mean(0).to(x.dtype)
    scale = float((x - centre).square().sum(1).double().mean()) ** 0.5 or 1.0
    weights, bias = logistic((x - centre) / scale, codes(rows, classes).to(x.device), len(classes), strength)
    return LinearProbe(classes, centre, scale, weights, bias)


@pinned
def calibration(reference: Reference, strength: float, least: int) -> tuple[int, int]:
    """How many labelled rows of the reference's second half the probe gets right, and out of how many."""
    rows = labelled(reference.calibration, least, f"the second half of {reference}")
    return fitted_probe(reference, strength).right(rows), len(rows)


def labelled(rows: Rows, least: int, whose: str) -> Rows:
    """The rows that have a label.

    Raises:
        MissingLabelsError: there are none.
        TooFewRowsError: there are fewer than `least`.
    """
    index = rows.with_value(rows.labels)
    if not len(index):
        raise MissingLabelsError(f"probe needs labels, {whose} has none: send `label` with the rows")
    if len(index) < least:
        raise TooFewRowsError(
            f"probe needs at least {least} labelled rows, {whose} has {len(index)}: "
            "label more rows, widen the window or raise the stream's sample size"
        )
    return rows.take(index)


def codes(rows: Rows, classes: Sequence[str]) -> Int[Tensor, "n"]:
    """Each row's label as a position in `classes`, -1 where it is not among them."""
    place = {label: i for i, label in enumerate(classes)}
    return torch.tensor([place.get(str(label), -1) for label in rows.labels])


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


def hypergeometric(n: int, marked: int, total: int) -> Float64[np.ndarray, "k"]:
    """Chances of 0 .. `n` marked ones (k = n + 1) among `n` drawn from `total` of which `marked` are marked."""
    x = np.arange(n + 1, dtype=np.float64)
    rest, drawn = total - marked, np.clip(x, max(0, n - (total - marked)), marked)

    def ways(of: int, some: Float64[np.ndarray, "k"]) -> Float64[np.ndarray, "k"]:
        return np.asarray(gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1))

    chances = np.exp(ways(marked, drawn) + ways(rest, n - drawn) - ways(total, np.full(n + 1, float(n))))
    return np.where(x == drawn, chances, 0.0)
