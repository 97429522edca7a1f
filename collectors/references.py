"""Files of healthy rows that references are made from: vectors, or inputs that are still to be encoded."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from collectors.columns import columns_of, read_batches, read_texts
from collectors.files import SourceFile, open_files, reading
from collectors.parquet import FILE_LIMITS
from collectors.rows import INPUT, LABEL, SESSION, TIME, VECTOR, Batch, screen
from collectors.sample import Sample, priorities
from collectors.selection import require, selected
from collectors.times import EVER
from drift.errors import SourceError
from drift.records import RowFault, RowReason, Rows, Stream, Texts, tally


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs that have no vectors yet. Other columns are empty, or have one entry for each of `texts`."""

    texts: tuple[str, ...]
    labels: Texts = ()
    segments: Mapping[str, Texts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: Int64[np.ndarray, "k"]) -> "Inputs":
        """The inputs at `index`, in that order."""
        at = index.tolist()
        labels, *others = (
            tuple(column[i] for i in at) if column else () for column in (self.labels, *self.segments.values())
        )
        return Inputs(tuple(self.texts[i] for i in at), labels, dict(zip(self.segments, others, strict=True)))


def read_reference(path: Path, stream: Stream, *, limit: int, segments: tuple[str, ...] = ()) -> Rows | Inputs:
    """A uniform sample of at most `limit` valid rows of `stream` in the files at `path`, one of each session.

    They are in random order. Files with a column `vector` give rows, files with an `input` and no `vector` give inputs
    for the encoder. `time` is not needed, and not read. The same files give the same sample.

    Raises:
        SourceError: a file cannot be read, has neither column, or no row is valid.
    """
    sample: Sample | None = None
    refused: Counter[str] = Counter()
    columns = tuple(name for name in columns_of(segments) if name != TIME)
    for file in open_files(path):
        if sample is None:
            encoded = VECTOR in file.schema.names or INPUT not in file.schema.names
            sample = Sample.none(stream.dim if encoded else 0)
        require(file, VECTOR if encoded else INPUT, "to make a reference (`vector`, or `input` for the encoder)")
        for positions, sent in selected(file, columns if encoded else (INPUT, LABEL, SESSION, *segments), stream, None):
            batch = _rows(file, sent, stream, segments) if encoded else _inputs(file, sent, segments)
            refused.update(tally(batch.faults))
            drawn = priorities(
                batch.rows.ids,
                file.name,
                positions[batch.index],
                salt=f"reference of {stream.name}",
                sessions=batch.rows.sessions,
            )
            sample = sample.merged(batch.rows, drawn, limit)
    if sample is None or not len(sample.rows):
        found = ", ".join(f"{count} {reason}" for reason, count in refused.items()) or "no rows"
        raise SourceError(
            f"{path} needs valid rows of {stream} ({stream.dim} dimensions) for a reference, found: {found}"
        )
    rows = sample.rows
    return rows if encoded else Inputs(tuple(t for t in rows.inputs if t is not None), rows.labels, rows.segments)


def read_inputs(path: Path, *, limit: int, segments: tuple[str, ...] = ()) -> Inputs:
    """A uniform sample of at most `limit` inputs in the files at `path`, in random order; vectors are not read.

    `label` is read where given, each column of `segments` must be there. The same files give the same sample.

    Raises:
        SourceError: a file cannot be read, lacks a column, or no row has an input.
    """
    whole, sample = Stream(path.name, "", "", 1), Sample.none(0)
    for file in open_files(path):
        for column in (INPUT, *segments):
            require(file, column, "of inputs to encode" if column == INPUT else "to tell segments apart")
        for positions, sent in selected(file, (INPUT, LABEL, SESSION, *segments), whole, None):
            batch = _inputs(file, sent, segments)
            drawn = priorities(
                batch.rows.ids, file.name, positions[batch.index], salt="inputs", sessions=batch.rows.sessions
            )
            sample = sample.merged(batch.rows, drawn, limit)
    rows = sample.rows
    if not len(rows):
        raise SourceError(f"{path} needs rows with an `input`, it has none: give it the texts to encode")
    return Inputs(tuple(text for text in rows.inputs if text is not None), rows.labels, rows.segments)


def _rows(file: SourceFile, sent: pa.RecordBatch, stream: Stream, segments: tuple[str, ...]) -> Batch:
    with reading(file.path):
        batch = read_batches([sent], stream, segments, limits=FILE_LIMITS)
    return screen(batch, stream, EVER)


def _inputs(file: SourceFile, sent: pa.RecordBatch, segments: tuple[str, ...]) -> Batch:
    """The rows that have an input, as rows of no dimensions."""
    columns: dict[str, Texts] = {}
    faults: list[RowFault] = []
    with reading(file.path):
        for name in dict.fromkeys((INPUT, LABEL, SESSION, *segments)):
            if name in sent.schema.names:
                columns[name], bad = read_texts(sent.column(name), name, FILE_LIMITS)
                faults += bad
    n = len(sent)
    texts = columns.get(INPUT) or (None,) * n
    faults += [RowFault(i, RowReason.MALFORMED, "the row has no input") for i, text in enumerate(texts) if text is None]
    rows = Rows(
        np.empty((n, 0), np.float32),
        inputs=texts,
        labels=columns.get(LABEL, ()),
        sessions=columns.get(SESSION, ()),
        segments={name: columns.get(name, ()) for name in segments},
    )
    return Batch(rows, np.arange(n), (), n).without(faults)
