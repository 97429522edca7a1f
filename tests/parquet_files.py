"""Files of embeddings as a data team leaves them, and what a collector makes of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from collectors.parquet import ParquetCollector
from drift.errors import SourceError
from drift.records import Span, Stream, Window

DIM = 4
VECTORS = pa.list_(pa.float32(), DIM)
STREAM = Stream("search", "encoder", "1", DIM)
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVER = Span(START - timedelta(days=9), START + timedelta(days=99))


def table(n: int, *, start: int = 0, ids: bool = True, step: timedelta = HOUR) -> pa.Table:
    """Rows number `start` to `start + n`, one each `step`; the first element of a vector is its row's number."""
    numbers = np.arange(start, start + n)
    vectors = np.stack([numbers, *np.ones((DIM - 1, n))], axis=1).astype(np.float32)
    columns = {
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM),
        "time": pa.array([START + int(i) * step for i in numbers], pa.timestamp("us", "UTC")),
        "tenant": pa.array([("acme", "zeta")[i % 2] for i in numbers]),
    }
    return pa.table(columns | ({"id": [f"doc-{i}" for i in numbers]} if ids else {}))


def write(path: Path, rows: pa.Table, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".feather":
        pa.feather.write_feather(rows, path, **options)
    else:
        pa.parquet.write_table(rows, path, **options)
    return path


def numbers(vectors: np.ndarray) -> list[int]:
    return vectors[:, 0].astype(int).tolist()


def collect(
    path: Path, span: Span = EVER, *, limit: int = 1000, stream: Stream = STREAM, segments: Sequence[str] = ()
) -> Window:
    return ParquetCollector(path, tuple(segments)).collect(stream, span, limit=limit)


def fault(path: Path, span: Span = EVER, stream: Stream = STREAM) -> str:
    with pytest.raises(SourceError) as caught:
        collect(path, span, stream=stream)
    return str(caught.value)
