"""What it costs to run: rows taken in, windows measured, memory and disk. `python -m benchmarks.cost` prints a table.

Everything runs in this process, on an embedded Postgres with durable settings, with 384 dimensions, samples of 256 rows
and a reference of 5120, the defaults.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from collectors.rows import Batch
from detectors import DETECTORS
from detectors.kernels import on_grid
from drift.config.model import DETECTORS as NAMES
from drift.config.model import MERGE
from drift.config.slos import default_slos
from drift.pipeline import intake, measure
from drift.pipeline.monitor import Monitor, Outlet
from drift.records import Reference, Rows, Span, Stream, Window, merged_name
from drift.store import migrate, writes
from drift.store.connect import connect
from drift.store.embedded import EmbeddedPostgres
from drift.store.inbox import Inbox

DIM, SAMPLE, REFERENCE, BATCH = 384, 256, 5120, 1000
NUMBERS = ("measurement", "sketch", "slot")
START, LENGTH = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=5)
STREAM = Stream("bench", "encoder", "1", DIM)


def embeddings(n: int, seed: int) -> np.ndarray:
    """Unit vectors whose variance falls with the square root of the direction, as encoders' do."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, DIM)) / np.sqrt(np.arange(1, DIM + 1)) + 0.05
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def make_monitor(engine: sa.Engine) -> Monitor:
    merged = [merged_name("mean_shift", windows) for windows in MERGE]
    slos = tuple(slo.slo(STREAM.key, LENGTH) for slo in default_slos([*NAMES, *merged]))
    return Monitor(
        stream=STREAM,
        parts=(STREAM,),
        collector=Inbox(engine),
        detectors=tuple(DETECTORS[name]() for name in NAMES),
        references={STREAM.key: Reference(STREAM.key, Rows(embeddings(REFERENCE, 0)), START)},
        encoder=None,
        slos={STREAM.key: slos},
        outlet=Outlet((), (), ""),
        window=LENGTH,
        merge=MERGE,
        lateness=timedelta(seconds=30),
        sample=SAMPLE,
        reencode=64,
        team="",
        runbook_url="",
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory() -> float:
    """What this process holds now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def size(conn: sa.Connection, table: str) -> int:
    """Bytes of a table with its partitions and indexes."""
    whole, parts = "pg_total_relation_size(CAST(:name AS regclass))", "pg_partition_tree(CAST(:name AS regclass))"
    asked = sa.text(f"SELECT {whole} + coalesce((SELECT sum(pg_total_relation_size(relid)) FROM {parts}), 0)")
    return int(conn.execute(asked, {"name": f"drift.{table}"}).scalar_one())


def first_rows(window: Window, n: int) -> Window:
    return replace(window, rows=window.rows.take(np.arange(n)), received=n)


def run(engine: sa.Engine, windows: int = 40, batches: int = 5, references: int = 3) -> list[tuple[str, str]]:
    """Rows of the table: what, and how much.

    Memory is averaged over `references`, for what was freed before is used again first.
    """
    monitor = make_monitor(engine)
    with engine.begin() as conn:
        writes.register(conn, STREAM, team="", open_from=START)
    sieve, spans = intake.Sieve(), [Span(START + i * LENGTH, START + (i + 1) * LENGTH) for i in range(windows)]

    def push(window: int, number: int) -> None:
        rows = Rows(embeddings(BATCH, window * batches + number))
        batch = Batch(rows, np.arange(BATCH), (), BATCH)
        now = spans[window].start + timedelta(seconds=1)
        intake.take_in(engine, monitor, batch, sieve, batch_key=f"{window}-{number}", digest="", now=now)

    def settle(span: Span) -> None:
        with engine.begin() as conn:
            measure.measure_spans(conn, monitor, [span])

    made = seconds(lambda: embeddings(BATCH, 0))
    took = sum(seconds(lambda w=w, n=n: push(w, n)) - made for w in range(windows) for n in range(batches))
    first, *rest = [seconds(lambda s=s: settle(s)) for s in spans]
    each = float(np.median(rest))
    with engine.connect() as conn:
        vectors, small = size(conn, "window") / windows, sum(size(conn, name) for name in NUMBERS) / windows
    fresh = [
        replace(monitor, references={STREAM.key: Reference(STREAM.key, Rows(embeddings(REFERENCE, i)), START)})
        for i in range(1, 1 + references)
    ]
    window = Window(STREAM, spans[0], Rows(embeddings(SAMPLE, 7)), SAMPLE)
    without = memory()
    sizes = sorted({on_grid(n) for n in range(SAMPLE // 4, SAMPLE + 1)})
    fits = [sum(seconds(lambda n=n, m=m: measure.measure(first_rows(window, n), m)) for n in sizes) for m in fresh]
    held = (memory() - without) / references
    per_day = timedelta(days=1) // LENGTH
    return [
        ("rows taken in and durable, one sender", f"{windows * batches * BATCH / took:,.0f} rows/s"),
        (f"a window measured to its alerts, {len(NAMES)} detectors and objectives", f"{each * 1e3:,.0f} ms"),
        ("the first window of a reference (fits are kept with it)", f"{first:,.1f} s"),
        (
            f"one window of each of {len(sizes)} sizes, for traffic that varies; fitted once",
            f"{np.median(fits):,.1f} s",
        ),
        ("streams of 5-minute windows that one core keeps up with", f"{LENGTH.total_seconds() / each:,.0f}"),
        ("memory of the process without streams", f"{without - held:,.0f} MB"),
        ("and for each stream, or segment with a reference of its own", f"{held:,.0f} MB"),
        ("disk for a day of one stream's sampled vectors (kept 14 days)", f"{vectors * per_day / 1e6:,.0f} MB"),
        ("disk for a day of one stream's numbers (kept 400 days)", f"{small * per_day / 1e6:,.1f} MB"),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        engine = connect(server.url())
        try:
            migrate.upgrade(engine)
            found = run(engine)
        finally:
            engine.dispose()
            server.stop()
    table = Table(title=f"{DIM} dimensions, samples of {SAMPLE}, reference of {REFERENCE}")
    table.add_column("what")
    table.add_column("measured", justify="right")
    for row in found:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
