"""Classifier two-sample test: can window and reference be told apart, row by row?"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float32, Float64
from numpy.random import Generator
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import tensor
from detectors.nulls import rank_p, require_held
from drift.records import Measurement, Reference, Window

MOST_ROWS = 2000


@final
@dataclass(frozen=True, slots=True)
class Classifier:
    """How well a classifier tells the window from the reference (Lopez-Paz and Oquab, ICLR 2017).

    Area under the ROC curve of rows it was not fitted to: the chance that a row of the window gets a higher score than
    one of the reference, in [0, 1]; .5 when nothing has changed, 1 when every row gives its origin away. The band holds
    99 % of what permuted labels give.

    A ridge classifier (its penalty is `ridge` mean variances of a direction) is fitted to window and reference
    together, as this test must be, in `folds` random folds; each has the same number of the window's rows. Labels are
    permuted within folds and the classifier fitted again, `permutations` times: the p-value, (1 + b) / (1 +
    permutations), is exact whatever the reference. Refits cost one matrix product, for out-of-fold scores are linear
    in the labels.

    Of the reference, `per_row` rows for each of the window's are drawn anew for each window, so that windows do not
    share the error of one draw; of either side as many rows are used as fill the folds, and of a window at
    most `MOST_ROWS`: memory grows with their square.
    """

    name: ClassVar[str] = "classifier"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = "a classifier can tell this window's embeddings from the reference's"
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the model may need "
        "retraining on it; if not, fix the serving path."
    )

    permutations: int = 599
    folds: int = 4
    ridge: float = 5.0
    per_row: int = 2
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.permutations < 1 or not 2 <= self.folds <= self.min_rows or self.ridge <= 0 or self.per_row < 1:
            raise ValueError(
                f"classifier needs permutations >= 1, 2 <= folds <= min_rows, ridge > 0 and per_row >= 1, got {self}"
            )

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        used = independent_rows(self.name, window, reference, self.min_rows)
        if len(used) > MOST_ROWS:
            used = used.take(rng.permutation(len(used))[:MOST_ROWS])
        taken = self.per_row * len(used)
        n, m = (min(rows, taken) // self.folds for rows in (len(used), len(reference.rows)))
        require_held(self.name, reference, len(reference.rows), 2 * self.folds, len(used))
        theirs = reference.vectors[rng.permutation(len(reference.rows))[: self.folds * m]]
        # By distance first: which folds the rows fall into must not depend on the order in which they come.
        order = np.square(used.vectors - theirs.mean(0)).sum(1).argsort()
        # Then at random: a fold must not be a stretch of time, nor of distance.
        mine = used.vectors[order[rng.permutation(len(order))[: self.folds * n]]]
        rows = torch.cat([tensor(x).view(self.folds, -1, x.shape[1]) for x in (mine, theirs)], 1)
        labels = arrangements(self.permutations, self.folds, n, m, rng)
        found = areas(held_out_scores(rows, torch.from_numpy(labels).to(rows.device), self.ridge).cpu().numpy(), labels)
        low, high = np.quantile(found[1:], (0.005, 0.995))
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=float(found[0]),
            rows=n * self.folds,
            p_value=rank_p(float(found[0]), found[1:]),
            band=(float(low), float(high)),
        )


def arrangements(permutations: int, folds: int, n: int, m: int, rng: Generator) -> Float32[np.ndarray, "b f s"]:
    """The labels of `folds` folds of s = n + m rows, 1 for the `n` that count as the window's, else 0.

    First as they are, the window's rows ahead of the reference's, then after each of `permutations` permutations that
    keep every row in its fold.
    """
    places = np.argsort(rng.random((1 + permutations, folds, n + m)), axis=2)
    places[0] = np.arange(n + m)
    return (places < n).astype(np.float32)


def held_out_scores(
    rows: Float32[Tensor, "f s d"], labels: Float32[Tensor, "b f s"], ridge: float
) -> Float32[Tensor, "b f s"]:
    """The score that each row gets from a ridge classifier fitted to the rows of the other folds, for each labelling.

    With Q the inverse of Gram matrix and penalty, the out-of-fold residuals of a fold are the inverse of its block of Q
    times its rows of Q y: one matrix serves all labellings, and no fold is ever fitted by itself. No intercept: the
    labels and all rows together are centred, and scores are only ranked within a fold, where a constant is nothing.
    """
    b, folds, size = labels.shape
    x = rows.flatten(0, 1)
    x = x - x.double().mean(0).to(x.dtype)
    gram = x @ x.mT
    # Rows that are all equal have no variance; any penalty gives them equal scores.
    gram.diagonal().add_(ridge * float(gram.trace()) / x.shape[1] or 1.0)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    centred = labels - labels.mean()
    fitted = (centred.flatten(1) @ inverse).view(b, folds, size)
    blocks = torch.stack([inverse[k : k + size, k : k + size] for k in range(0, folds * size, size)])
    residuals: Tensor = fitted.transpose(0, 1) @ torch.linalg.inv(blocks)
    return centred - residuals.transpose(0, 1)


def areas(scores: Float32[np.ndarray, "b f s"], labels: Float32[np.ndarray, "b f s"]) -> Float64[np.ndarray, "b"]:
    """Area under the ROC curve within each fold, averaged over folds; ties count half. Each fold has as many ones.

    Floats read as integers keep their order (negative ones once their bits are turned), and the last bit, which no
    score needs, has room for the label: sorted numbers are then sorted labels. Once the ones are last among equal
    scores and once the zeros are; the mean is the area with ties at half.
    """
    bits = np.ascontiguousarray(scores).view(np.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)) & ~1
    size, ones = scores.shape[2], labels[0, 0].sum(dtype=np.float64)
    places = np.arange(1, size + 1, dtype=np.float64)
    up, down = (
        (np.sort(keys | side, axis=2) & 1).astype(np.float64) @ places
        for side in (labels.astype(np.int32), 1 - labels.astype(np.int32))
    )
    ranks = (up + places.sum() - down) / 2
    return np.asarray(((ranks - ones * (ones + 1) / 2) / (ones * (size - ones))).mean(1))
