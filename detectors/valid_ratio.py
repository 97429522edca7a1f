"""Usable rows: how much of what the stream sent could be accepted?"""

from dataclasses import dataclass
from typing import ClassVar, final

from numpy.random import Generator

from detectors.kernels import wilson
from drift.errors import TooFewRowsError
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class ValidRatio:
    """Validity: share of the rows received that were accepted.

    Share in [0, 1], 1 when nothing was rejected, also where the window keeps only a sample; low and high are Wilson's.
    Needs no valid row, only one that was received.
    """

    name: ClassVar[str] = "valid_ratio"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = "rows are being refused: wrong dimension, not finite, zero, or out of time"
    next_step: ClassVar[str] = "See the reasons by row in the answers to the sender, and fix or roll back the sender."

    min_rows: int = 1

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        received = window.received
        if received < max(1, self.min_rows):
            raise TooFewRowsError(
                f"valid_ratio needs at least {max(1, self.min_rows)} received rows, window {window} has {received}: "
                "widen the window, or see whether the source is down"
            )
        accepted = received - sum(window.rejected.values())
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=accepted / received,
            rows=received,
            interval=wilson(accepted, received),
        )
