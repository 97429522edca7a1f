"""Files of embeddings as they are, to be compared: `.npy`, Parquet or Arrow, of any dimension."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pat

from collectors.columns import columns_of, read_batches
from collectors.files import is_table, open_files, reading, scan, starts_with
from collectors.npy import MAGIC
from collectors.parquet import FILE_LIMITS
from collectors.rows import TIME, VECTOR, screen
from collectors.sample import Sample, priorities
from collectors.times import EVER
from drift.errors import SourceError
from drift.records import RowReason, Rows, Stream, tally

_PIECE: Final = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """A uniform sample of a file's valid rows, in random order. `received` counts all of its rows, `rejected` why some
    cannot be used."""

    rows: Rows
    received: int
    rejected: Mapping[RowReason, int]


def read_vectors(path: Path, *, limit: int, dim: int | None = None, segment: str = "") -> Sampled:
    """At most `limit` rows of the file, or of all Parquet and Arrow files below the directory, at `path`.

    A `.npy` file holds one array of floats or whole numbers, of shape (rows, dimensions); the others a column `vector`,
    and where given `id`, `session`, `input` and `label`; of a session one row is taken. The same file gives the same
    sample. `dim` is the dimension that is needed, None to take the file's own. `segment` names one more column of text,
    which every file must have. A row without an id is called by its place in the file, the first one being 0.

    Raises:
        SourceError: a file cannot be read, has no such column or array, another dimension, or no valid row.
    """
    segments = (segment,) if segment else ()
    sample: Sample | None = None
    received, refused = 0, Counter[RowReason]()
    for file, name, first, sent in _pieces(path, segments):
        with reading(file):
            if sample is None:
                stream = Stream(path.name, "", "", dim or _dim_of(file, sent))
                sample = Sample.none(stream.dim)
            batch = screen(read_batches([sent], stream, segments, limits=FILE_LIMITS), stream, EVER)
        received += batch.received
        refused.update(tally(batch.faults))
        places = first + batch.index
        drawn = priorities(batch.rows.ids, name, places, salt="compare", sessions=batch.rows.sessions)
        prefix = "" if path.is_file() else f"{name}:"
        sample = sample.merged(_called(batch.rows, [f"{prefix}{place}" for place in places]), drawn, limit)
    if sample is None or not len(sample.rows):
        found = ", ".join(f"{count} {reason}" for reason, count in refused.items()) or "no rows"
        needed = f"vectors of {dim} dimensions" if dim else "vectors"
        raise SourceError(f"{path} needs rows with {needed}, found: {found}")
    return Sampled(sample.rows, received, dict(refused))


def _called(rows: Rows, places: Sequence[str]) -> Rows:
    """`rows`, of which those without an id are called by their place."""
    ids = rows.ids or (None,) * len(rows)
    return replace(rows, ids=tuple(id_ or place for id_, place in zip(ids, places, strict=True)))


def _pieces(path: Path, segments: Sequence[str]) -> Iterator[tuple[Path, str, int, pa.RecordBatch]]:
    """Each file's path and name, and its rows in pieces with the position of the first one."""
    if not path.exists():
        raise SourceError(
            f"{path} does not exist: needed is a .npy, Parquet or Arrow file, or a directory of the latter"
        )
    if path.is_file() and MAGIC.startswith(starts_with(path) or b"-"):
        if segments:
            raise SourceError(f"{path} is an array without columns: put {segments[0]!r} beside `vector` in Parquet")
        array = _array(path)
        kind = array.dtype.newbyteorder("=") if array.dtype.kind == "f" else np.dtype(np.float32)
        for first in range(0, len(array), _PIECE):
            part = np.ascontiguousarray(array[first : first + _PIECE]).astype(kind, copy=False)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), array.shape[1])
            yield path, path.name, first, pa.RecordBatch.from_arrays([vectors], [VECTOR])
        return
    if path.is_file() and not is_table(path):
        raise SourceError(
            f"{path} is no file of embeddings, it starts with {starts_with(path)!r}: needed is .npy (numpy.save), "
            "Parquet or Arrow"
        )
    wanted = [name for name in columns_of(segments) if name != TIME]
    for file in open_files(path):
        for column in (VECTOR, *segments):
            if column not in file.schema.names:
                raise SourceError(f"{file.path} needs a column {column!r}, it has {file.schema.names}: rename one")
        for first, sent in scan(file, [name for name in wanted if name in file.schema.names], None):
            yield file.path, file.name, first, sent


def _array(path: Path) -> npt.NDArray[np.floating]:
    """The array of a `.npy` file, mapped and not read."""
    try:
        array: npt.NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be read ({error}): write an array of numbers with numpy.save") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.dtype.itemsize > 8 or not array.shape[1]:
        raise SourceError(
            f"{path} holds {array.dtype} of shape {array.shape}: needed is a 2-d array of floats or whole "
            "numbers, one row per embedding"
        )
    return array


def _dim_of(path: Path, sent: pa.RecordBatch) -> int:
    """The dimension of the first vector."""
    column = sent.column(VECTOR)
    if pat.is_fixed_size_list(column.type):
        return int(column.type.list_size)
    lengths = (len(value) for value in column if value.is_valid) if pat.is_nested(column.type) else ()
    if not (found := next((length for length in lengths if length), 0)):
        raise SourceError(f"{path} needs lists of numbers in column 'vector', found {column.type}")
    return found
