"""What comes out of a window: measurements, or gaps that say why there are none."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from drift.errors import UnmeasurableError
from drift.records.attributions import KeptAttribution
from drift.records.streams import Span
from drift.records.windows import Reference, Window

ENVIRONMENT: Final = "environment"
"""What the measurements of environment drift are called, and their objective: they tell of this service, and not of
the windows in which they were made."""

CANARY: Final = "canary"
"""What the measurements of canary inputs are called, the segment that they are kept under, and their objective."""
CANARY_PROBE: Final = "canary_probe"

PERCENTILES: Final = (0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One detector's number for one window.

    `value` is in the detector's own unit (its docstring says which). `p_value` is in (0, 1], None where the detector
    is not a test. `low` and `high` bound the value (a 95 % interval), `band_low` and `band_high` bound what healthy
    windows of the same size give; None where the detector does not know. `rows` is the number of rows used.
    `percentiles` are of the rows (at `PERCENTILES`), where the detector has a number for each of them.
    `attribution` says where the change comes from, where the detector can tell and there is something to tell; it is
    kept in a place of its own, and not read with the numbers.
    """

    stream: str
    span: Span
    detector: str
    reference: str
    value: float
    rows: int
    p_value: float | None = None
    low: float | None = None
    high: float | None = None
    band_low: float | None = None
    band_high: float | None = None
    attribution: KeptAttribution | None = None
    percentiles: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise UnmeasurableError(
                f"{self.detector} gave {self.value}: this window's vectors are too large or too small to compute with"
            )
        if self.p_value is not None and not 0 < self.p_value <= 1:
            raise ValueError(f"{self.detector} gave the p-value {self.p_value}, needed is one in (0, 1]")

    @classmethod
    def of(
        cls,
        window: Window,
        reference: Reference,
        *,
        detector: str,
        value: float,
        rows: int | None = None,
        p_value: float | None = None,
        interval: tuple[float, float] | None = None,
        band: tuple[float, float] | None = None,
        attribution: KeptAttribution | None = None,
        percentiles: tuple[float, ...] = (),
    ) -> "Measurement":
        """The number `value` that `detector` gives `window` held against `reference`."""
        low, high = interval or (None, None)
        band_low, band_high = band or (None, None)
        count = len(window.vectors) if rows is None else rows
        return cls(
            window.stream.key,
            window.span,
            detector,
            reference.version,
            value,
            count,
            p_value,
            low,
            high,
            band_low,
            band_high,
            attribution,
            percentiles,
        )


class GapReason(StrEnum):
    """Why a window has no measurement."""

    NO_DATA = "no_data"
    TOO_FEW_ROWS = "too_few_rows"
    NO_LABELS = "no_labels"
    NO_INPUTS = "no_inputs"
    UNMEASURABLE = "unmeasurable"
    NO_ANSWER = "no_answer"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Gap:
    """A window that one detector could not measure, with the reason. `detail` is for people."""

    stream: str
    span: Span
    detector: str
    reason: GapReason
    detail: str

    @classmethod
    def of(cls, window: Window, *, detector: str, error: UnmeasurableError) -> "Gap":
        """The gap that a detector's refusal leaves."""
        return cls(window.stream.key, window.span, detector, GapReason(error.reason), str(error))
