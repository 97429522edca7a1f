"""Which rows of a file belong to a stream and a span."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.types as pat

from collectors.columns import checked, plain_texts
from collectors.files import SourceFile, reading, scan
from collectors.rows import TIME
from collectors.times import END, MICRO, PER_SECOND, microseconds, read_time_array
from drift.errors import SourceError
from drift.records import NO_TIME, Span, Stream


def selected(
    file: SourceFile, columns: Sequence[str], stream: Stream, span: Span | None
) -> Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]:
    """The rows of `stream` (its segment, where it is one) in `span` (None: whenever), in pieces, never an empty one.

    Each piece comes with its rows' positions in the file, and with those of `columns` that the file has. A row without
    a readable time is in no span.

    Raises:
        SourceError: the file is damaged, lacks the column that `span` or the segment needs, or has no readable time.
    """
    column, _, value = stream.segment.partition("=")
    if span is not None:
        require(file, TIME, "to tell which window a row belongs to")
    if stream.segment:
        require(file, column, f"to pick the rows of the stream {stream}")
    wanted = [name for name in dict.fromkeys([*columns, column]) if name in file.schema.names]
    unreadable, timed, example = 0, 0, ""
    for first, sent in scan(file, wanted, None if span is None else _maybe_within(file, span)):
        with reading(file.path):
            batch = checked(sent, wanted)
            mask = np.ones(len(batch), np.bool_)
            if span is not None:
                times, faults = read_time_array(batch.column(TIME))
                example = faults[0].detail if faults else example
                mask &= (times >= microseconds(span.start)) & (times < microseconds(span.end))
                unreadable, timed = unreadable + len(faults), timed + int((times != NO_TIME).sum())
            if stream.segment:
                mask &= _equals(batch.column(column), column, value)
        if mask.any():
            yield first + np.flatnonzero(mask), batch if mask.all() else batch.filter(pa.array(mask))
    if unreadable and not timed:
        raise SourceError(
            f"{file.path}: none of {unreadable} entries of column 'time' can be read, for example {example}"
        )


def require(file: SourceFile, column: str, purpose: str) -> None:
    """Raise SourceError unless `file` has `column`."""
    if column not in file.schema.names:
        raise SourceError(
            f"{file.path} needs a column {column!r} {purpose}, it has {file.schema.names}: add it or rename one"
        )


def _equals(array: pa.Array, column: str, value: str) -> npt.NDArray[np.bool_]:
    same = pc.equal(plain_texts(array, column), pa.scalar(value, pa.large_string()))
    mask: npt.NDArray[np.bool_] = pc.fill_null(same, False).to_numpy(zero_copy_only=False)  # noqa: FBT003
    return mask


def _maybe_within(file: SourceFile, span: Span) -> ds.Expression | None:
    """What surely holds for each row in `span`, in the unit of the file's time column; None where nothing can be said.

    Only for skipping row groups by their statistics, so the bounds are rounded outwards. Times after the year 9999
    are let through as well: they are milliseconds taken for seconds, and skipping them would hide it.
    """
    kind = file.schema.field(TIME).type
    start, end = microseconds(span.start), microseconds(span.end)
    field = ds.field(TIME)
    if pat.is_timestamp(kind):
        limit = np.iinfo(np.int64)
        low = max(start * PER_SECOND[kind.unit] // MICRO, limit.min)
        high = min(-(-end * PER_SECOND[kind.unit] // MICRO), limit.max)
        return (field >= pa.scalar(low, kind)) & (field <= pa.scalar(high, kind))
    if pat.is_int64(kind) or pat.is_float64(kind):
        within = (field >= pa.scalar(start // MICRO)) & (field <= pa.scalar(-(-end // MICRO)))
        return within | (field >= pa.scalar(END // MICRO))
    return None
