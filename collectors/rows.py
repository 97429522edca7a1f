"""The row schema as senders use it, a batch of such rows, and the screening that every batch goes through."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.times import microseconds, shown
from drift.records import NO_TIME, RowFault, RowReason, Rows, Span, Stream

VECTOR: Final = "vector"
ID: Final = "id"
TIME: Final = "time"
SESSION: Final = "session"
INPUT: Final = "input"
LABEL: Final = "label"
ENCODER_VERSION: Final = "encoder_version"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may be at most, so that no sender can exhaust the memory.

    `body` is bytes as sent, `rows` a number of rows, `decoded` bytes of vectors (as float32) and of texts once
    decoded, `name` bytes of one id, session, label, encoder version or segment value (they become keys of an index).
    """

    body: int = 64 << 20
    rows: int = 100_000
    decoded: int = 256 << 20
    name: int = 1024


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The good rows of one batch, and why the others are not among them.

    `index` (n integers, ascending) is each row's position in the batch as sent, `faults` has at most one entry per
    row and is ordered by row, `received` counts all rows as sent: `received == len(rows) + len(faults)`. A row without
    a time among rows with one has `NO_TIME` until the batch is screened.
    """

    rows: Rows
    index: npt.NDArray[np.int64]
    faults: tuple[RowFault, ...]
    received: int

    def without(self, faults: Sequence[RowFault]) -> "Batch":
        """This batch less the rows of `faults`, which name positions in the batch as sent. The first fault counts."""
        first = {fault.row: fault for fault in reversed(faults)}
        if not first:
            return self
        good = ~np.isin(self.index, np.fromiter(first, np.int64, len(first)))
        merged = sorted((*self.faults, *first.values()), key=lambda fault: fault.row)
        return Batch(self.rows.take(good), self.index[good], tuple(merged), self.received)


def screen(batch: Batch, stream: Stream, allowed: Span, *, arrival: datetime | None = None) -> Batch:
    """The rows of `batch` that are finite, not zero, and timed within `allowed`; the others become faults.

    A row whose squared length overflows float32 counts as not finite, one whose squared length vanishes counts as
    zero: neither has a direction. A row without a time gets `arrival`; with no `arrival` either, it is refused where
    other rows of its batch have a time, and all rows stay without one where none has.
    """
    if batch.rows.vectors.shape[1] != stream.dim:
        raise ValueError(
            f"{stream} needs {stream.dim} dimensions, the batch was parsed for {batch.rows.vectors.shape[1]}"
        )
    timed = _with_arrival(batch, arrival)
    return timed.without([*_bad_vectors(timed), *_bad_times(timed, allowed)])


def _with_arrival(batch: Batch, arrival: datetime | None) -> Batch:
    times = batch.rows.times
    if arrival is None or not len(batch.rows) or (times is not None and (times != NO_TIME).all()):
        return batch
    known = np.full(len(batch.rows), NO_TIME) if times is None else times
    filled = np.where(known == NO_TIME, microseconds(arrival), known)
    return replace(batch, rows=replace(batch.rows, times=filled))


def _bad_vectors(batch: Batch) -> list[RowFault]:
    vectors = batch.rows.vectors
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        # One pass answers all three questions: a NaN, an Inf or an overflow makes it not finite, zeros make it zero.
        squared = np.einsum("nd,nd->n", vectors, vectors)
    faults = []
    for at in np.flatnonzero(~(np.isfinite(squared) & (squared > 0))):
        row, vector = int(batch.index[at]), vectors[at]
        if squared[at] == 0:
            largest = float(np.abs(vector).max(initial=0))
            detail = (
                "all elements are 0"
                if largest == 0
                else f"its length vanishes in float32 (largest element {largest:g})"
            )
            faults.append(RowFault(row, RowReason.ZERO_VECTOR, detail))
        elif len(bad := np.flatnonzero(~np.isfinite(vector))):
            detail = f"element {bad[0]} is {vector[bad[0]]} ({len(bad)} such elements)"
            faults.append(RowFault(row, RowReason.NOT_FINITE, detail))
        else:
            detail = f"its length overflows float32 (largest element {float(np.abs(vector).max()):g})"
            faults.append(RowFault(row, RowReason.NOT_FINITE, detail))
    return faults


def _bad_times(batch: Batch, allowed: Span) -> list[RowFault]:
    times = batch.rows.times
    if times is None:
        return []
    faults = []
    for at in np.flatnonzero((times < microseconds(allowed.start)) | (times >= microseconds(allowed.end))):
        row, time = int(batch.index[at]), int(times[at])
        if time == NO_TIME:
            faults.append(RowFault(row, RowReason.BAD_TIME, "no time, while other rows of the batch have one"))
        else:
            detail = f"{shown(time)} is not in [{allowed.start.isoformat()}, {allowed.end.isoformat()})"
            faults.append(RowFault(row, RowReason.TIME_OUT_OF_RANGE, detail))
    return faults


def join(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, in order, as if they had been sent as one. Needs at least one."""
    starts = np.cumsum([0, *(batch.received for batch in batches)])
    return Batch(
        Rows.stack([batch.rows for batch in batches]),
        np.concatenate([batch.index + start for batch, start in zip(batches, starts, strict=False)]),
        tuple(
            replace(fault, row=fault.row + int(start))
            for batch, start in zip(batches, starts, strict=False)
            for fault in batch.faults
        ),
        int(starts[-1]),
    )
