"""Least-squares density difference: where has the density of the embeddings changed, and by how much in all?"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float
from numpy.random import Generator
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import on_grid, pinned, squared_distances, tensor
from detectors.permuting import Block, apart, measurement, permuted
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window

LEAST: Final = 64
"""Reference rows, below which none can be spared for centres."""


@final
@dataclass(frozen=True, slots=True)
class Lsdd:
    """Change of density: least-squares density difference (Sugiyama et al., Neural Computation 25, 2013).

    Squared L2 distance of the two densities as Gaussians about `centres` reference rows show it, in units of one
    Gaussian's own; unbiased and unfloored, so about 0, and negative half of the time, when nothing has changed. The
    difference is fitted with a ridge of `ridge` times the Gaussians' own overlap.

    With h the difference of mean features and H the Gaussians' overlaps it is h' (2 A - A H A) h, A = (H + ridge I)^-1:
    a squared MMD with a kernel of finitely many features, so the p-value, (1 + b) / (1 + permutations), is that of
    `mmd`. Centres are the reference's last rows, which are not permuted. The width of the Gaussians, that of the median
    distance, and the ridge are the reference's; nothing is chosen on the window.
    """

    name: ClassVar[str] = "lsdd"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = "some kinds of embeddings are more or less frequent than in the reference"
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the model may need "
        "retraining on it; if not, fix the serving path."
    )

    permutations: int = 999
    centres: int = 256
    ridge: float = 0.01
    reference_rows: int = 5120
    min_rows: int = 64

    def __post_init__(self) -> None:
        if min(self.permutations, self.centres) < 1 or self.reference_rows < 2 or self.ridge <= 0:
            raise ValueError(f"lsdd needs permutations and centres >= 1, reference_rows >= 2 and ridge > 0, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        rows = independent_rows(self.name, window, reference, self.min_rows)
        n = on_grid(len(rows))
        held = block(reference, self.reference_rows, self.centres, self.ridge)
        values = permuted(reference, held, rows.vectors[:n], self.permutations, rng)
        return measurement(window, reference, self.name, values, n)


@dataclass(frozen=True, slots=True, eq=False)
class Densities:
    """The kernel phi(x)' phi(y), phi(x) = `root`' (g(x) - `usual`), with g the Gaussians about `centres`.

    `usual` is the reference's mean of g: a function of either row alone, so only rounding notices.
    """

    centres: Float[Tensor, "c d"]
    scale: float
    root: Float[Tensor, "c c"]
    usual: Float[Tensor, "c"]

    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
        return self.features(x) @ self.features(y).mT

    def features(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        return (torch.exp(squared_distances(x, self.centres) / -self.scale) - self.usual) @ self.root


@pinned
def block(reference: Reference, most: int, centres: int, ridge: float) -> Block:
    """Centres from the reference's last rows, at most an eighth of it, and its first `most` of the others.

    Raises:
        UnmeasurableError: the reference has fewer rows than `LEAST`, or all of these are equal.
    """
    if (rows := len(reference.rows)) < LEAST:
        raise UnmeasurableError(
            f"lsdd needs a reference of at least {LEAST} rows, {reference} has {rows}: give the reference more rows"
        )
    spared = min(centres, rows // 8)
    held = apart(Lsdd.name, reference, min(most, rows - spared))
    about = tensor(reference.vectors[-spared:]) - held.centre
    # Two Gaussians exp(-d2 / scale) overlap by exp(-d2 / (2 scale)), in units of one with itself.
    overlap = torch.exp(squared_distances(about.double(), about.double()) / (-2 * held.scale)).fill_diagonal_(1)
    own, axes = torch.linalg.eigh(overlap)
    own = own.clamp(min=0)
    weights = (own + 2 * ridge).sqrt() / (own + ridge)  # squared: the eigenvalues of 2 A - A H A
    usual = torch.exp(squared_distances(held.rows, about) / -held.scale).double().mean(0)
    kernel = Densities(about, held.scale, (axes * weights).to(about.dtype), usual.to(about.dtype))
    return Block(held.rows, held.centre, kernel)
