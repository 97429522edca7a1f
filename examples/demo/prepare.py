"""Write what the example starts from: inputs for the reference, and three weeks of served traffic.

`python -m examples.demo.prepare reference|history FOLDER` writes that file there, unless it is there.
"""

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drift.encoder.load import EncoderSpec, locate
from drift.records import EPOCH

from .corpus import Document
from .faults import OLDER, Fault, Serving, mix, older_checkpoint
from .source import Corpus, Draw, corpus

WINDOW: Final = timedelta(hours=4)
WEEKS: Final = 3
ROWS: Final = 120  # of which the segment has enough
POOL: Final = 160  # documents of each package that the history draws from, for each must be encoded once
# Before now: a deployment that cut inputs short for sixteen hours, and a collector that was down for as long.
TRUNCATED: Final = (timedelta(days=9, hours=16), timedelta(days=9))
DOWN: Final = (timedelta(days=4, hours=16), timedelta(days=4))


def main(what: str, folder: Path) -> None:
    """Write one of the two files, and with the reference the model that the service is to know of."""
    if what == "reference":
        older_checkpoint(locate(EncoderSpec()), folder / OLDER)
    path = folder / f"{what}.parquet"
    if path.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    found = corpus(folder)
    if what == "reference":
        texts, labels = [d.text for d in found.reference], [d.package for d in found.reference]
        _write(pa.table({"input": texts, "label": labels}), path)
    else:
        _write(history(found, folder, now=datetime.now(UTC)), path)


def history(found: Corpus, folder: Path, *, now: datetime) -> pa.Table:
    """Three weeks of traffic up to the last full window before `now`."""
    serving = Serving(EncoderSpec(threads=1), [d.text for d in found.reference], folder)
    rng = np.random.default_rng(0)
    draw = Draw(_pool(found), rng)
    end = EPOCH + (now - EPOCH) // WINDOW * WINDOW
    count = timedelta(weeks=WEEKS) // WINDOW
    parts = []
    for i in range(count):
        start = end - (count - i) * WINDOW
        before = end - start
        if DOWN[1] < before <= DOWN[0]:
            continue
        fault = Fault.TRUNCATION if TRUNCATED[1] < before <= TRUNCATED[0] else Fault.NONE
        parts.append(_window(draw, serving, fault, start, rng))
    serving.close()
    return pa.concat_tables(parts)


def _pool(found: Corpus) -> tuple[Document, ...]:
    taken: Counter[str] = Counter()
    pool = []
    for document in found.traffic:
        taken[document.package] += 1
        if taken[document.package] <= POOL:
            pool.append(document)
    return tuple(pool)


def _window(draw: Draw, serving: Serving, fault: Fault, start: datetime, rng: np.random.Generator) -> pa.Table:
    drawn = draw.take(ROWS, mix(fault))
    vectors = serving.serve([d.text for d in drawn], fault)
    flat = pa.array(vectors.ravel().astype(np.float16))
    return pa.table(
        {
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            "time": [start + rng.uniform() * WINDOW for _ in drawn],
            **draw.columns(drawn),
        }
    )


def _write(table: pa.Table, path: Path) -> None:
    """All of it or nothing."""
    half = path.with_suffix(".half")
    pq.write_table(table, half, row_group_size=8 * ROWS)  # a window reads few rows beside its own
    half.rename(path)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
