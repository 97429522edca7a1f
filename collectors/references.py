"""Files of healthy rows that references are made from: vectors, or inputs that are still to be encoded."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

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
    """Inputs that have no vectors yet. `labels` is empty, or has one entry for each of `texts`."""

    texts: tuple[str, ...]
    labels: Texts = ()

    def __len__(self) -> int:
        return len(self.texts)


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
        for positions, sent in selected(file, columns if encoded else (INPUT, LABEL, SESSION), stream, None):
            batch = _rows(file, sent, stream, segments) if encoded else _inputs(file, sent)
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
    return sample.rows if encoded else Inputs(tuple(t for t in sample.rows.inputs if t is not None), sample.rows.labels)


def _rows(file: SourceFile, sent: pa.RecordBatch, stream: Stream, segments: tuple[str, ...]) -> Batch:
    with reading(file.path):
        batch = read_batches([sent], stream, segments, limits=FILE_LIMITS)
    return screen(batch, stream, EVER)


def _inputs(file: SourceFile, sent: pa.RecordBatch) -> Batch:
    """The rows that have an input, as rows of no dimensions."""
    with reading(file.path):
        texts, faults = read_texts(sent.column(INPUT), INPUT, FILE_LIMITS)
        others: dict[str, Texts] = {}
        for name in (LABEL, SESSION):
            if name in sent.schema.names:
                others[name], bad = read_texts(sent.column(name), name, FILE_LIMITS)
                faults += bad
    n = len(sent)
    texts = texts or (None,) * n
    faults += [RowFault(i, RowReason.MALFORMED, "the row has no input") for i, text in enumerate(texts) if text is None]
    blank = np.empty((n, 0), np.float32)
    rows = Rows(blank, inputs=texts, labels=others.get(LABEL, ()), sessions=others.get(SESSION, ()))
    return Batch(rows, np.arange(n), (), n).without(faults)
