"""The permutation MMD test against alibi-detect's torch backend. `python -m benchmarks.permutation` prints a table.

Both test the same rows on the CPU with all of its cores, each in a fresh process: time and memory are those of the
test alone, after imports and a first small test; short tests are repeated, and the median counts. alibi-detect is no
dependency of ours: the first run makes an environment for it in `.drift/peers/alibi-detect` (pip, our version of
torch); `--peer-python` names another one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.cost import embeddings
from benchmarks.peers import peer_python

PEER, OURS, DEFAULT = "alibi-detect", "ours", "ours, default"
SIZES, PEER_MOST = (500, 1000, 10_000), 1000
"""Rows a side; beyond `PEER_MOST` the peer would take hours, and memory for several matrices of all pairs."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one test of `n` rows against `n` took, and the p-value it gave."""

    who: str
    n: int
    seconds: float
    megabytes: float
    p: float


def cost(who: str, command: list[str | Path], n: int, permutations: int) -> Cost:
    """One test in a fresh process started by `command`."""
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as folder:
        file = Path(folder) / "rows.npy"
        np.save(file, np.stack([embeddings(n, 1), embeddings(n, 2)]))
        run = subprocess.run(
            [*command, who, file, str(permutations)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    return Cost(who, n, **json.loads(run.stdout))


def run(sizes: tuple[int, ...], permutations: int, peer: Path | None) -> list[Cost]:
    """What each test took, ours alone where there is no peer or where it cannot."""
    mine: list[str | Path] = [sys.executable, "-m", "benchmarks.one_permutation_test"]
    theirs: list[str | Path] = [peer or "", Path(__file__).with_name("one_permutation_test.py")]
    found = []
    for n in sizes:
        found += [cost(who, mine, n, permutations) for who in (DEFAULT, OURS)]
        if peer and n <= PEER_MOST:
            found.append(cost(PEER, theirs, n, permutations))
    return found


def row(of: Cost, peers: dict[int, Cost]) -> tuple[str, ...]:
    """A line of the table; the ratios are to the peer at the same size."""
    against = peers.get(of.n)
    ratios = ("", "")
    if against and against is not of:
        ratios = (f"{against.seconds / of.seconds:,.0f} times", f"{of.megabytes / against.megabytes:.3f}")
    return f"{of.n:,}", of.who, f"{of.seconds:.3f} s", ratios[0], f"{of.megabytes:,.0f} MB", ratios[1], f"{of.p:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", type=Path, help="the Python of an environment with alibi-detect and torch")
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = run(tuple(args.sizes), args.permutations, args.peer_python or peer_python(PEER))
    if args.json:
        print(json.dumps([asdict(of) for of in found], indent=2))
        return
    table = Table(title=f"permutation MMD, n against n rows, {args.permutations} permutations, 384 dimensions")
    for name in ("n", "who", "time", "faster", "extra memory", "of the peer's", "p"):
        table.add_column(name, justify="left" if name == "who" else "right", no_wrap=name == "who")
    peers = {of.n: of for of in found if of.who == PEER}
    for of in found:
        table.add_row(*row(of, peers))
    Console().print(table)


if __name__ == "__main__":
    main()
