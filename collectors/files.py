"""Parquet and Arrow IPC (Feather, or a stream) on disk: found, opened, and read in pieces with the rows' positions."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from collectors.columns import ARROW_ERRORS
from collectors.rows import INPUT, TIME, VECTOR
from drift.errors import PayloadError, SourceError

SUFFIXES: Final = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
_PARQUET: Final = "parquet"
_STREAM: Final = "stream"
_MAGIC: Final = {b"PAR1": _PARQUET, b"ARRO": "ipc", b"\xff\xff\xff\xff": _STREAM}
_BATCH_ROWS: Final = 8192
_BUFFER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file. `name` is its path below the collector's directory, so that a moved directory is the same source.

    `schema` has the file's columns and a text column for each of `folders`, the directories named `column=value`.
    """

    path: Path
    name: str
    kind: str
    schema: pa.Schema
    folders: Mapping[str, str]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what Arrow raises, and what the row schema refuses, into an error about the file at `path`."""
    try:
        yield
    except PayloadError as error:
        raise SourceError(f"{path} cannot be used: {error}") from error
    except ARROW_ERRORS as error:
        raise SourceError(
            f"{path} cannot be read ({error}): needed is a whole Parquet or Arrow IPC (Feather) file; "
            "write it under another suffix and rename it when it is complete"
        ) from error


def open_files(root: Path) -> Iterator[SourceFile]:
    """The file `root`, or all files with a known suffix below the directory `root`, in the order of their names.

    Raises:
        SourceError: there is no such path, no such file below it, or one that cannot be read.
    """
    if not root.exists():
        raise SourceError(f"{root} does not exist: needed is a Parquet or Arrow IPC file, or a directory of such files")
    if root.is_file():
        yield _open(root, root.parent)
        return
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and not path.name.startswith((".", "_"))
    )
    if not paths:
        raise SourceError(
            f"{root} has no files named {', '.join('*' + s for s in SUFFIXES)}: put some there, or name another"
        )
    for path in paths:
        yield _open(path, root)


def starts_with(path: Path) -> bytes:
    """The first four bytes of the file at `path`, which say what it is."""
    with path.open("rb") as file:
        return file.read(4)


def is_table(path: Path) -> bool:
    """Whether the file at `path` starts as Parquet or Arrow does."""
    return starts_with(path) in _MAGIC


def _open(path: Path, root: Path) -> SourceFile:
    with reading(path):
        start = starts_with(path)
        if (kind := _MAGIC.get(start)) is None:
            raise PayloadError(
                f"needed is a whole Parquet or Arrow IPC (Feather) file, found one that starts with {start!r}"
            )
        name = path.relative_to(root)
        schema = _schema(path, kind)
        # As text: a guess would take the tenant 007 for the number 7.
        pairs = (unquote(part).partition("=") for part in name.parts[:-1] if "=" in part)
        taken = {VECTOR, TIME, INPUT, *schema.names}
        folders = {column: value for column, _, value in pairs if column not in taken}
        for column in folders:
            schema = schema.append(pa.field(column, pa.string()))
        return SourceFile(path, name.as_posix(), kind, schema, folders)


def _schema(path: Path, kind: str) -> pa.Schema:
    if kind == _PARQUET:
        return pq.read_schema(path)
    opened = pa.ipc.open_stream if kind == _STREAM else pa.ipc.open_file
    with pa.OSFile(str(path)) as source, opened(source) as reader:
        return reader.schema


def scan(file: SourceFile, columns: Sequence[str], prune: ds.Expression | None) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of `file` in pieces that fit in memory, each with the position of its first row in the file.

    Row groups of which the file's statistics say that no row meets `prune` are skipped; no single row is. `columns`
    are columns of the file's schema, one of them at least from the file itself.

    Raises:
        SourceError: the file is damaged.
    """
    stored = [name for name in columns if name not in file.folders]
    with reading(file.path):
        pieces = _parquet(file.path, stored, prune) if file.kind == _PARQUET else _ipc(file, stored)
        for first, batch in pieces:
            yield first, _with_folders(batch, file, columns)


def _with_folders(batch: pa.RecordBatch, file: SourceFile, columns: Sequence[str]) -> pa.RecordBatch:
    for column, value in file.folders.items():
        if column in columns:
            batch = batch.append_column(column, pa.repeat(pa.scalar(value), len(batch)))
    return batch


def _parquet(path: Path, columns: list[str], prune: ds.Expression | None) -> Iterator[tuple[int, pa.RecordBatch]]:
    (whole,) = ds.dataset(str(path), format=_PARQUET).get_fragments()
    wanted = {group.id for piece in whole.split_by_row_group(filter=prune) for group in piece.row_groups}
    first = 0
    # Not the dataset's own scanner: it holds a whole row group, of any size, in memory.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if group in wanted:
                at = first
                for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False):
                    yield at, batch
                    at += len(batch)
            first += rows


def _ipc(file: SourceFile, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    options = pa.ipc.IpcReadOptions(included_fields=[file.schema.get_field_index(name) for name in columns])
    first = 0
    for whole in (_of_stream if file.kind == _STREAM else _of_file)(file.path, options):
        for at in range(0, len(whole), _BATCH_ROWS):
            yield first + at, whole.slice(at, _BATCH_ROWS)
        first += len(whole)


# Read, not mapped: a file that shrinks under a mapping kills the process.
def _of_file(path: Path, options: pa.ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source, options=options) as reader:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _of_stream(path: Path, options: pa.ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source, options=options) as reader:
        yield from reader
