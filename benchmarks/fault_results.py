"""What became of windows with each fault: kept as they come, and printed as a table beside other libraries."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from rich.table import Table

from benchmarks.fault_windows import HEALTHY, NO_FAULT

BEYOND: Final = 0.01
"""Share of healthy windows that a peer calls drift."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of two windows with one fault: objectives that were bad in either, the cause named for the second.

    `seed` tells healthy windows apart. `peers` are the larger of the two statistics of each other library.
    """

    fault: str
    seed: int
    share: float
    expected: str
    bad: tuple[str, ...]
    first: str
    score: float
    seconds: float
    peers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Kept:
    """Results in a file, a line of JSON each, so that a run that is stopped goes on where it was."""

    path: Path | None
    found: list[Result] = field(default_factory=list)

    @classmethod
    def at(cls, path: Path | None) -> "Kept":
        """What is in the file, without a line that a kill has left half written."""
        if path is None or not path.exists():
            return cls(path)
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return cls(path, [_read(line) for line in lines])

    def add(self, one: Result) -> None:
        self.found.append(one)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                print(json.dumps(asdict(one)), file=file, flush=True)

    def has(self, fault: str, seed: int, share: float) -> bool:
        return any((one.fault, one.seed, one.share) == (fault, seed, share) for one in self.found)


def _read(line: str) -> Result:
    said = json.loads(line)
    return Result(**{**said, "bad": tuple(said["bad"])})


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
    """What a peer's statistic exceeds in 1 % of healthy windows; of peers that were given every window."""
    well = [one for one in results if one.fault == HEALTHY]
    names = [name for name in well[0].peers if all(name in one.peers for one in results)] if well else []
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
