"""The service on a Postgres of its own, with its defaults, to which a benchmark pushes one window after another."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from benchmarks.fault_windows import HOME, Bench
from collectors.rows import Batch
from drift.config import load
from drift.encoder.base import Encoder
from drift.pipeline import diagnose, intake, measure
from drift.records import Diagnosis, Rows, Span
from drift.store import reads
from drift.store.diagnoses import Request
from drift.wiring.build import build_monitor, register

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG: Final = """
streams:
  - id: clinc150
    model: all-MiniLM-L6-v2
    dim: 384
    encoder: {model: bundled, threads: 1}
    reference: {path: reference.parquet}
    merge: []
"""


@dataclass(frozen=True, slots=True)
class Passed:
    """A window that was measured, and the objectives to which it was bad."""

    span: Span
    bad: tuple[str, ...]


class Served:
    """One stream; its windows follow one another, and count for nothing but their own verdicts."""

    def __init__(self, engine: sa.Engine, bench: Bench, folder: Path) -> None:
        held = bench.reference
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(held.vectors.ravel()), held.vectors.shape[1])
        pq.write_table(pa.table({"vector": vectors, "input": pa.array(held.inputs)}), folder / "reference.parquet")
        path = folder / "drift.yaml"
        path.write_text(CONFIG, encoding="utf-8")
        config = load(path)
        self.engine = engine
        with engine.begin() as conn:
            self.monitor = build_monitor(config, config.streams[0], engine, HOME, conn, now=START)
            register(conn, self.monitor, open_from=START)
        self._next = Span(START, START + self.monitor.window)

    def passed(self, rows: Rows) -> Passed:
        """Push `rows`, measure their window, and say what was bad about it."""
        span, self._next = self._next, self._next.next()
        batch = Batch(rows, np.arange(len(rows)), (), len(rows))
        now = span.start + timedelta(minutes=1)
        intake.take_in(self.engine, self.monitor, batch, intake.Sieve(), batch_key=str(span), digest="", now=now)
        with self.engine.begin() as conn:
            measure.queue_closed(conn, self.monitor, now=span.end + self.monitor.lateness)
            measure.measure_spans(conn, self.monitor, [span])
            slots = reads.budgets(conn, self.monitor.stream.key, span.start, span.end)
        return Passed(span, tuple(slot.slo for slot in slots if slot.outcome == "bad"))

    def diagnosed(self, span: Span, candidates: Mapping[str, Encoder]) -> Diagnosis:
        """What the service says of the window when an alert asks."""
        monitor = replace(self.monitor, candidates=candidates)
        with self.engine.begin() as conn:
            return diagnose.make(conn, monitor, Request(monitor.stream.key, "traffic", span), lambda _: None)
