"""Power beside other libraries at equal false alarms. `python -m benchmarks.power` prints a table for each world.

For S1 and for CLINC150 (`benchmarks.worlds`) every method sees the same windows of 500 rows and the same 5000 reference
rows; those too slow for that see 2000 of them. A method's threshold is the 95 % quantile of its own statistic over null
windows, so all have the same false alarms, however good the thresholds are that it ships with. A row gives the share of
windows that ours finds, and each other library by that of its methods which finds most.

What was measured is kept in `.drift/power` and not measured again: an interrupted run goes on where it stopped.
`--worlds S1`, `--peers` (with no name: ours alone), `--windows`, `--nulls` and `--json` say how much of it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.alternatives import Vectors
from benchmarks.peers import peer_python
from benchmarks.worlds import NOTHING, World, clinc150, generated
from detectors import Panel
from detectors.joint import PANEL

HOME: Final = Path(".drift/power")
ROWS, REFERENCE, LEVEL = 500, 5000, 0.05
OURS: Final = "ours"
METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    OURS: ("panel",),
    "alibi-detect": ("MMD", "LSDD", "classifier"),
    "evidently": ("model", "MMD", "distance", "ratio"),
    "nannyml": ("PCA",),
    "frouros": ("MMD", "energy"),
}
TWO_SIDED: Final = frozenset({("nannyml", "PCA")})
"""Those that drift may lower as well as raise; their distance from the null windows' median counts."""


class Tester(Protocol):
    """One library's methods."""

    def statistics(self, method: str, windows: Path) -> list[float]:
        """The statistic of each window of the file, larger where there is more drift."""
        ...

    def close(self) -> None: ...


class Ours:
    """The panel's joint p-value, as minus its logarithm."""

    def __init__(self, reference: Vectors, rows: int) -> None:
        self.panel = Panel.fitted(reference, rows, 0.01, 0, nulls=1000)

    def statistics(self, method: str, windows: Path) -> list[float]:
        return [-float(np.log(self.panel.tested(window).p_value)) for window in np.load(windows)]

    def close(self) -> None:
        pass


class Peer:
    """A library in a process of its own environment; see `benchmarks/peer_statistics.py`."""

    def __init__(self, library: str, python: Path, reference: Path) -> None:
        script = Path(__file__).with_name("peer_statistics.py")
        self.reference = reference
        self.process = subprocess.Popen(
            [python, script, library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def statistics(self, method: str, windows: Path) -> list[float]:
        """See `Tester`. Raises RuntimeError where the library fails; its script alone says why."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([method, str(self.reference), str(windows)]), file=self.process.stdin, flush=True)
        if not (answer := self.process.stdout.readline()):
            raise RuntimeError(f"{self.process.args} ended at {method}: run it alone to see why")
        return [float(value) for value in json.loads(answer)]

    def close(self) -> None:
        self.process.communicate()


@dataclass(frozen=True, slots=True)
class Kept:
    """Statistics by method and by what has gone wrong, in a file."""

    path: Path
    found: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path) -> "Kept":
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def values(self, key: str, wrong: str) -> list[float]:
        return self.found.get(key, {}).get(wrong, [])

    def add(self, key: str, wrong: str, values: Sequence[float]) -> None:
        self.found.setdefault(key, {}).setdefault(wrong, []).extend(values)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.found))
        part.replace(self.path)


def key(library: str, method: str) -> str:
    """The name of a method's values; of ours too, whose statistics change with `PANEL`."""
    return f"{library} {PANEL}" if library == OURS else f"{library} {method}"


def drawn(world: World, wrong: str, first: int, last: int, rows: int) -> Vectors:
    """Windows `first` to `last` of what has gone wrong: the same for every method, and in every run."""
    place = list(world.windows).index(wrong)
    draw = world.windows[wrong]
    return np.stack([draw(rows, np.random.default_rng([500, place, i])) for i in range(first, last)])


def testers(world: World, libraries: Sequence[str], folder: Path, rows: int) -> dict[str, Tester]:
    reference = folder / "reference.npy"
    np.save(reference, world.reference)
    return {
        library: Ours(world.reference, rows) if library == OURS else Peer(library, peer_python(library), reference)
        for library in libraries
    }


def study(world: World, libraries: Sequence[str], kept: Kept, windows: int, nulls: int, rows: int = ROWS) -> None:
    """Measure what `kept` lacks of `windows` windows of each way to go wrong, and of `nulls` in which nothing has."""
    wanted = [
        (wrong, library, method, len(kept.values(key(library, method), wrong)), nulls if wrong == NOTHING else windows)
        for wrong in world.windows
        for library in libraries
        for method in METHODS[library]
    ]
    jobs = [job for job in wanted if job[3] < job[4]]
    if not jobs:
        return
    with TemporaryDirectory(prefix="drift-bench-") as home, Progress(console=Console(stderr=True)) as progress:
        folder = Path(home)
        used = testers(world, [name for name in libraries if any(job[1] == name for job in jobs)], folder, rows)
        task = progress.add_task(world.name, total=sum(last - first for _, _, _, first, last in jobs))
        for wrong, library, method, first, last in jobs:
            file = folder / f"{list(world.windows).index(wrong)}-{first}-{last}.npy"
            if not file.exists():
                for old in folder.glob("*-*.npy"):
                    old.unlink()
                np.save(file, drawn(world, wrong, first, last, rows))
            kept.add(key(library, method), wrong, used[library].statistics(method, file))
            progress.advance(task, last - first)
        for tester in used.values():
            tester.close()


@dataclass(frozen=True, slots=True)
class Share:
    """The share of windows that a method finds."""

    library: str
    method: str
    share: float
    windows: int


@dataclass(frozen=True, slots=True)
class Row:
    """What each method finds of one way to go wrong; ours is the first of `shares`."""

    wrong: str
    shares: tuple[Share, ...]

    def best(self, library: str) -> Share | None:
        of = [share for share in self.shares if share.library == library]
        return max(of, key=lambda share: share.share) if of else None

    @property
    def first(self) -> bool:
        """Ours is first, or within two standard errors of the difference of who is."""
        ours, *others = self.shares
        return all(ours.share >= other.share - 2 * _error(ours, other) for other in others)


def _error(one: Share, two: Share) -> float:
    return float(np.sqrt(sum(of.share * (1 - of.share) / of.windows for of in (one, two))))


def rows_of(world: World, libraries: Sequence[str], kept: Kept) -> Iterator[Row]:
    """Rows of the table, from what is kept."""
    for wrong in world.windows:
        shares = []
        for library in libraries:
            for method in METHODS[library]:
                of, nulls = (np.array(kept.values(key(library, method), name)) for name in (wrong, NOTHING))
                if (library, method) in TWO_SIDED:
                    of, nulls = abs(of - np.median(nulls)), abs(nulls - np.median(nulls))
                if len(of) and len(nulls):
                    share = float((of > np.quantile(nulls, 1 - LEVEL)).mean())
                    shares.append(Share(library, method, share, len(of)))
        yield Row(wrong, tuple(shares))


def table(world: World, libraries: Sequence[str], rows: Sequence[Row]) -> Table:
    out = Table(title=f"{world.name}: share of windows of {ROWS} found at {LEVEL:.0%} false alarms")
    out.add_column("what goes wrong")
    for library in libraries:
        out.add_column(library, justify="right")
    out.add_column("ours is")
    for row in rows:
        cells = [row.best(library) for library in libraries]
        shown = [
            "" if c is None else f"{c.share:.2f}" if c.library == OURS else f"{c.method} {c.share:.2f}" for c in cells
        ]
        out.add_row(row.wrong, *shown, "" if row.wrong == NOTHING else "first or equal" if row.first else "behind")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", choices=("S1", "CLINC150"), default=("S1", "CLINC150"))
    parser.add_argument("--peers", nargs="*", choices=[*METHODS][1:], default=[*METHODS][1:])
    parser.add_argument("--windows", type=int, default=40)
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    libraries, report = [OURS, *asked.peers], {}
    for name in asked.worlds:
        world = generated(REFERENCE) if name == "S1" else clinc150(REFERENCE, HOME / "clinc150.npz")
        kept = Kept.at(HOME / f"{name}.json")
        study(world, libraries, kept, asked.windows, asked.nulls)
        rows = list(rows_of(world, libraries, kept))
        report[name] = {
            row.wrong: {"first": row.first} | {f"{of.library} {of.method}": of.share for of in row.shares}
            for row in rows
        }
        if not asked.json:
            Console(width=150).print(table(world, libraries, rows))
    if asked.json:
        json.dump(report, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
