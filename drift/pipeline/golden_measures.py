"""What is measured of golden inputs that production has embedded, beside the right vectors of the same inputs."""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from numpy.random import Generator
from scipy.stats import binomtest

from detectors.classifiers import fitted_probe
from detectors.kernels import tensor, wilson
from detectors.labels import labelled
from detectors.skew import beyond
from drift.records import CANARY, CANARY_PROBE, Measurement, Reference, Window

MEANING: Final = "production embeds golden inputs wrongly: the serving path is at fault, whatever the traffic"
NEXT_STEP: Final = (
    "Compare version, tokenizer limit, pooling, normalisation and precision of the serving path with the reference's "
    "fingerprint; roll back the last deployment."
)
LEAST: Final = 16


@final
@dataclass(frozen=True, slots=True)
class GoldenSkew:
    """Share in [0, 1] of golden inputs whose vector is beyond tolerance, with Wilson's interval.

    What is no vector of this model (zeros, numbers that are not finite, another length) is beyond any. `tolerance` and
    `norm_tolerance` are those of the detector `skew`.
    """

    name: ClassVar[str] = CANARY
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = MEANING
    next_step: ClassVar[str] = NEXT_STEP

    tolerance: float
    norm_tolerance: float

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        count = failing = window.received
        if (right := window.recomputed) is not None:
            faulty = beyond(tensor(window.vectors), tensor(right.vectors), self.tolerance, self.norm_tolerance)
            failing = int(faulty.sum()) + count - len(window.rows)
        return Measurement.of(
            window, reference, detector=self.name, value=failing / count, rows=count, interval=wilson(failing, count)
        )


@final
@dataclass(frozen=True, slots=True)
class GoldenProbe:
    """Accuracy on golden inputs of a linear probe that was fitted on the right vectors of the others.

    Share in [0, 1]; low and high are Wilson's. The p-value is McNemar's exact test, one-sided: of the inputs on which
    served and right vectors disagree, no more than half are told wrong as served. What is no vector is told wrong.
    """

    name: ClassVar[str] = CANARY_PROBE
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = "a probe makes more mistakes on golden inputs as production embeds them"
    next_step: ClassVar[str] = NEXT_STEP

    strength: float = 10.0

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        asked = labelled(reference.calibration, LEAST, self.name, f"the second half of {reference}")
        probe = fitted_probe(reference, self.strength)
        should = dict(zip(asked.inputs, probe.hits(asked).tolist(), strict=True))
        kept = window.rows.take(np.array([text in should for text in window.rows.inputs], bool))
        found = dict.fromkeys(should, False) | dict(zip(kept.inputs, probe.hits(kept).tolist(), strict=True))
        lost = sum(should[text] and not found[text] for text in should)
        won = sum(found[text] and not should[text] for text in should)
        right, count = sum(found.values()), len(should)
        p = float(binomtest(lost, lost + won, alternative="greater").pvalue) if lost + won else 1.0
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=right / count,
            rows=count,
            p_value=p,
            interval=wilson(right, count),
        )


def can_probe(reference: Reference) -> bool:
    """Whether both halves of `reference` have the labels that a probe takes."""
    halves = (reference.fit, reference.calibration)
    enough = all(len(half.labelled()) >= LEAST for half in halves)
    return enough and len(set(reference.fit.labels) - {None, ""}) > 1
