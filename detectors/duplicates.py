"""Copies in a window: a cache, a constant output, a batch that is replayed."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Int64
from numpy.random import Generator

from detectors.copies import first_equal, times_seen
from detectors.kernels import drawn, pinned, require_rows, seeded
from drift.errors import UnmeasurableError
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class Duplicates:
    """Copies: share of the rows whose vector another row of the window has as well, beyond what popular inputs explain.

    In [0, 1]: 0 when healthy, 1 when every row has a copy, whatever is usual for the stream. Equal is equal in every
    number. `usual` is the largest share of `draws` windows of this size drawn from the reference, so that a healthy
    window exceeds it once in `draws` + 1, and the value is (share - usual) / (1 - usual), never below 0: the plain
    share where the reference has no copies. A bound is held against it and no p-value: how popular an input is changes
    from day to day, so that a test would call most windows of some streams bad; what matters is how much.

    The other detectors' p-values take copies once (`copies.independent`), since they need independent rows: what is
    copied shows here.
    """

    name: ClassVar[str] = "duplicates"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = (
        "many rows have the very vector of another row: a cache or a constant output, or a batch that is replayed"
    )
    next_step: ClassVar[str] = (
        "Look at the inputs of the equal rows. Different inputs: the encoder, or a cache in front of it, gives one "
        "answer to all; roll it back or empty it. Equal inputs: a sender replays; if users really ask this often, make "
        "the reference of such traffic, copies and all."
    )

    draws: int = 200
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"duplicates needs draws >= 1, got {self.draws}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        require_rows(self.name, window, self.min_rows)
        usual = usual_share(reference, len(window.rows), self.draws)
        beyond = max(0.0, copied_share(first_equal(window.vectors)) - usual)
        return Measurement.of(window, reference, detector=self.name, value=beyond / (1 - usual))


def copied_share(first: Int64[np.ndarray, "n"]) -> float:
    """Share of the rows that have a copy, by what `first_equal` says."""
    return float((times_seen(first) > 1).mean())


@pinned
def usual_share(reference: Reference, n: int, draws: int) -> float:
    """The largest share of rows with copies in `draws` windows of `n` reference rows.

    Raises:
        UnmeasurableError: every row has a copy in one of them, so that nothing could be unusual.
    """
    first = first_equal(reference.vectors)
    if (first == np.arange(len(first))).all():
        return 0.0
    rng = seeded(reference, f"duplicates/{n}")
    usual = max(copied_share(first[drawn(len(first), n, rng)]) for _ in range(draws))
    if usual == 1:
        raise UnmeasurableError(
            f"duplicates needs a reference with rows that have no copy, {n} rows drawn from {reference} had none: "
            "give the reference more rows"
        )
    return usual
