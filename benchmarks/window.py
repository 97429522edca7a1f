"""One window of 512 rows against a reference of 10,000, beside Evidently. `python -m benchmarks.window` prints a table.

Ours are the default detectors as the service calls them, after the first window: what is fitted on a reference is kept
with it. Evidently's is its default report on the drift of embeddings, on the same rows; it keeps nothing, and a report
includes a picture of the rows, so its test alone is a line of its own. Both use as many threads as they find.
`--peer-python` names the Python of an environment with Evidently; by default one is made in `.drift/peers`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.alternatives import DIM, Vectors, s1
from benchmarks.peers import peer_python
from detectors import DETECTORS, Panel
from drift.config.model import DETECTORS as NAMES
from drift.records import Measurement, Reference, Rows, Span, Stream, Window

ROWS, REFERENCE = 512, 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)
STREAM = Stream("bench", "s1", "1", DIM)
SPAN = Span(START, START + timedelta(minutes=5))
ALL, PANEL, REPORT, TEST = "all of them", "the panel, on all rows", "Evidently, default report", "Evidently, its test"


def timed(work: Callable[[int], object], runs: int) -> float:
    """Median seconds of `work`, told which run it is, after a first run that does not count."""
    work(0)
    seconds = []
    for run in range(1, runs + 1):
        start = time.perf_counter()
        work(run)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def ours(vectors: Vectors, windows: list[Vectors], runs: int) -> list[tuple[str, float, int | None]]:
    """What is run, the seconds that it takes, and how many of a window's rows it uses."""
    reference = Reference(STREAM.key, Rows(vectors), START)

    def measured(names: tuple[str, ...], run: int) -> list[Measurement]:
        # A window of its own each time, so that nothing is left from the last one.
        window = Window(STREAM, SPAN, Rows(windows[run % len(windows)]), len(windows[0]))
        return [DETECTORS[name]().measure(window, reference, rng=np.random.default_rng(run)) for name in names]

    found: list[tuple[str, float, int | None]] = []
    for name in NAMES:
        used = measured((name,), 0)[0].rows
        found.append((name, timed(lambda run, name=name: measured((name,), run), runs), used))
    found.append((ALL, timed(lambda run: measured(NAMES, run), runs), None))
    panel = Panel.fitted(vectors, len(windows[0]), 0.01, 0, nulls=100)
    rng = np.random.default_rng(0)
    found.append((PANEL, timed(lambda run: panel.tested(windows[run % len(windows)], rng=rng), runs), len(windows[0])))
    return found


def evidently(python: Path, vectors: Vectors, window: Vectors, runs: int) -> list[tuple[str, float, int | None]]:
    """The same for Evidently, in a process of its own."""
    with TemporaryDirectory(prefix="drift-bench-") as folder:
        file = Path(folder) / "rows.npz"
        np.savez(file, reference=vectors, window=window)
        command = [python, Path(__file__).with_name("one_report.py"), file, str(runs)]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(run.stdout)
    return [(what, float(np.median(found[key])), len(window)) for what, key in ((REPORT, "report"), (TEST, "test"))]


def table(found: list[tuple[str, float, int | None]], reference: int) -> Table:
    """The ratio is to what all of our detectors take together."""
    whole = next(seconds for what, seconds, _ in found if what == ALL)
    threads = torch.get_num_threads()
    out = Table(title=f"a window of {ROWS} rows, a cached reference of {reference:,}, {threads} threads")
    for name in ("what", "time", "rows used", "of ours"):
        out.add_column(name, justify="left" if name == "what" else "right", no_wrap=name == "what")
    for what, seconds, rows in found:
        ratio = f"{seconds / whole:,.0f} times" if what in (REPORT, TEST) else ""
        out.add_row(what, f"{seconds * 1e3:,.1f} ms", "" if rows is None else str(rows), ratio)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="the Python of an environment with evidently")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--peer-runs", type=int, default=3, help="0: ours alone")
    asked = parser.parse_args()
    rng = np.random.default_rng(512)
    vectors, windows = s1(REFERENCE, rng), [s1(ROWS, rng) for _ in range(8)]
    found = ours(vectors, windows, asked.runs)
    if asked.peer_runs:
        python = asked.peer_python or peer_python("evidently")
        found += evidently(python, vectors, windows[0], asked.peer_runs)
    Console(file=sys.stdout).print(table(found, REFERENCE))


if __name__ == "__main__":
    main()
