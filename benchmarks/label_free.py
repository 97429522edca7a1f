"""How far label-free estimates of accuracy are off. `python -m benchmarks.label_free [--clinc FILE]` prints a table.

Estimate less true accuracy (+ is too optimistic) of the frozen probe on windows of 500 rows, reference of 5120, means
over windows. Without a file: six topics of the generator S1. With CLINC150's `clinc150.csv.gz`: its ten domains and the
bundled encoder, which takes a minute, also with its first token's vector instead of the mean (CLS pooling).
"""

import argparse
import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.alternatives import Vectors, labelled_topics, noisy, rotation
from detectors import estimate_accuracy, probe
from drift.encoder.fingerprint import Pooling
from drift.encoder.load import EncoderSpec, load

Labels = npt.NDArray[np.str_]
REFERENCE, ROWS = 5120, 500
COLUMNS: Final = ("confidence", "difference", "above_confidence", "above_entropy", "transport")


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A labelled reference, and labelled windows by what has gone wrong with them."""

    reference: Vectors
    labels: Labels
    windows: Mapping[str, list[tuple[Vectors, Labels]]]


@dataclass(frozen=True, slots=True)
class Line:
    """What the estimates are off by, on average over the windows of one kind."""

    shift: str
    accuracy: float
    errors: tuple[float, ...]


def shifted(windows: list[tuple[Vectors, Labels]], rng: np.random.Generator) -> dict[str, list[tuple[Vectors, Labels]]]:
    """The windows as they are, under noise as long as .5, 1 and 2 times a row, and rotated."""
    dim = windows[0][0].shape[1]
    found = {"none": windows}
    for length in (0.5, 1.0, 2.0):
        found[f"noise {length:g}"] = [(noisy(x, length / dim**0.5, rng), of) for x, of in windows]
    turn = rotation(dim, rng)
    return found | {"rotation": [((x @ turn).astype(np.float32), of) for x, of in windows]}


def topics(windows: int) -> Task:
    rng = np.random.default_rng(0)
    x, labels = labelled_topics(REFERENCE, rng)
    healthy = [(y, np.array(of)) for y, of in (labelled_topics(ROWS, rng) for _ in range(windows))]
    return Task(x, np.array(labels), shifted(healthy, rng))


def clinc(file: Path, windows: int) -> Task:
    with gzip.open(file, "rt") as lines:
        rows = [(row["text"], row["domain"]) for row in csv.DictReader(lines) if row["domain"] != "oos"]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(rows))[: REFERENCE + windows * ROWS]
    texts, labels = [rows[i][0] for i in order], np.array([rows[i][1] for i in order])
    x, cls = load(EncoderSpec()).encode(texts), load(EncoderSpec(pooling=Pooling.CLS)).encode(texts[REFERENCE:])
    parts = [slice(i, i + ROWS) for i in range(0, windows * ROWS, ROWS)]
    served, of = x[REFERENCE:], labels[REFERENCE:]
    found = shifted([(served[part], of[part]) for part in parts], rng)
    return Task(x[:REFERENCE], labels[:REFERENCE], found | {"CLS pooling": [(cls[part], of[part]) for part in parts]})


def run(task: Task) -> list[Line]:
    lines = []
    for shift, windows in task.windows.items():
        accuracies, errors = [], []
        for x, labels in windows:
            accuracy = probe(x, labels, task.reference, task.labels).frozen.value
            # Said to be healthy, or there would be nothing to show.
            guess = estimate_accuracy(x, task.reference, task.labels, skew_healthy=True)
            accuracies.append(accuracy)
            errors.append([getattr(guess, column).value - accuracy for column in COLUMNS])
        lines.append(Line(shift, float(np.mean(accuracies)), tuple(np.mean(errors, axis=0).tolist())))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clinc", type=Path, help="clinc150.csv.gz")
    parser.add_argument("--windows", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = topics(args.windows) if args.clinc is None else clinc(args.clinc, args.windows)
    table = Table(title=f"label-free estimate less true accuracy, {args.windows} windows of {ROWS} rows")
    table.add_column("shift")
    for name in ("accuracy", "average confidence", "DoC", "ATC, confidence", "ATC, entropy", "COT"):
        table.add_column(name, justify="right")
    for line in run(task):
        table.add_row(line.shift, f"{line.accuracy:.3f}", *(f"{error:+.3f}" for error in line.errors))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
