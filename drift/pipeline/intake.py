"""Rows that are pushed to us: screened, drawn from, and durable before they are acknowledged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.rows import Batch, screen
from collectors.sample import priorities
from drift.errors import BatchConflictError, UnknownStreamError
from drift.pipeline.monitor import Monitor
from drift.records import EPOCH, RowFault, Rows, Span, lowest, tally
from drift.store import inbox
from drift.store.connect import Engine

AHEAD: Final = timedelta(minutes=5)  # how far a client's clock may be ahead of ours
_MICRO: Final = timedelta(microseconds=1)
_Lots = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: all of it is durable. `duplicate` says that the same batch had been taken before."""

    received: int
    accepted: int
    faults: tuple[RowFault, ...]
    duplicate: bool


class Sieve:
    """Remembers, for each open window and part of a stream, which priorities a row must beat to be drawn.

    Rows with one id, and rows of one session, count once. Thread-safe. What it forgets (after a restart) costs space
    and no row.
    """

    def __init__(self) -> None:
        self._lowest: dict[tuple[str, datetime], _Lots] = {}
        self._lock = Lock()

    def passes(self, part: str, start: datetime, lots: _Lots, most: int) -> npt.NDArray[np.bool_]:
        """Which of `lots` are among the `most` lowest, one of each session, of these and all that came before."""
        return np.isin(lots, self._with(part, start, lots, most))

    def remember(self, part: str, start: datetime, lots: _Lots, most: int) -> None:
        """Note that the rows of `lots` are stored."""
        together = self._with(part, start, lots, most)
        with self._lock:
            self._lowest[part, start] = together

    def forget_before(self, parts: Sequence[str], at: datetime) -> None:
        """Drop the windows of `parts` that start before `at`: they are closed."""
        with self._lock:
            for part, start in [key for key in self._lowest if key[0] in parts and key[1] < at]:
                del self._lowest[part, start]

    def _with(self, part: str, start: datetime, lots: _Lots, most: int) -> _Lots:
        with self._lock:
            seen = self._lowest.get((part, start))
        together = lots if seen is None else np.concatenate([seen, lots])
        return together[lowest(together, most)]


def take_in(
    engine: Engine, monitor: Monitor, batch: Batch, sieve: Sieve, *, batch_key: str, digest: str, now: datetime
) -> Receipt:
    """Make the good rows of `batch` durable, and say of each other row what is wrong with it.

    A batch that comes again with the same `batch_key` and `digest` (of its bytes) is counted once. Refused rows count
    against the window of `now`.

    Raises:
        UnknownStreamError: the stream is not registered.
        BatchConflictError: another batch was taken with this key.
    """
    key = monitor.stream.key
    with engine.begin() as conn:
        open_from = inbox.open_until_commit(conn, key)
        if open_from is None:
            raise UnknownStreamError(f"stream {key!r} is not registered: start the service with its file")
        # Asked before the rows are screened: what was in time when it first came may be late by now.
        if (before := inbox.recall(conn, key, batch_key)) is not None:
            return _known(before, digest, batch_key)
        clean = screen(batch, monitor.stream, Span(open_from, max(now, open_from) + AHEAD), arrival=max(now, open_from))
        told = inbox.Acknowledged(digest, batch.received, len(clean.rows))
        if not inbox.acknowledge(conn, key, batch_key, told, now=now):
            return _known(inbox.recall(conn, key, batch_key) or told, digest, batch_key)
        entries = list(_entries(monitor, clean, sieve, batch_key=batch_key, open_from=open_from, now=now))
        for entry in entries:
            inbox.add(conn, key, batch_key, entry)
    for entry in entries:
        for part, mine in _parts(monitor, entry.rows):
            sieve.remember(part, entry.start, entry.priorities[mine], monitor.sample)
    sieve.forget_before([part.key for part in monitor.parts], open_from)
    return Receipt(told.received, told.accepted, clean.faults, duplicate=False)


def _known(before: inbox.Acknowledged, digest: str, batch_key: str) -> Receipt:
    if before.digest != digest:
        raise BatchConflictError(
            f"the key {batch_key!r} belongs to a batch with other content, of {before.received} rows: "
            "give each batch a key of its own, and only a retry the same one"
        )
    return Receipt(before.received, before.accepted, (), duplicate=True)


def _entries(
    monitor: Monitor, clean: Batch, sieve: Sieve, *, batch_key: str, open_from: datetime, now: datetime
) -> Iterator[inbox.Entry]:
    """What the batch adds to each window: counts, and the rows that may still be drawn."""
    rejected = tally(clean.faults)
    blamed = max(open_from, Span.containing(now, monitor.window).start)
    starts = _starts(monitor, clean.rows, open_from)
    for start in sorted({*starts, *([blamed] if rejected else [])}):
        mine = np.array([s == start for s in starts], np.bool_)
        rows = clean.rows.take(mine)
        salt = f"{monitor.stream.key} {start.isoformat()}"
        lots = priorities(rows.ids, batch_key, clean.index[mine], salt=salt, sessions=rows.sessions)
        keep, received = np.zeros(len(rows), np.bool_), {}
        for part, of_part in _parts(monitor, rows):
            received[part] = len(of_part)
            keep[of_part] |= sieve.passes(part, start, lots[of_part], monitor.sample)
        refused = rejected if start == blamed else {}
        received[monitor.stream.key] += sum(refused.values())
        yield inbox.Entry(start, received, refused, rows.take(keep), lots[keep])


def _starts(monitor: Monitor, rows: Rows, open_from: datetime) -> list[datetime]:
    """The start of each row's window; the oldest open one may have begun off the grid."""
    if rows.times is None or not len(rows):
        return []
    length = monitor.window // _MICRO
    slots, place = np.unique(rows.times // length, return_inverse=True)
    starts = [max(open_from, EPOCH + int(slot) * monitor.window) for slot in slots]
    return [starts[i] for i in place]


def _parts(monitor: Monitor, rows: Rows) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    """The positions of the rows of each part of the stream: all of them, then each segment's."""
    for part in monitor.parts:
        column, _, value = part.segment.partition("=")
        if not column:
            yield part.key, np.arange(len(rows))
        else:
            yield part.key, np.flatnonzero([v == value for v in rows.segments.get(column, ())])
