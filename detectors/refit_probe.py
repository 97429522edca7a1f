"""Information: can a probe that is fitted on these very embeddings still tell their labels?"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.random import Generator
from torch import Tensor

from detectors.kernels import beta_binomial, chance, drawn, on_grid, pinned, tensor
from detectors.labels import Accuracy, classes_of, codes, independent_labelled, labelled
from detectors.nulls import guarded
from drift.records import Measurement, Reference, Rows, Window

ROWS_PER_AXIS: Final = 4
"""With fewer the probe fits noise, with more it misses information: at 128 to 1000 rows of CLINC150 4 was best."""
RIDGE: Final = 0.1
GROUPS: Final = 8
"""The reference is cut into at least so many groups as large as the window."""


@final
@dataclass(frozen=True, slots=True)
class RefitProbe:
    """Information: accuracy of a linear probe that is fitted on the window's own labelled rows, each left out in turn.

    Share in [0, 1]; low and high are Wilson's. The probe is linear discriminant analysis on the window's leading
    principal axes, one for four rows, each scaled to variance 1. So it does not see a rotation, shift or scaling of all
    rows, nor, where there are four rows for each dimension, any invertible linear map: a wrong version leaves it as it
    is, a loss of information does not. It explains what `probe` finds. A window with one label only is always right.

    Accuracy grows with the number of rows, so healthy is what groups of equally many labelled rows of the reference
    give: the window is cut to an eighth of those, and to a grid of sizes. The p-value, that the window's is no lower,
    and the band, which holds 99 % of healthy windows, are those of the beta-binomial law with the mean and spread of
    the groups; with fewer than 20 groups the spread is uncertain, and the p-value is doubled. A changed mix of labels
    changes the accuracy too.
    """

    name: ClassVar[str] = "refit_probe"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "even a probe that is fitted on these embeddings tells their labels less often than it should: information is "
        "lost, or the labels have become harder"
    )
    next_step: ClassVar[str] = (
        "Look for what destroys information before or in the encoder: truncated inputs, another pooling, noise, a "
        "collapsed checkpoint. Retraining on these embeddings will not bring it back."
    )

    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.min_rows < 2 * ROWS_PER_AXIS:
            raise ValueError(f"refit_probe needs min_rows >= {2 * ROWS_PER_AXIS}, got {self.min_rows}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        found = self.accuracy(window.rows, f"window {window}", reference, rng)
        return found.measurement(self.name, window, reference)

    def accuracy(self, rows: Rows, whose: str, reference: Reference, rng: Generator) -> Accuracy:
        """What a probe that is fitted on the labelled ones of `rows` gets right of them."""
        rows = independent_labelled(rows, reference, self.min_rows, self.name, whose)
        held = labelled(reference.rows, GROUPS * self.min_rows, self.name, str(reference))
        n = max(self.min_rows, on_grid(min(len(rows), len(held) // GROUPS)))
        right = told_right(rows.take(drawn(len(rows), n, rng)))
        counts = healthy_counts(reference, n, self.min_rows)
        law = healthy_law(counts, n)
        p = guarded(chance(law[: right + 1]), n, n * len(counts))
        return Accuracy.of(right, n, healthy=float(counts.mean()) / n, law=law, p_value=p)


@pinned
def healthy_counts(reference: Reference, n: int, least: int) -> Float64[np.ndarray, "g"]:
    """How many rows are told right in each of `g` groups of `n` labelled rows of the reference."""
    held = labelled(reference.rows, GROUPS * least, RefitProbe.name, str(reference))
    classes_of(held, RefitProbe.name, str(reference))
    starts = range(0, len(held) - n + 1, n)
    return np.array([told_right(held.take(np.arange(i, i + n))) for i in starts], np.float64)


def healthy_law(counts: Float64[np.ndarray, "g"], n: int) -> Float64[np.ndarray, "k"]:
    """Chances of 0 .. `n` right ones (k = n + 1) in a healthy window, given `counts` of g >= 2 healthy groups.

    Beta-binomial. Probes fitted on different rows differ, so counts may vary more than binomial ones, never less; and
    the mean of the groups has an error of its own, a share 1 / g of their variance.
    """
    g, mean = len(counts), (counts.mean() + 0.5 / len(counts)) / (n + 1 / len(counts))
    spread = max(1.0, float(counts.var(ddof=1)) / (n * mean * (1 - mean))) * (1 + 1 / g)
    # Of a beta-binomial count the variance is binomial times 1 + (n - 1) / (precision + 1).
    precision = max((n - 1) / (spread - 1) - 1, 1e-6)
    return beta_binomial(n, mean * precision, (1 - mean) * precision)


def told_right(rows: Rows) -> int:
    """How many of `rows`, all labelled, a probe tells right that is fitted on all others of them."""
    classes = tuple(sorted({str(label) for label in rows.labels}))
    z = whitened(tensor(rows.vectors), max(1, len(rows) // ROWS_PER_AXIS))
    return left_out_right(z, codes(rows, classes).to(z.device), len(classes))


def whitened(x: Float[Tensor, "n d"], most: int) -> Float64[Tensor, "n r"]:
    """`x` along its r <= `most` leading principal axes, each of variance 1; r = 0 where all rows are equal."""
    x = x.double()
    axes, sizes, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    # What lies below the rounding of float32 is no axis of the data.
    kept = min(most, int((sizes > 1e-7 * torch.linalg.vector_norm(x)).sum()))
    whitened: Float64[Tensor, "n r"] = axes[:, :kept] * len(x) ** 0.5
    return whitened


def left_out_right(z: Float64[Tensor, "n r"], y: Int[Tensor, "n"], classes: int) -> int:
    """How many rows linear discriminant analysis tells right when each is left out in turn of its fit.

    Exact, without fitting n times (Lachenbruch and Mickey, Technometrics 10, 1968): leaving out a row moves the mean of
    its class, and takes a matrix of rank one from the scatter within classes. A label that one row has is told wrong.
    """
    n, r = z.shape
    one = torch.nn.functional.one_hot(y, classes).to(z.dtype)
    size = one.sum(0)
    mean = one.mT @ z / size[:, None]
    off = z - mean[y]
    scatter = off.mT @ off + RIDGE * n * torch.eye(r, dtype=z.dtype, device=z.device)
    root = torch.linalg.cholesky(scatter)
    # In these coordinates the scatter is the identity.
    off, z, mean = (torch.linalg.solve_triangular(root, v.mT, upper=False).mT for v in (off, z, mean))
    own = off.square().sum(1)
    grown = size[y] / (size[y] - 1).clamp(min=1)
    kept = (1 - grown * own).clamp(min=1e-12)
    along = (off * z).sum(1)[:, None] - off @ mean.mT
    distance = z.square().sum(1)[:, None] - 2 * z @ mean.mT + mean.square().sum(1) + (grown / kept)[:, None] * along**2
    distance[torch.arange(n), y] = grown**2 * own / kept
    scores = (size - one).log() - 0.5 * n * distance
    return int((scores.argmax(1) == y).sum())
