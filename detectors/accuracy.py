"""Accuracy on labelled rows from four sides, and what they say together: a wrong version, or a loss of quality."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np

from detectors.alone import hold
from detectors.arguments import require_positive, require_share, require_whole
from detectors.arrays import Labels, Vectors, as_labels, as_reference, as_rows, require_same_width
from detectors.frozen_probe import Probe
from detectors.knn_probe import KnnProbe
from detectors.labels import Accuracy, classes_of, labelled
from detectors.recall import Recall
from detectors.refit_probe import RefitProbe
from drift.errors import MissingLabelsError
from drift.records import Rows


class Diagnosis(StrEnum):
    """What has become of the accuracy.

    "wrong version": the information is there, in a space that the reference's models and index do not know.
    "quality loss": no one linear probe finds as much as it should; either the information is less, or a part of the
    rows is in another space. "undecided": less is right, and neither of these is shown: labels that the reference does
    not know or another mix of them, or a loss too small for so few rows.
    """

    HEALTHY = "healthy"
    WRONG_VERSION = "wrong version"
    QUALITY_LOSS = "quality loss"
    UNDECIDED = "undecided"


@final
@dataclass(frozen=True, slots=True)
class ProbeReport:
    """Four accuracies on one window and the diagnosis. `chance` is the share of the window's commonest label."""

    diagnosis: Diagnosis
    frozen: Accuracy
    refit: Accuracy
    knn: Accuracy
    recall: Accuracy
    chance: float


def probe(
    window: Vectors,
    labels: Labels,
    reference: Vectors,
    reference_labels: Labels,
    seed: int = 0,
    *,
    alpha: float = 0.01,
    strength: float = 10.0,
    neighbours: int = 20,
    k: int = 5,
) -> ProbeReport:
    """Do the labels of `window`, shape (n, d), still show in its vectors as those of `reference`, shape (m, d), do?

    The detectors `probe`, `refit_probe`, `knn_probe` and `recall` side by side. The reference is put in random order;
    `seed` decides on that, and on the rows that are left out where the refit probe cannot use all. A healthy window is
    called anything else with a chance of at most about `alpha`.

    Raises:
        MissingLabelsError: fewer than two different labels in the window or in the reference, or none that both have.
        TooFewRowsError: fewer than 64 labelled rows in the window or 512 in the reference.
        UnmeasurableError: vectors of two lengths, numbers that are not finite, or labels that do not fit the rows.
        BadReferenceError: rows of the reference that are not finite, all zero, or all equal.
        BadArgumentError: a parameter is of another type or out of range.
    """
    for name, value, least in (("seed", seed, 0), ("neighbours", neighbours, 1), ("k", k, 1)):
        require_whole("probe", name, value, least)
    require_share("probe", "alpha", alpha)
    require_positive("probe", "strength", strength)
    x, y = as_rows(window, "window", 1), as_reference(reference).float()
    require_same_width(x.shape[1], y.shape[1], ("window", "reference"))
    rows = Rows(x.cpu().numpy(), labels=as_labels(labels, "labels", len(x)))
    held = hold(Rows(y.cpu().numpy(), labels=as_labels(reference_labels, "reference_labels", len(y))), seed)
    known = labelled(rows, 1, "probe", "window")
    classes_of(known, "probe", "window")
    _require_known(known.labels, held.rows.labels)
    frozen = Probe(strength).accuracy(rows, "window", held)
    refit = RefitProbe().accuracy(rows, "window", held, np.random.default_rng(seed))
    knn, recall = KnnProbe(neighbours).accuracy(rows, "window", held), Recall(k).accuracy(rows, "window", held)
    chance = Counter(known.labels).most_common(1)[0][1] / len(known)
    return ProbeReport(diagnose(frozen, refit, (knn, recall), chance, alpha), frozen, refit, knn, recall, chance)


def _require_known(labels: Sequence[str | None], known: Sequence[str | None]) -> None:
    """Raises MissingLabelsError where the reference has none of the window's labels: no probe can tell them."""
    found, expected = ({label for label in of if label is not None} for of in (labels, known))
    if found.isdisjoint(expected):
        theirs, ours = (", ".join(sorted(of)[:3]) for of in (found, expected))
        raise MissingLabelsError(
            f"probe needs labels that the reference has too, the window has {theirs} …, the reference {ours} …: "
            "name the classes alike in both"
        )


def diagnose(frozen: Accuracy, refit: Accuracy, others: tuple[Accuracy, ...], chance: float, alpha: float) -> Diagnosis:
    """What the accuracies say together.

    A wrong version needs more than that the refit probe finds nothing: the frozen one must have lost more than half of
    what it is better than chance.
    """
    compatible = (frozen, *others)
    if min(of.p_value for of in compatible) * len(compatible) > alpha:
        return Diagnosis.HEALTHY
    if refit.p_value <= alpha:
        return Diagnosis.QUALITY_LOSS
    if frozen.value - chance < (frozen.healthy - chance) / 2:
        return Diagnosis.WRONG_VERSION
    return Diagnosis.UNDECIDED
