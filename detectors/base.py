"""What every detector does: turn a window and a reference into one number."""

from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64
from numpy.random import Generator

from drift.records import Measurement, Reference, Sketch, Span, Stream, Window


@runtime_checkable
class Detector(Protocol):
    """A pure statistic. Its parameters are dataclass fields, its unit and range are in its docstring.

    `is_test` says that each measurement has a p-value, `meaning` in plain words what a bad number means, and
    `next_step` what an on-call engineer should do about it.
    """

    name: ClassVar[str]
    is_test: ClassVar[bool]
    meaning: ClassVar[str]
    next_step: ClassVar[str]

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        """One number for `window` held against `reference`.

        Everything fitted is fitted on the reference and kept with it (`kernels.pinned`), never on the window.

        Raises:
            UnmeasurableError: the window does not carry what the statistic needs; the message says what would do.
        """
        ...


@runtime_checkable
class Merging(Detector, Protocol):
    """A detector that needs sums of rows only, so that it can measure many windows together at the cost of one."""

    def sketch(self, window: Window, reference: Reference) -> Sketch:
        """The sums of `window`, which may have any number of rows."""
        ...

    def measure_sketch(self, sketch: Sketch, stream: Stream, span: Span, reference: Reference) -> Measurement:
        """One number for the windows of `span` that were merged into `sketch`.

        Raises:
            UnmeasurableError: they have too few rows.
        """
        ...


@runtime_checkable
class Prepared(Detector, Protocol):
    """A detector that draws null windows from a reference, which takes long enough to keep them with it."""

    def bank_key(self, reference: Reference, rows: int) -> str:
        """Names the null windows of `reference` for windows of `rows` rows."""
        ...

    def prepare(
        self,
        reference: Reference,
        rows: int,
        bank: Float64[np.ndarray, "b s"] | None,
        progress: Callable[[int, int], None] | None,
    ) -> Float64[np.ndarray, "b s"]:
        """Fit for windows of `rows` rows, with the null windows of an earlier fit or None; returns the null windows.

        Raises:
            UnmeasurableError: the reference has too few rows.
            ValueError: `bank` is another reference's, or was drawn by other code.
        """
        ...
