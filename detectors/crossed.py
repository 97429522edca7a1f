"""How well labels show in the vectors of one encoder: a linear probe, asked only of rows that it was not fitted on."""

import numpy as np
import torch
from jaxtyping import Bool

from detectors.arguments import require_positive, require_whole
from detectors.arrays import Labels, Vectors, as_labels, as_rows
from detectors.classifiers import logistic
from detectors.kernels import tensor
from detectors.labels import classes_of, codes, labelled
from drift.records import Rows


def crossed_probe(
    x: Vectors, labels: Labels, seed: int = 0, *, folds: int = 5, strength: float = 10.0
) -> Bool[np.ndarray, "n"]:
    """Which labelled rows of `x`, shape (m, d), a linear probe tells right, fitted without them; n have a label.

    The rows are dealt at random into `folds`, by `seed` and their number alone: of two encoders on the same inputs each
    row is asked of probes that were fitted on the same inputs, so that the answers are paired (`paired_accuracy`).
    `strength` is the inverse weight of the penalty, as for the detector `probe`.

    Raises:
        MissingLabelsError: fewer than two different labels.
        TooFewRowsError: fewer labelled rows than 64.
        UnmeasurableError: numbers that are not finite, or labels that do not fit the rows.
        BadArgumentError: a parameter is of another type or out of range.
    """
    require_whole("crossed_probe", "seed", seed, 0)
    require_whole("crossed_probe", "folds", folds, 2)
    require_positive("crossed_probe", "strength", strength)
    vectors = as_rows(x, "x", 1).cpu().numpy()
    rows = labelled(Rows(vectors, labels=as_labels(labels, "labels", len(vectors))), 64, "crossed_probe", "x")
    classes = classes_of(rows, "crossed_probe", "x")
    known, y = tensor(rows.vectors), codes(rows, classes)
    y = y.to(known.device)
    fold = torch.from_numpy(np.random.default_rng(seed).permutation(len(rows)) % folds).to(known.device)
    right = torch.zeros(len(rows), dtype=torch.bool, device=known.device)
    for one in range(folds):
        fit, ask = known[fold != one], known[fold == one]
        centre = fit.double().mean(0).to(fit.dtype)
        scale = float((fit - centre).square().sum(1).double().mean()) ** 0.5 or 1.0
        weights, bias = logistic((fit - centre) / scale, y[fold != one], len(classes), strength)
        right[fold == one] = ((ask - centre) / scale @ weights + bias).argmax(1) == y[fold == one]
    return np.asarray(right.cpu().numpy())
