"""References made from a golden period of production: rows of windows that were stored while all was well."""

import hashlib
from datetime import datetime

import numpy as np

from detectors.copies import without_pairs
from drift.errors import BadReferenceError
from drift.records import Lineage, Reference, Rows
from drift.store.connect import Connection
from drift.store.golden import Period, rows_of


def golden_reference(conn: Connection, period: Period, *, rows: int, by: str, now: datetime) -> Reference:
    """A uniform sample of at most `rows` rows of the windows of `period` in which no alert fired; kept nowhere.

    The rows are in random order. As long as the same windows are stored it is the same sample. A session may be in
    several windows, and is then not taken once only: windows do not store it.

    Raises:
        BadReferenceError: there are no such windows, or their vectors have another dimension than the stream.
    """
    stream, span = period.stream, period.span
    if not period.windows:
        left_out = f" in which no alert fired ({period.alerted} others have)" if period.alerted else ""
        raise BadReferenceError(
            f"no window of {stream} that starts in {span} has vectors{left_out}: they are kept for as long as "
            "`retention.vectors` says; name a later period, or make the reference from a file"
        )
    drawn = _drawn(conn, period, min(rows, period.rows))
    kept = without_pairs(drawn)
    if (found := drawn.vectors.shape[1]) != stream.dim:
        raise BadReferenceError(
            f"windows of {stream} in {span} have {found} dimensions, the stream declares {stream.dim}: name a period "
            "in which this model was served"
        )
    source = f"{len(period.windows)} windows of production, {span}"
    return Reference(stream.key, kept, now, lineage=Lineage(source, by, len(drawn) - len(kept)))


def _drawn(conn: Connection, period: Period, rows: int) -> Rows:
    """So many rows of the period in random order, reading one window at a time: weeks do not fit in memory."""
    seed = hashlib.sha256(f"golden {period.stream} {period.span}".encode()).digest()
    drawn = np.random.default_rng(np.frombuffer(seed, np.uint32)).permutation(period.rows)[:rows]
    order = np.argsort(drawn)
    ends = np.cumsum([size for _, size in period.windows])
    pieces = np.split(drawn[order], np.searchsorted(drawn[order], ends[:-1]))
    parts = [
        rows_of(conn, period.stream.key, start).take(at - (end - size))
        for (start, size), end, at in zip(period.windows, ends, pieces, strict=True)
        if len(at)
    ]
    return Rows.stack(parts).take(np.argsort(order))
