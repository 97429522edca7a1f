"""Where power is compared: the generator S1, and CLINC150's real queries under the bundled encoder."""

import csv
import gzip
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.alternatives import (
    ALTERNATIVES,
    Change,
    Vectors,
    noisy,
    normalise,
    quantised,
    replaced,
    rotation,
    s1,
    shifted,
    zeroed,
)

NOTHING: Final = "nothing"
DATA: Final = Path(__file__).parents[2] / "shared/data/clinc150/clinc150.csv.gz"
GROWING: Final = "banking"
CHANGED: Final = 1500
"""Queries whose text is changed in each way; windows draw from them."""

Draw = Callable[[int, np.random.Generator], Vectors]
"""So many rows of a window."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A reference, and windows of its stream by what has gone wrong: `NOTHING` first, which is no drift."""

    name: str
    reference: Vectors
    windows: Mapping[str, Draw]


def generated(rows: int) -> World:
    """The generator S1 and its alternatives."""

    def windows(change: Change) -> Draw:
        return lambda n, rng: change(s1(n, rng), rng)

    return World("S1", s1(rows, np.random.default_rng(1)), {name: windows(c) for name, c in ALTERNATIVES.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """CLINC150's embeddings: those in scope in random order with their domain and intent, those out of scope, and
    some of those in scope with their text changed, by how."""

    known: Vectors
    domain: Sequence[str]
    intent: Sequence[str]
    foreign: Vectors
    changed: Mapping[str, Vectors]


def truncated(text: str, rng: np.random.Generator) -> str:
    """Its first three words."""
    return " ".join(text.split()[:3])


def questioned(text: str, rng: np.random.Generator) -> str:
    """With a question mark, which no query of the data has."""
    return f"{text}?"


def mistyped(text: str, rng: np.random.Generator) -> str:
    """With two neighbouring letters swapped."""
    at = int(rng.integers(max(1, len(text) - 1)))
    return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]


TEXT_CHANGES: Final[Mapping[str, Callable[[str, np.random.Generator], str]]] = {
    "cut to three words": truncated,
    "with a question mark": questioned,
    "with a typing error": mistyped,
}


def queries(data: Path, cache: Path) -> Queries:
    """The embeddings of `data`, from the file `cache` or, the first time, from the bundled encoder (minutes).

    Raises:
        FileNotFoundError: there is neither.
    """
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        whole = cache.with_suffix(".part.npz")
        np.savez(whole, **_encoded(data))
        whole.replace(cache)
    with np.load(cache) as held:
        changed = {name: held[name] for name in TEXT_CHANGES}
        return Queries(held["known"], held["domain"].tolist(), held["intent"].tolist(), held["foreign"], changed)


def _encoded(data: Path) -> dict[str, np.ndarray]:
    from drift.encoder.load import EncoderSpec, load

    with gzip.open(data, "rt") as file:
        found = list(csv.DictReader(file))
    rng = np.random.default_rng(150)
    inside = [row for row in found if row["domain"] != "oos"]
    inside = [inside[i] for i in rng.permutation(len(inside))]
    texts = {"known": [row["text"] for row in inside]}
    texts["foreign"] = [row["text"] for row in found if row["domain"] == "oos"]
    for name, change in TEXT_CHANGES.items():
        texts[name] = [change(text, rng) for text in texts["known"][-CHANGED:]]
    encoder = load(EncoderSpec())
    jobs = [(name, start) for name, of in texts.items() for start in range(0, len(of), 256)]
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in texts}
    for name, start in track(jobs, "encoding CLINC150", console=Console(stderr=True)):
        pieces[name].append(encoder.encode(texts[name][start : start + 256]))
    vectors = {name: np.concatenate(of) for name, of in pieces.items()}
    labels = {name: np.array([row[name] for row in inside]) for name in ("domain", "intent")}
    return vectors | labels


def clinc150(rows: int, cache: Path) -> World:
    """Queries in scope; windows are drawn from those that the reference does not have."""
    found = queries(Path(os.environ.get("DRIFT_CLINC150", DATA)), cache)
    healthy = found.known[rows:]
    domain, intent = np.array(found.domain[rows:]), np.array(found.intent[rows:])
    growing, favourite = healthy[domain == GROWING], healthy[intent == intent[domain == GROWING][0]]

    def taken(source: Vectors, n: int, rng: np.random.Generator) -> Vectors:
        return source[rng.choice(len(source), n, replace=False)]

    def changing(change: Change) -> Draw:
        return lambda n, rng: change(taken(healthy, n, rng), rng)

    def mixed(source: Vectors, share: float) -> Draw:
        return changing(lambda x, rng: replaced(x, share, lambda n: taken(source, n, rng)))

    return World(
        "CLINC150",
        found.known[:rows],
        {
            NOTHING: changing(lambda x, _: x),
            **{f"{share:.0%} out of scope": mixed(found.foreign, share) for share in (0.02, 0.05, 0.1)},
            **{f"{share:.0%} more of one domain": mixed(growing, share) for share in (0.05, 0.1, 0.2)},
            "5% more of one intent": mixed(favourite, 0.05),
            **{f"20% {name}": mixed(of, 0.2) for name, of in found.changed.items()},
            "mean shift .03": changing(lambda x, rng: shifted(x, 0.03, rng)),
            "noise, cosine .995": changing(lambda x, rng: noisy(x, 0.1 / x.shape[1] ** 0.5, rng)),
            "10% shrink to the mean": changing(lambda x, _: normalise(0.9 * x + 0.1 * x.mean(0))),
            "one coordinate zeroed": changing(lambda x, _: zeroed(x)),
            "1% of rows from another encoder": changing(
                lambda x, rng: replaced(x, 0.01, lambda n: (x[:n] @ rotation(x.shape[1], rng)).astype(np.float32))
            ),
            "stored in 4 bits": changing(lambda x, _: quantised(x, 4)),
            "each row twice": changing(lambda x, _: np.concatenate([x[: -(-len(x) // 2)], x[: len(x) // 2]])),
            "2% of rows constant": changing(lambda x, _: replaced(x, 0.02, lambda n: np.repeat(x[:1], n, axis=0))),
            "not normalised": changing(lambda x, rng: (x * rng.uniform(2.4, 7, (len(x), 1))).astype(np.float32)),
        },
    )
