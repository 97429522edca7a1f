"""The distributional panel as a detector of the service: one joint test, and how much has moved."""

from dataclasses import dataclass
from typing import ClassVar, final

from numpy.random import Generator

from detectors.kernels import pinned, require_rows, seeded, tensor
from detectors.panel import Panel
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """Joint drift test: the equivalent contamination of the window, with the panel's joint p-value (`Panel`).

    Share in [0, 1] of foreign rows that would move the distribution as far, with its 95 % interval; near 0 when
    healthy. Of a window of more than `min_rows` rows that many are drawn. The first measurement against a reference
    fits the panel, which takes seconds: `nulls` null windows are drawn.
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
        result = fitted_panel(reference, self.min_rows, self.nulls).test(tensor(window.vectors), rng=rng)
        effect = result.effect
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=effect.share,
            rows=self.min_rows,
            p_value=result.p_value,
            interval=(effect.low, effect.high),
        )


@pinned
def fitted_panel(reference: Reference, window_size: int, nulls: int) -> Panel:
    """The panel of `reference`.

    Raises:
        UnmeasurableError: the reference has fewer rows than four windows.
    """
    if (rows := len(reference.rows)) < 4 * window_size:
        raise UnmeasurableError(
            f"joint needs a reference of {4 * window_size} rows for windows of {window_size}, {reference} has {rows}: "
            "give the reference more rows or lower min_rows"
        )
    seed = int(seeded(reference, "joint").integers(2**32))
    return Panel.fit(tensor(reference.vectors), window_size, seed=seed, nulls=nulls)
