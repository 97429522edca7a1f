"""Is each fault detected and named first? `python -m benchmarks.faults` prints a table.

Windows of CLINC150's queries, with the bundled encoder, are served with each fault of `benchmarks.faulty` in all, a
fifth and a twentieth of the rows (some faults leave some of these right), beside changes of the data, and healthy
windows. Each goes the whole way through the service, with its defaults, on a Postgres of its own: pushed, measured,
judged, and diagnosed as for an alert. Detected is what makes an objective bad in one of two windows; named right is a
correct name first, or "unknown" where nothing can be known.

Alibi Detect's MMD and Evidently's default test get the same windows: detected is what none but 1 % of the healthy
windows reach, a threshold that they do not come with. `--faults` (part of a name), `--shares`, `--healthy`,
`--no-peers` and `--json` say how much is run: all takes an hour or two. With `--keep FILE` a run that was stopped goes
on where it was; a file is of one state of the code.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from benchmarks.fault_results import Kept, Result, table, totals
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


class Judge:
    """The service and the other libraries, before which windows are brought."""

    def __init__(self, bench: Bench, served: Served, peers: Mapping[str, Peer], folder: Path) -> None:
        self.bench, self.served, self.peers, self.folder = bench, served, peers, folder

    def result(self, fault: str, seed: int, share: float, expected: str, windows: Sequence[Rows]) -> Result:
        """What is made of `windows` of one fault."""
        passed = [self.served.passed(rows) for rows in windows]
        start = time.perf_counter()
        found = self.served.diagnosed(passed[-1].span, self.bench.candidates(fault)).causes[0]
        seconds = time.perf_counter() - start
        bad = tuple(dict.fromkeys(name for one in passed for name in one.bad))
        said = {library: self._statistic(library, windows) for library in self.peers}
        return Result(fault, seed, share, expected, bad, found.cause, found.score, seconds, said)

    def _statistic(self, library: str, windows: Sequence[Rows]) -> float:
        file = self.folder / "windows.npy"
        np.save(file, np.stack([rows.vectors for rows in windows]))
        return max(self.peers[library].statistics(PEERS[library], file))

    def results(self, faults: Sequence[str], shares: Sequence[float], healthy: int, kept: Kept) -> Iterator[Result]:
        """What `kept` lacks: healthy windows one by one, then two of each fault and share."""
        lacking = [cell for cell in cells(faults, shares, healthy) if not kept.has(*cell)]
        for fault, seed in dict.fromkeys((fault, seed) for fault, seed, _ in lacking):
            both = [self.bench.windows(fault, shares, each) for each in ((seed,) if fault == HEALTHY else (0, 1))]
            for found in zip(*both, strict=True):
                share, expected, _ = found[0]
                if (fault, seed, share) in lacking:
                    yield self.result(fault, seed, share, expected, [rows for _, _, rows in found])


def cells(faults: Sequence[str], shares: Sequence[float], healthy: int) -> list[tuple[str, int, float]]:
    """What there is to run, as fault, seed and share: what does no harm is in all rows."""
    found = [(HEALTHY, seed, 0.0) for seed in range(healthy)]
    return found + [(fault, 0, share) for fault in faults for share in ([1.0] if fault in NO_FAULT else shares)]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--faults", default="", help="only those whose name has this in it")
    words.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.2, 0.05])
    words.add_argument("--healthy", type=int, default=200, help="healthy windows")
    words.add_argument("--rows", type=int, default=256, help="of a window")
    words.add_argument("--no-peers", action="store_true")
    words.add_argument("--json", action="store_true")
    words.add_argument("--keep", type=Path, help="a file of results, which grows as they come")
    given = words.parse_args()
    torch.set_num_threads(1)
    names = [name for name in (*FAULTS, *DATA_CHANGES, *NO_FAULT) if given.faults in name]
    kept = Kept.at(given.keep)
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
        lacking = [cell for cell in cells(names, given.shares, given.healthy) if not kept.has(*cell)]
        task = bar.add_task("diagnosing", total=len(lacking))
        try:
            for one in judge.results(names, given.shares, given.healthy, kept):
                kept.add(one)
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
        print(json.dumps([asdict(one) for one in kept.found], indent=2))
        return
    Console().print(table(kept.found, given.shares))
    for line in totals(kept.found, given.shares):
        print(line)


if __name__ == "__main__":
    main()
