"""Operating characteristics of the shipped defaults: how often each default objective calls a window bad.

`python -m benchmarks.operating [--windows 60] [--references 2] [--json]` prints a table: one row for each way to go
bad (the first is nothing at all: false alarms), one column for each objective, over windows of 256 rows against
references of 5120, the defaults. The embeddings are the generator S1's.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.alternatives import ALTERNATIVES, DIM, s1
from detectors import DETECTORS
from detectors.base import Merging
from drift.config.slos import default_slos
from drift.records import Measurement, Reference, Rows, Sketch, Span, Stream, Window, merged_name, parse_name
from drift.slo import Outcome

NAMES = ("joint", "mmd", "mean_shift", "novelty", "effective_rank", "variance_ratio", "duplicates")
ROWS, REFERENCE, MERGED = 256, 5120, 12
LENGTH = timedelta(minutes=5)
START = datetime(2026, 1, 1, tzinfo=UTC)
STREAM = Stream("bench", "s1", "1", DIM)


def judged() -> dict[str, object]:
    """The default objective of each name of a measurement; `mmd`'s own, though it has none beside `joint`."""
    found = {slo.detector: slo for slo in default_slos([*NAMES, merged_name("mean_shift", MERGED)])}
    return found | {slo.detector: slo for slo in default_slos(["mmd"])}


def measurements(vectors: np.ndarray, reference: Reference, seed: int) -> Iterator[Measurement]:
    """What each detector makes of these rows as one window."""
    window = Window(STREAM, Span(START, START + LENGTH), Rows(vectors), len(vectors))
    for name in NAMES:
        yield DETECTORS[name]().measure(window, reference, rng=np.random.default_rng(seed))


def merged(change: object, reference: Reference, rng: np.random.Generator) -> Measurement:
    """What twelve windows that go bad in the same way show together."""
    detector = DETECTORS["mean_shift"]()
    assert isinstance(detector, Merging)
    same = int(rng.integers(2**32))  # the same direction in all of them
    total: Sketch | None = None
    for _ in range(MERGED):
        vectors = change(s1(ROWS, rng), np.random.default_rng(same))
        window = Window(STREAM, Span(START, START + LENGTH), Rows(vectors), ROWS)
        sketch = detector.sketch(window, reference)
        total = sketch if total is None else total.merged(sketch)
    assert total is not None
    return detector.measure_sketch(total, STREAM, Span(START, START + MERGED * LENGTH), reference)


def run(windows: int, references: int) -> dict[str, dict[str, float]]:
    """Share of windows that each objective calls bad, by alternative and by what is measured."""
    slos = judged()
    counts: dict[str, dict[str, int]] = {name: {} for name in ALTERNATIVES}
    for r in range(references):
        rng = np.random.default_rng(r)
        reference = Reference(STREAM.key, Rows(s1(REFERENCE, rng)), START)
        jobs = [(name, i) for name in ALTERNATIVES for i in range(windows)]
        for name, i in track(jobs, f"reference {r + 1} of {references}", console=Console(stderr=True)):
            change = ALTERNATIVES[name]
            found = list(measurements(change(s1(ROWS, rng), rng), reference, i))
            if i % 4 == 0:
                whole = merged(change, reference, rng)
                bad = slos[merged_name("mean_shift", MERGED)].sli.judge(_named(whole)) is Outcome.BAD
                _count(counts[name], merged_name("mean_shift", MERGED), 4 * bad)
            for m in found:
                if m.detector in slos:
                    _count(counts[name], m.detector, slos[m.detector].sli.judge(m) is Outcome.BAD)
    total = windows * references
    return {name: {what: count / total for what, count in of.items()} for name, of in counts.items()}


def _named(m: Measurement) -> Measurement:
    return replace(m, detector=merged_name(m.detector, MERGED))


def _count(counts: dict[str, int], what: str, bad: int) -> None:
    counts[what] = counts.get(what, 0) + int(bad)


def table(found: Mapping[str, Mapping[str, float]]) -> Table:
    out = Table(title=f"Share of windows of {ROWS} rows called bad, references of {REFERENCE}")
    columns = list(next(iter(found.values())))
    out.add_column("what goes wrong")
    for column in columns:
        out.add_column(parse_name(column)[0] + (" x12" if "_x" in column else ""), justify="right")
    for name, of in found.items():
        out.add_row(name, *(f"{of[column]:.2f}".lstrip("0") or "0" for column in columns))
    return out


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--references", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = run(asked.windows, asked.references)
    if asked.json:
        json.dump(found, sys.stdout, indent=2)
    else:
        Console(width=130).print(table(found))


if __name__ == "__main__":
    main()
