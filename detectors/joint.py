"""The distributional panel as a detector of the service: one joint test, and how much has moved."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Float64
from numpy.random import Generator

from detectors.kernels import pinned, require_rows, seeded, tensor
from detectors.panel import Panel
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window

PANEL: Final = 1
"""Changes with the panel's statistics, so that no older bank of null windows is taken for theirs."""


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """Joint drift test: the equivalent contamination of the window, with the panel's joint p-value (`Panel`).

    Share in [0, 1] of foreign rows that would move the distribution as far, with its 95 % interval; near 0 when
    healthy. A panel is for windows of one size: the largest power of two that the window has, at least `min_rows`. It
    is fitted when windows of that size first come, which takes seconds: `nulls` null windows are drawn from the
    reference. Where that has fewer than 40 rows for each of the window's the p-value is doubled, as its own error is
    then the same in every window and not small.
    """

    name: ClassVar[str] = "joint"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "something about the embeddings' distribution has changed: their place, spread, shape or kinds"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is healthy the traffic has changed, and the other objectives say "
        "how; if not, fix the serving path."
    )

    nulls: int = 1000
    min_rows: int = 128

    def __post_init__(self) -> None:
        if self.nulls < 19 or self.min_rows < 2:
            raise ValueError(f"joint needs nulls >= 19 and min_rows >= 2, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        require_rows(self.name, window, self.min_rows)
        size = self._size(len(window.rows))
        panel = fitted_panel(reference, size, self.nulls)
        result = panel.test(tensor(window.vectors), rng=rng)
        effect = result.effect
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=effect.share,
            rows=size,
            p_value=min(1.0, 2 * result.p_value) if panel.warning else result.p_value,
            interval=(effect.low, effect.high),
        )

    def bank_key(self, rows: int) -> str:
        """See `Prepared`."""
        return f"joint {PANEL}, {self.nulls} windows of {self._size(rows)} rows"

    def prepare(
        self,
        reference: Reference,
        rows: int,
        bank: Float64[np.ndarray, "b s"] | None,
        progress: Callable[[int, int], None] | None,
    ) -> Float64[np.ndarray, "b s"]:
        """See `Prepared`."""
        panel = _fit(reference, self._size(rows), self.nulls, bank, progress)
        fitted_panel.put(panel, reference, panel.window_size, self.nulls)
        return panel.bank

    def _size(self, rows: int) -> int:
        """The number of rows that is used of a window of `rows` rows."""
        return max(self.min_rows, 1 << (rows.bit_length() - 1))


@pinned
def fitted_panel(reference: Reference, window_size: int, nulls: int) -> Panel:
    """The panel of `reference`.

    Raises:
        UnmeasurableError: the reference has fewer rows than four windows.
    """
    return _fit(reference, window_size, nulls, None, None)


def _fit(
    reference: Reference,
    window_size: int,
    nulls: int,
    bank: Float64[np.ndarray, "b s"] | None,
    progress: Callable[[int, int], None] | None,
) -> Panel:
    if (rows := len(reference.rows)) < 4 * window_size:
        raise UnmeasurableError(
            f"joint needs a reference of {4 * window_size} rows for windows of {window_size}, {reference} has {rows}: "
            "give the reference more rows or the stream a smaller sample"
        )
    seed = int(seeded(reference, "joint").integers(2**32))
    return Panel.fit(tensor(reference.vectors), window_size, seed=seed, nulls=nulls, bank=bank, progress=progress)
