"""Is each fault detected and named first? `python -m benchmarks.faults` prints a table.

Windows of CLINC150's queries, with the bundled encoder, are served with each fault of `benchmarks.faulty` in all, a
fifth and a twentieth of the rows (some faults leave some of these right), beside changes of the data, and healthy
windows. Each goes the whole way through the service, with its defaults, on a Postgres of its own: pushed, measured,
judged, and diagnosed as for an alert. Detected is what makes an objective bad in one of two windows; named right is a
correct name first, or "unknown" where nothing can be known.

Alibi Detect's MMD and Evidently's default test get the same windows: detected is what none but 1 % of the healthy
windows reach, a threshold that they do not come with. `--faults` (part of a name), `--shares`, `--healthy`,
`--no-peers` and `--json` say how much is run: all takes an hour or two.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.fault_windows import DATA_CHANGES, HEALTHY, NO_FAULT, Bench
from benchmarks.faulty import FAULTS
from benchmarks.peers import peer_python
from benchmarks.power import Peer
from benchmarks.served import Served
from drift.records import Rows
from drift.store import migrate
from drift.store.connect import connect
from drift.store.embedded import EmbeddedPostgres

PEERS: Final = {"alibi-detect": "MMD", "evidently": "model"}
BEYOND: Final = 0.01
"""Share of healthy windows that a peer calls drift."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of two windows with one fault: objectives that were bad in either, the cause named for the second.

    `peers` are the larger of the two statistics of each other library.
    """

    fault: str
    share: float
    expected: str
    bad: tuple[str, ...]
    first: str
    score: float
    seconds: float
    peers: Mapping[str, float]


class Judge:
    """The service and the other libraries, before which windows are brought."""

    def __init__(self, bench: Bench, served: Served, peers: Mapping[str, Peer], folder: Path) -> None:
        self.bench, self.served, self.peers, self.folder = bench, served, peers, folder

    def result(self, fault: str, share: float, expected: str, windows: Sequence[Rows]) -> Result:
        """What is made of `windows` of one fault."""
        passed = [self.served.passed(rows) for rows in windows]
        start = time.perf_counter()
        found = self.served.diagnosed(passed[-1].span, self.bench.candidates(fault)).causes[0]
        seconds = time.perf_counter() - start
        bad = tuple(dict.fromkeys(name for one in passed for name in one.bad))
        said = {library: self._statistic(library, windows) for library in self.peers}
        return Result(fault, share, expected, bad, found.cause, found.score, seconds, said)

    def _statistic(self, library: str, windows: Sequence[Rows]) -> float:
        file = self.folder / "windows.npy"
        np.save(file, np.stack([rows.vectors for rows in windows]))
        return max(self.peers[library].statistics(PEERS[library], file))

    def results(self, faults: Sequence[str], shares: Sequence[float], healthy: int) -> Iterator[Result]:
        """Healthy windows one by one, then two of each fault and share."""
        for seed in range(healthy):
            for share, expected, rows in self.bench.windows(HEALTHY, shares, seed):
                yield self.result(HEALTHY, share, expected, [rows])
        for fault in faults:
            first, second = (self.bench.windows(fault, shares, seed) for seed in (0, 1))
            for (share, expected, one), (_, _, other) in zip(first, second, strict=True):
                yield self.result(fault, share, expected, [one, other])


def table(results: Sequence[Result], shares: Sequence[float]) -> Table:
    """One line for each fault: at each share how many objectives are bad, what was named, which peers see it."""
    found = Table("fault", "should be", *(f"{share:.0%}" for share in shares), title="CLINC150: bad objectives, cause")
    limits = thresholds(results)
    for fault in dict.fromkeys(one.fault for one in results if one.fault != HEALTHY):
        own = [one for one in results if one.fault == fault]
        cells = {one.share if one.share in shares else shares[0]: _cell(one, limits) for one in own}
        found.add_row(fault, own[0].expected, *(cells.get(share, "") for share in shares))
    return found


def _cell(one: Result, limits: Mapping[str, float]) -> str:
    named = f"{one.first} {one.score:.2f}" if one.first != one.expected else f"right {one.score:.2f}"
    seen = [library for library, limit in limits.items() if one.peers[library] > limit]
    return f"{len(one.bad)} bad, {named}" + (f"; {', '.join(seen)}" if seen else "")


def thresholds(results: Sequence[Result]) -> dict[str, float]:
    """What a peer's statistic exceeds in 1 % of healthy windows."""
    well = [one for one in results if one.fault == HEALTHY]
    names = well[0].peers if well else {}
    return {name: float(np.quantile([one.peers[name] for one in well], 1 - BEYOND)) for name in names}


def totals(results: Sequence[Result], shares: Sequence[float]) -> Iterator[str]:
    """Detected, and named first, at each share, beside the peers; and what healthy windows were called."""
    limits = thresholds(results)
    for share in shares:
        own = [one for one in results if one.share == share and one.expected != "none"]
        if own:
            said = f"detected {_share(own, _detected):.1%}, named first {_share(own, _named):.1%}"
            others = (
                f"{name} detects {np.mean([one.peers[name] > limit for one in own]):.1%}"
                for name, limit in limits.items()
            )
            yield "; ".join([f"{share:.0%} of rows, {len(own)} faults: {said}", *others])
    for what, faults in (("healthy", {HEALTHY}), ("harmless", set(NO_FAULT))):
        well = [one for one in results if one.fault in faults]
        if well:
            yield (
                f"{what}: {len(well)} windows, a cause named in {1 - _share(well, _named):.1%}, "
                f"some objective bad in {_share(well, _detected):.1%}"
            )


def _share(results: Sequence[Result], test: Callable[[Result], bool]) -> float:
    return float(np.mean([test(one) for one in results]))


def _detected(one: Result) -> bool:
    return bool(one.bad)


def _named(one: Result) -> bool:
    return one.first == one.expected


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--faults", default="", help="only those whose name has this in it")
    words.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.2, 0.05])
    words.add_argument("--healthy", type=int, default=200, help="healthy windows")
    words.add_argument("--rows", type=int, default=256, help="of a window")
    words.add_argument("--no-peers", action="store_true")
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    torch.set_num_threads(1)
    names = [name for name in (*FAULTS, *DATA_CHANGES, *NO_FAULT) if given.faults in name]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as name, Progress(console=Console(stderr=True)) as bar:
        folder = Path(name)
        folder.chmod(0o755)
        bench = Bench(given.rows)
        np.save(folder / "reference.npy", bench.reference.vectors)
        server = EmbeddedPostgres(folder / "postgres")
        server.start()
        engine = connect(server.url())
        migrate.upgrade(engine)
        libraries = {} if given.no_peers else PEERS
        peers = {each: Peer(each, peer_python(each), folder / "reference.npy") for each in libraries}
        judge = Judge(bench, Served(engine, bench, folder), peers, folder)
        cells = given.healthy + sum(len(given.shares) if each not in NO_FAULT else 1 for each in names)
        task = bar.add_task("diagnosing", total=cells)
        try:
            for one in judge.results(names, given.shares, given.healthy):
                results.append(one)
                bar.advance(task)
                said = (
                    f"{len(one.bad)} bad, {one.first} ({one.score:.2f}, {one.seconds:.1f} s), should be {one.expected}"
                )
                bar.console.print(f"{one.fault}, {one.share:.0%}: {said}", highlight=False)
        finally:
            for peer in peers.values():
                peer.close()
            engine.dispose()
            server.stop()
    if given.json:
        print(json.dumps([asdict(one) for one in results], indent=2))
        return
    Console().print(table(results, given.shares))
    for line in totals(results, given.shares):
        print(line)


if __name__ == "__main__":
    main()
