"""Guesses at the accuracy of a window that nobody has labelled: context, and never an objective."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.optimize import linear_sum_assignment, minimize_scalar
from scipy.special import log_softmax

from detectors.alone import hold
from detectors.arguments import require_positive, require_whole
from detectors.arrays import Labels, Vectors, as_labels, as_reference, as_rows, require_same_width
from detectors.classifiers import LinearProbe, fitted_probe
from detectors.kernels import pinned
from detectors.labels import codes, labelled
from drift.errors import BadArgumentError, MissingLabelsError, UnmeasurableError
from drift.records import Reference, Rows

LEAST, MOST_ROWS = 64, 1000
"""Matching rows to labels takes their number to the third power: half a second for so many."""


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A share in [0, 1] of rows that may be right, and how far to trust it."""

    value: float
    caution: str = "label-free: usually far too optimistic where the vectors have changed; context, not a measurement"

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.caution})"


@final
@dataclass(frozen=True, slots=True)
class EstimatedAccuracy:
    """Five guesses at the accuracy of the frozen probe on a window, beside `healthy`, what was measured on labelled
    rows of the reference.

    `confidence`: the mean of the largest probabilities, after temperature scaling (as NannyML's CBPE). `difference`:
    healthy accuracy plus the change of that mean (DoC; Guillory et al., ICCV 2021). `above_confidence` and
    `above_entropy`: the share of rows beyond a threshold that the healthy share exceeds, by the largest probability and
    by negative entropy (ATC; Garg et al., ICLR 2022). `transport`: the mean probability of the labels when the rows are
    given the reference's mix of them as well as can be (COT; Lu et al., NeurIPS 2023), too low with few rows a label.
    """

    confidence: Estimate
    difference: Estimate
    above_confidence: Estimate
    above_entropy: Estimate
    transport: Estimate
    healthy: float
    rows: int


def estimate_accuracy(
    window: Vectors,
    reference: Vectors,
    reference_labels: Labels,
    *,
    skew_healthy: bool | np.bool_ | None,
    seed: int = 0,
    strength: float = 10.0,
) -> EstimatedAccuracy:
    """What share of the rows of `window`, shape (n, d), would the probe of `probe` get right?

    Every such guess trusts the probe where it was never tested. It is of use where traffic moves among inputs that the
    encoder serves rightly. Noise, another pooling or a wrong version put it wrong by tens of points, mostly upwards
    (`python -m benchmarks.label_free`), so there is none unless the caller knows that the serving path is right: that
    the detector `skew` has compared vectors with the encoder's and found them equal (True). False is bad skew, None is
    not known.

    The probe is fitted on one half of the reference, temperature, thresholds and mix come from the other. Above 1000
    rows of the window a sample is taken.

    Raises:
        UnmeasurableError: `skew_healthy` is not True; or as `probe` does, as its others.
        BadArgumentError: a parameter is of another type or out of range.
    """
    require_whole("estimate_accuracy", "seed", seed, 0)
    require_positive("estimate_accuracy", "strength", strength)
    if not isinstance(skew_healthy, bool | np.bool_ | None):
        raise BadArgumentError(
            f"estimate_accuracy needs skew_healthy to be True, False or None, it is {skew_healthy!r}"
        )
    if not skew_healthy:
        found = "not known" if skew_healthy is None else "bad"
        raise UnmeasurableError(
            f"estimate_accuracy needs vectors that are served rightly, skew is {found}: label-free estimates are far "
            "too high on wrong vectors; measure skew and repair the serving path first, or label some rows"
        )
    x, y = as_rows(window, "window", 16), as_reference(reference).float()
    require_same_width(x.shape[1], y.shape[1], ("window", "reference"))
    held = hold(Rows(y.cpu().numpy(), labels=as_labels(reference_labels, "reference_labels", len(y))), seed)
    rng = np.random.default_rng(seed)
    rows = Rows(x.cpu().numpy()).take(rng.permutation(len(x))[:MOST_ROWS])
    healthy = calibrated(held, strength, LEAST, "estimate_accuracy", "the reference")
    return estimates(healthy.logs, healthy.label, healthy.logs_of(rows))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """The frozen probe with its temperature, and what it says of the labelled rows of the reference's second half.

    `logs` are the logarithms of its probabilities, `label` the places of the true classes in them, -1 where the probe
    does not know the class.
    """

    probe: LinearProbe
    heat: float
    logs: Float64[np.ndarray, "m c"]
    label: Int[np.ndarray, "m"]

    @property
    def right(self) -> Bool[np.ndarray, "m"]:
        """Which of them it tells right."""
        found: Bool[np.ndarray, m] = self.logs.argmax(1) == self.label
        return found

    def logs_of(self, rows: Rows) -> Float64[np.ndarray, "n c"]:
        """The logarithms of its probabilities for other rows."""
        return _logs(_logits(self.probe, rows), self.heat)


@pinned
def calibrated(held: Reference, strength: float, least: int, name: str, whose: str) -> Calibrated:
    """The frozen probe of `held`, calibrated for the estimate `name`; errors call the reference `whose`.

    Raises:
        MissingLabelsError: too few rows of the second half have a label that the first half has too.
    """
    known = labelled(held.calibration, least, name, f"the second half of {whose}")
    probe = fitted_probe(held, strength)
    label = codes(known, probe.classes).numpy()
    if (seen := int((label >= 0).sum())) < least:
        raise MissingLabelsError(
            f"{name} needs at least {least} rows in the second half of {whose} whose label the first half has too, "
            f"it has {seen}: give it classes that occur again, not ids"
        )
    logits = _logits(probe, known)
    heat = temperature(logits[label >= 0], label[label >= 0])
    return Calibrated(probe, heat, _logs(logits, heat), label)


def _logits(probe: LinearProbe, rows: Rows) -> Float64[np.ndarray, "n c"]:
    found: Float64[np.ndarray, "n c"] = probe.scores(rows).double().cpu().numpy()
    return found


def _logs(logits: Float64[np.ndarray, "n c"], heat: float) -> Float64[np.ndarray, "n c"]:
    found: Float64[np.ndarray, "n c"] = log_softmax(logits / heat, 1)
    return found


def clarity(logs: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n"]:
    """How sure a probe is of each row: the negative entropy of its probabilities, of which these are the logarithms."""
    found: Float64[np.ndarray, n] = (np.exp(logs) * logs).sum(1)
    return found


def temperature(logits: Float64[np.ndarray, "n c"], label: Int[np.ndarray, "n"]) -> float:
    """What logits must be divided by for the probabilities of `label` to be largest (Guo et al., ICML 2017)."""

    def loss(log_heat: float) -> float:
        return -float(log_softmax(logits / np.exp(log_heat), 1)[np.arange(len(label)), label].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded").x))


def estimates(
    healthy: Float64[np.ndarray, "m c"], label: Int[np.ndarray, "m"], window: Float64[np.ndarray, "n c"]
) -> EstimatedAccuracy:
    """The guesses from the logarithms of calibrated probabilities, of labelled rows (-1 is unknown) and of others."""
    right = healthy.argmax(1) == label
    sure, known_sure = np.exp(window.max(1)), np.exp(healthy.max(1))
    clear, known_clear = clarity(window), clarity(healthy)
    accuracy = float(right.mean())
    return EstimatedAccuracy(
        confidence=Estimate(float(sure.mean())),
        difference=Estimate(float(np.clip(accuracy + sure.mean() - known_sure.mean(), 0, 1))),
        above_confidence=Estimate(share_above(sure, known_sure, right)),
        above_entropy=Estimate(share_above(clear, known_clear, right)),
        transport=Estimate(transported(np.exp(window), label[label >= 0])),
        healthy=accuracy,
        rows=len(window),
    )


def share_above(
    scores: Float64[np.ndarray, "n"], known: Float64[np.ndarray, "m"], right: Bool[np.ndarray, "m"]
) -> float:
    """The share of `scores` that reaches the threshold which as many `known` scores reach as are `right`."""
    count = int(right.sum())
    return float((scores >= np.sort(known)[::-1][count - 1]).mean()) if count else 0.0


def transported(chances: Float64[np.ndarray, "n c"], label: Int[np.ndarray, "m"]) -> float:
    """The largest mean of `chances` when each row is given a label, as often as they are among `label`."""
    places = np.sort(label)[np.linspace(0, len(label) - 1, len(chances)).round().astype(int)]
    gains = chances[:, places]
    return float(gains[linear_sum_assignment(gains, maximize=True)].mean())
