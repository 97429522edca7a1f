"""Conditional MMD: have the embeddings changed within their contexts, whatever the mix of contexts?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
import torch
from numpy.random import Generator

from detectors.copies import independent_rows
from detectors.kernels import tensor
from detectors.permuting import gaussian_block, measurement
from detectors.pooled import permuted_mmd2, random_splits
from detectors.strips import strips_of
from drift.errors import MissingLabelsError, TooFewRowsError
from drift.records import Measurement, Reference, Rows, Texts, Window

LEAST: Final = 4
"""Rows of a context on either side, below which it is left out."""


@final
@dataclass(frozen=True, slots=True)
class ContextMmd:
    """Change within contexts: mean over the window's rows of the squared MMD of their context (Cobb and Van Looveren,
    ICML 2022, for contexts that are names).

    In kernel units (at most 2), unbiased and unfloored: about 0, and negative half of the time, when nothing has
    changed. A context is a value of `context`: "label", or the name of a segment's column. A changed mix of contexts
    (more German, one tenant gone) is permitted and does not alarm; German that has changed does. Rows are permuted
    within their context, so the p-value, (1 + b) / (1 + permutations), is exact given the contexts.

    Contexts with fewer than 4 rows in the window or in the reference are left out; `rows` counts the others. The kernel
    is that of `mmd`, the same for all contexts, of the reference's first `reference_rows` rows.
    """

    name: ClassVar[str] = "context_mmd"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "embeddings of one and the same context are not distributed as in the reference: more than the mix has changed"
    )
    next_step: ClassVar[str] = (
        "Look at the objective skew first: if it is bad, fix the serving path; if not, find the context whose inputs "
        "have changed, and retrain on them."
    )

    context: str = "label"
    permutations: int = 999
    bandwidths: tuple[float, ...] = (0.25, 1.0)
    reference_rows: int = 2560
    min_rows: int = 64

    def __post_init__(self) -> None:
        if self.permutations < 1 or self.reference_rows < 2 or not self.bandwidths or min(self.bandwidths) <= 0:
            raise ValueError(f"context_mmd needs permutations >= 1, reference_rows >= 2 and bandwidths > 0, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        used = independent_rows(self.name, window, reference, self.min_rows)
        held = gaussian_block(reference, self.name, self.reference_rows, self.bandwidths)
        seen = self._column(used, f"window {window}")
        known = self._column(reference.rows, str(reference))[: len(held.rows)]
        pairs = list(shared(seen, known))
        if (rows := sum(len(ours) for ours, _ in pairs)) < self.min_rows:
            raise TooFewRowsError(
                f"{self.name} needs at least {self.min_rows} rows of contexts that window and reference share, window "
                f"{window} has {rows}: widen the window, or make the reference of all values of {self.context!r}"
            )
        x = tensor(used.vectors) - held.centre
        values = np.zeros(1 + self.permutations)
        for ours, theirs in pairs:
            pooled = torch.cat([x[ours], held.rows[theirs]])
            splits = random_splits(rng, self.permutations, len(ours), len(theirs), pooled.device)
            found = permuted_mmd2(strips_of(pooled, held.kernel), splits)
            values += len(ours) / rows * found.cpu().numpy()
        return measurement(window, reference, self.name, values, rows)

    def _column(self, rows: Rows, whose: str) -> Texts:
        column = rows.labels if self.context == "label" else rows.segments.get(self.context, ())
        if not column:
            raise MissingLabelsError(
                f"{self.name} needs a context for each row, {whose} has no column {self.context!r}: send "
                f"`{self.context}` with the rows, and give it to the reference"
            )
        return column


def shared(window: Texts, reference: Texts) -> Iterator[tuple[list[int], list[int]]]:
    """The rows of each context that has enough of them on both sides; rows without one have none."""
    places: dict[str, tuple[list[int], list[int]]] = {}
    for side, column in enumerate((window, reference)):
        for at, value in enumerate(column):
            if value is not None:
                places.setdefault(value, ([], []))[side].append(at)
    return (places[name] for name in sorted(places) if min(map(len, places[name])) >= LEAST)
