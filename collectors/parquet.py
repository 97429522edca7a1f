"""Files as a source: Parquet and Arrow IPC (Feather), one file or a directory of them."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import numpy as np

from collectors.columns import columns_of, read_batches
from collectors.files import open_files, reading, scan
from collectors.rows import TIME, VECTOR, Limits, screen
from collectors.sample import Sample, priorities
from collectors.selection import require, selected
from collectors.times import moment, read_time_array
from drift.errors import SourceError
from drift.records import NO_TIME, RowReason, Span, Stream, Window, tally

FILE_LIMITS = Limits(decoded=8 << 30)
"""Files are read in small pieces and written by people we know: only a broken one comes near this."""


@dataclass(frozen=True, slots=True)
class ParquetCollector:
    """The rows of a Parquet or Arrow IPC file, or of all such files below a directory.

    The columns are those of the row schema; `time` is needed, for it says which window a row belongs to. `segments`
    are columns to keep beside the schema's; a directory named `column=value` is one too. A stream of one segment takes
    the rows whose column reads as its value. A retried job sees the same rows as long as the files stay as they are,
    and a row keeps its chance when other files come or go.
    """

    name: ClassVar[str] = "parquet"

    path: Path
    segments: tuple[str, ...] = ()

    def collect(self, stream: Stream, span: Span, *, limit: int) -> Window:
        """A uniform sample of at most `limit` valid rows of `stream` in `span`, one of each session, in random order.

        Rows without a readable time belong to no window and are not counted.
        """
        salt = f"{stream.name} {span}"
        sample = Sample.none(stream.dim)
        received, rejected = 0, Counter[RowReason]()
        for file in open_files(self.path):
            require(file, VECTOR, "with the embeddings")
            for positions, sent in selected(file, columns_of(self.segments), stream, span):
                with reading(file.path):
                    batch = read_batches([sent], stream, self.segments, limits=FILE_LIMITS)
                good = screen(batch, stream, span)
                received += good.received
                rejected.update(tally(good.faults))
                drawn = priorities(
                    good.rows.ids, file.name, positions[good.index], salt=salt, sessions=good.rows.sessions
                )
                sample = sample.merged(good.rows, drawn, limit)
        return Window(stream, span, sample.rows, received, dict(rejected))

    def span(self) -> tuple[datetime, datetime]:
        """The times of the first and of the last row, both of which are there.

        Raises:
            SourceError: a file cannot be read or has no `time`, or no row has one.
        """
        first, last = [], []
        for file in open_files(self.path):
            require(file, TIME, "to tell which history is there")
            for _, batch in scan(file, [TIME], None):
                with reading(file.path):
                    batch.validate(full=True)
                    times, _ = read_time_array(batch.column(TIME))
                if len(known := times[times != NO_TIME]):
                    first.append(int(np.min(known)))
                    last.append(int(np.max(known)))
        if not first:
            raise SourceError(
                f"{self.path} has no row with a readable time: needed is one at least, in the column 'time'"
            )
        return moment(min(first)), moment(max(last))
