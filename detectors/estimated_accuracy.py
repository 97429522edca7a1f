"""Accuracy without labels: what share of a window the frozen probe may get right. Context, and never an objective."""

from dataclasses import dataclass
from typing import ClassVar, final

from numpy.random import Generator

from detectors.kernels import require_rows, tensor
from detectors.label_free import calibrated, clarity, share_above
from detectors.skew import beyond
from drift.errors import MissingInputsError, UnmeasurableError
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class AccuracyEstimate:
    """Accuracy of the probe of `probe` without labels, estimated by its entropy (ATC; Garg et al., ICLR 2022).

    Share in [0, 1]: of rows that the probe is surer of than of as many calibration rows as it gets right. Far too high
    where vectors are wrong (`docs/statistics.md`), so there is none unless those that were encoded again are served
    rightly: at most `most_skewed` of them beyond the tolerances of `skew`. It has no interval, for its error is bias.
    """

    name: ClassVar[str] = "estimated_accuracy"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = "the frozen probe is less sure of these rows than of the reference's"
    next_step: ClassVar[str] = "Label some of the newest rows: `probe` then says how many the probe gets right."

    strength: float = 10.0
    tolerance: float = 3e-4
    norm_tolerance: float = 0.01
    most_skewed: float = 0.02
    min_rows: int = 64

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        require_rows(self.name, window, self.min_rows)
        self._require_right(window)
        healthy = calibrated(reference, self.strength, self.min_rows, self.name, str(reference))
        value = share_above(clarity(healthy.logs_of(window.rows)), clarity(healthy.logs), healthy.right)
        return Measurement.of(window, reference, detector=self.name, value=value)

    def _require_right(self, window: Window) -> None:
        if (again := window.recomputed) is None or not len(again.index):
            raise MissingInputsError(
                f"{self.name} needs inputs that were encoded again, window {window} has none: "
                "send `input` with the rows and configure an encoder for the stream, or give `encoded_again`"
            )
        served, right = tensor(window.vectors[again.index]), tensor(again.vectors)
        share = float(beyond(served, right, self.tolerance, self.norm_tolerance).double().mean())
        if share > self.most_skewed:
            raise UnmeasurableError(
                f"{self.name} needs vectors that are served rightly, {share:.1%} of those of window {window} that were "
                f"encoded again are not, of which {self.most_skewed:.0%} may be: repair the serving path first"
            )
