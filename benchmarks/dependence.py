"""What rows that depend on one another do to false alarms, and what is done about it.

`python -m benchmarks.dependence [--windows 200]` prints the share of healthy windows with p <= .05: 1000 rows arrive,
256 are kept, against a reference of 5120; the generator is S1. "As sent" no session is known, and copies are told apart
by a jitter of 1e-6, so that none is left out.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.alternatives import BASIS, DIM, LIVE, MEAN, SPECTRUM, Vectors, normalise, s1
from collectors.sample import priorities
from detectors import DETECTORS
from detectors.copies import without_pairs
from drift.records import Reference, Rows, Span, Stream, Texts, Window, lowest

DETECTED = ("joint", "mean_shift", "novelty")
ARRIVING, KEPT, REFERENCE, LEVEL = 1000, 256, 5120, 0.05
START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = Span(START, START + timedelta(minutes=5))
STREAM = Stream("bench", "s1", "1", DIM)
INPUTS = 20_000
Traffic = Iterator[tuple[Vectors, Texts]]


def embedded(z: np.ndarray) -> Vectors:
    """S1's rows of normal variables."""
    live = z * np.sqrt(SPECTRUM) @ BASIS.T + MEAN.numpy()
    return normalise(np.pad(live, ((0, 0), (0, DIM - LIVE))))


def independent(rng: np.random.Generator) -> Traffic:
    while True:
        yield s1(ARRIVING, rng), ()


def copied(share: float, rng: np.random.Generator) -> Traffic:
    """`share` of the rows are copies of others."""
    while True:
        fresh = s1(round(ARRIVING * (1 - share)), rng)
        again = rng.choice(len(fresh), ARRIVING - len(fresh), replace=False)
        yield np.concatenate([fresh, fresh[again]]), ()


def in_sessions(rows: int, common: float, rng: np.random.Generator) -> Traffic:
    """Sessions of `rows` rows, which have the part `common` of their variance in common."""
    session = np.arange(ARRIVING) // rows
    while True:
        shared, own = rng.standard_normal((session[-1] + 1, LIVE)), rng.standard_normal((ARRIVING, LIVE))
        x = embedded(common**0.5 * shared[session] + (1 - common) ** 0.5 * own)
        yield x, tuple(f"s{number}" for number in session)


def popular(rng: np.random.Generator) -> Traffic:
    """Inputs by Zipf's law, the popular ones of another kind than the others. The first to come are the reference's."""
    table = s1(INPUTS, rng)
    table[:500, 5] += 0.3
    chances = 1 / np.arange(1, INPUTS + 1)
    chances /= chances.sum()
    yield table[rng.choice(INPUTS, REFERENCE, p=chances)], ()
    while True:
        yield table[rng.choice(INPUTS, ARRIVING, p=chances)], ()


def false_alarms(traffic: Traffic, held: Reference, windows: int, rng: np.random.Generator) -> dict[str, list[float]]:
    """By detector, the share of windows with p <= LEVEL as sent, and as measured."""
    counts = {name: [0.0, 0.0] for name in DETECTED}
    for i in range(windows):
        x, sessions = next(traffic)
        lots = [priorities((), "batch", np.arange(len(x)), salt=str(i), sessions=s) for s in ((), sessions)]
        sent, kept = (x[lowest(lot, KEPT)] for lot in lots)
        jittered = sent + np.float32(1e-6) * rng.standard_normal(sent.shape, np.float32)
        for name in DETECTED:
            for place, rows in enumerate((jittered, kept)):
                window = Window(STREAM, SPAN, Rows(rows), len(x))
                found = DETECTORS[name]().measure(window, held, rng=np.random.default_rng(i))
                counts[name][place] += float((found.p_value or 1) <= LEVEL) / windows
    return counts


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=200)
    windows = parser.parse_args().windows
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    plain = Reference(STREAM.key, Rows(s1(REFERENCE, rng)), START)
    zipf = popular(rng)
    asked_for = Reference(STREAM.key, without_pairs(Rows(next(zipf)[0])), START)
    cases = {
        "independent rows": (independent(rng), plain),
        "5 % of the rows are copies": (copied(0.05, rng), plain),
        "20 % are copies": (copied(0.2, rng), plain),
        "each row twice": (copied(0.5, rng), plain),
        "5 rows a session, a fifth in common": (in_sessions(5, 0.2, rng), plain),
        "5 rows a session, half in common": (in_sessions(5, 0.5, rng), plain),
        "popular inputs": (zipf, asked_for),
    }
    out = Table("healthy traffic", *(f"{name}, {how}" for name in DETECTED for how in ("as sent", "measured")))
    for name, (traffic, held) in cases.items():
        found = false_alarms(traffic, held, windows, rng)
        out.add_row(name, *(f"{share:.3f}" for shares in found.values() for share in shares))
    Console(width=130).print(out)


if __name__ == "__main__":
    main()
