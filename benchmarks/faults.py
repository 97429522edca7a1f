"""Is each fault detected and named first? `python -m benchmarks.faults` prints a table.

Windows of CLINC150's queries, with the bundled encoder, are served with each fault of `benchmarks.faulty` in all, a
fifth and a twentieth of the rows (some faults leave some of these right), beside changes of the data, and healthy
windows. What is right is a correct name, or "unknown" where nothing can be known. `--faults` (part of a name),
`--shares`, `--windows`, `--healthy`, `--rows` and `--json` say how much is run.
"""

import argparse
import csv
import gzip
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.alternatives import Vectors
from benchmarks.faulty import FAULTS, ServingPath
from benchmarks.worlds import DATA
from drift.diagnosis import Diagnosis, diagnose
from drift.encoder.load import EncoderSpec, load
from drift.records import EPOCH, Reference, Rows, Span, Stream, Window

HOME: Final = Path(".drift/faults")
KNOWN: Final = "older model, known"
MIXED: Final = "mixed-versions"
HEALTHY: Final = "healthy"
REFERENCE: Final = 6000
GROWING: Final = "banking"
DATA_CHANGES: Final = {
    "out of scope": "new-topic",
    "more of one domain": "traffic-mix",
    "in markup": "language",
    "sent twice": "duplicates",
}
NO_FAULT: Final = {"bfloat16 vectors": "none", "bfloat16 model": "none", "in batches of 7": "none"}


@dataclass(frozen=True, slots=True)
class Result:
    """What was said of one window."""

    fault: str
    share: float
    expected: str
    first: str
    score: float
    seconds: float


class Bench:
    """CLINC150 under the right encoder, and windows of it under each fault."""

    def __init__(self, rows: int) -> None:
        with gzip.open(os.environ.get("DRIFT_CLINC150", DATA), "rt") as file:
            found = list(csv.DictReader(file))
        order = np.random.default_rng(150).permutation(len(found))
        inside = [found[i] for i in order if found[i]["domain"] != "oos"]
        self.rows = rows
        self.encoder = load(EncoderSpec(threads=1))
        self.texts = [row["text"] for row in inside[REFERENCE:]]
        self.growing = [row["text"] for row in inside[REFERENCE:] if row["domain"] == GROWING]
        self.foreign = [row["text"] for row in found if row["domain"] == "oos"]
        known = [row["text"] for row in inside[:REFERENCE]]
        HOME.mkdir(parents=True, exist_ok=True)
        vectors = self._kept(known)
        self.reference = Reference("clinc150", Rows(vectors, inputs=tuple(known)), EPOCH)
        self.path = ServingPath(self.encoder, vectors, HOME)

    def _kept(self, texts: Sequence[str]) -> Vectors:
        kept = HOME / f"reference-{len(texts)}-{self.encoder.fingerprint}.npy"
        if not kept.exists():
            np.save(kept, self.encoder.encode(texts))
        return np.load(kept)

    def window(self, texts: Sequence[str], vectors: Vectors) -> Window:
        """A window of these rows."""
        rows = Rows(np.ascontiguousarray(vectors, np.float32), inputs=tuple(texts))
        stream = Stream("clinc150", "", "", vectors.shape[1])
        return Window(stream, Span(EPOCH, EPOCH + timedelta(minutes=5)), rows, len(rows))

    def windows(self, fault: str, shares: Sequence[float], seed: int) -> Iterator[tuple[float, str, Window]]:
        """Windows with `fault` in each of `shares` of the rows, and what should be said of them."""
        rng = np.random.default_rng([seed, *fault.encode()])
        texts = [self.texts[i] for i in rng.choice(len(self.texts), self.rows, replace=False)]
        right = self.encoder.encode(texts)
        if fault == HEALTHY:
            yield 0.0, "none", self.window(texts, right)
        elif fault in NO_FAULT:
            yield 1.0, "none", self.window(texts, self._harmless(fault, texts, right))
        elif fault in DATA_CHANGES:
            for share in shares:
                changed = self._changed(fault, texts, round(share * len(texts)), rng)
                yield share, DATA_CHANGES[fault], self.window(changed, self.encoder.encode(changed))
        else:
            expected, serve = FAULTS[fault]
            served = serve(self.path, texts, right, rng)
            for share in shares:
                wrong = rng.permutation(len(texts)) < share * len(texts)
                name = MIXED if expected == "other-model-version" and share < 1 else expected
                yield share, name, self.window(texts, np.where(wrong[:, None], served, right))

    def _harmless(self, how: str, texts: list[str], right: Vectors) -> Vectors:
        if how == "bfloat16 vectors":
            return torch.from_numpy(right).bfloat16().float().numpy()
        if how == "bfloat16 model":
            return load(EncoderSpec(dtype="bfloat16", threads=1)).encode(texts)
        return np.concatenate([self.encoder.encode(texts[at : at + 7]) for at in range(0, len(texts), 7)])

    def _changed(self, how: str, texts: list[str], count: int, rng: np.random.Generator) -> list[str]:
        if how == "sent twice":
            count = min(count, len(texts) // 2)
            changed = texts[:count] + texts[: len(texts) - count]
        elif how == "in markup":
            changed = [f"<p>{text}</p>" for text in texts[:count]] + texts[count:]
        else:
            source = self.foreign if how == "out of scope" else self.growing
            changed = [source[i] for i in rng.choice(len(source), count, replace=count > len(source))] + texts[count:]
        return [changed[i] for i in rng.permutation(len(changed))]

    def diagnosed(self, fault: str, window: Window, seed: int) -> Diagnosis:
        """What is said of the window."""
        candidates = {"older": self.path.older} if fault == KNOWN else {}
        rng = np.random.default_rng(seed)
        return diagnose(window, self.reference, self.encoder, rng=rng, candidates=candidates)


def measured(bench: Bench, faults: Sequence[str], shares: Sequence[float], windows: int) -> Iterator[Result]:
    """One result for each window."""
    for fault in faults:
        for seed in range(windows):
            for share, expected, window in bench.windows(fault, shares, seed):
                start = time.perf_counter()
                first = bench.diagnosed(fault, window, seed).causes[0]
                seconds = time.perf_counter() - start
                yield Result(fault, share, expected, first.cause, first.score, seconds)


def table(results: Sequence[Result], shares: Sequence[float]) -> Table:
    """One line for each fault: detected and named at each share."""
    found = Table("fault", "should be", *(f"{share:.0%}" for share in shares), "seconds", title="CLINC150, named first")
    for fault in dict.fromkeys(one.fault for one in results):
        own = [one for one in results if one.fault == fault]
        cells = [_cell([one for one in own if one.share == share]) for share in shares]
        if own[0].share not in shares:
            cells[0] = _cell(own)
        found.add_row(fault, own[0].expected, *cells, f"{np.mean([one.seconds for one in own]):.1f}")
    return found


def _cell(own: Sequence[Result]) -> str:
    if not own:
        return ""
    right = sum(one.first == one.expected for one in own)
    wrong = ", ".join(dict.fromkeys(one.first for one in own if one.first != one.expected))
    return f"{right}/{len(own)}" + (f" {wrong}" if wrong else "") + f" ({np.mean([one.score for one in own]):.2f})"


def totals(results: Sequence[Result], shares: Sequence[float]) -> Iterator[str]:
    """Detected, and named first, at each share; and how often healthy windows were."""
    faults = [one for one in results if one.expected != "none"]
    for share in shares:
        own = [one for one in faults if one.share == share]
        if own:
            detected, named = (np.mean([ok(one) for one in own]) for ok in (_detected, _named))
            yield f"{share:.0%} of rows: {len(own)} windows, detected {detected:.1%}, named first {named:.1%}"
    well = [one for one in results if one.expected == "none"]
    if well:
        yield f"healthy: {len(well)} windows, a fault named in {np.mean([_detected(one) for one in well]):.1%}"


def _detected(one: Result) -> bool:
    return one.first != "none"


def _named(one: Result) -> bool:
    return one.first == one.expected


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--faults", default="", help="only those whose name has this in it")
    words.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.2, 0.05])
    words.add_argument("--windows", type=int, default=1, help="of each fault")
    words.add_argument("--healthy", type=int, default=20, help="healthy windows")
    words.add_argument("--rows", type=int, default=256, help="of a window")
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    torch.set_num_threads(1)
    bench = Bench(given.rows)
    names = [name for name in (*FAULTS, *DATA_CHANGES, *NO_FAULT) if given.faults in name]
    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        bar.add_task("diagnosing", total=None)
        for one in chain(
            measured(bench, [HEALTHY], given.shares, given.healthy),
            measured(bench, names, given.shares, given.windows),
        ):
            results.append(one)
            said = f"{one.first} ({one.score:.2f}, {one.seconds:.1f} s)"
            bar.console.print(f"{one.fault}, {one.share:.0%}: {said}, should be {one.expected}", highlight=False)
    if given.json:
        print(json.dumps([{name: getattr(one, name) for name in Result.__slots__} for one in results], indent=2))
        return
    Console().print(table(results, given.shares))
    for line in totals(results, given.shares):
        print(line)


if __name__ == "__main__":
    main()
