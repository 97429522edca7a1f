"""Bodies as clients write them, and what every batch owes to them."""

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pyarrow as pa

from collectors.bodies import parse_body
from collectors.rows import Batch, Limits
from drift.records import RowReason, Rows, Span, Stream

DIM = 4
STREAM = Stream("search", "encoder", "1", DIM)
START = datetime(2026, 3, 1, tzinfo=UTC)
SECONDS = 1_772_368_496
"""2026-03-01T12:34:56Z, in seconds since the Unix epoch."""
ALLOWED = Span(START, START + timedelta(days=1))
SEGMENTS = ("tenant",)
ARROW = "application/vnd.apache.arrow.stream"
VECTORS = pa.list_(pa.float32(), DIM)


def ipc(table: pa.Table, rows_per_batch: int = 3, **options: object) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows_per_batch)
    return sink.getvalue()


def npy(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def arrow(columns: dict[str, object], **limits: int) -> Batch:
    return parse_body(ARROW, ipc(pa.table(columns)), STREAM, SEGMENTS, limits=Limits(**limits))


def json(rows: object) -> Batch:
    return parse_body("application/json", orjson.dumps(rows), STREAM, SEGMENTS)


def good(n: int) -> list[list[float]]:
    return [[1.0 + i, 2.0, -0.5, 0.25] for i in range(n)]


def same(one: Rows, other: Rows) -> bool:
    times = (one.times is None) == (other.times is None) and (
        one.times is None or np.array_equal(one.times, other.times)
    )
    texts = all(
        getattr(one, c) == getattr(other, c)
        for c in ("ids", "sessions", "inputs", "labels", "encoder_versions", "segments")
    )
    return bool(np.array_equal(one.vectors, other.vectors) and times and texts)


def reasons(batch: Batch) -> dict[int, RowReason]:
    return {fault.row: fault.reason for fault in batch.faults}


def assert_whole(batch: Batch) -> None:
    """Each row as sent is either good or named in a fault, once."""
    assert sorted([*batch.index.tolist(), *(f.row for f in batch.faults)]) == list(range(batch.received))
    assert len(batch.index) == len(batch.rows)
