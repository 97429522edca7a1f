"""The alerts of a whole fleet over a month, in one pass on one core. `python -m benchmarks.fleet` prints a table.

10,000 objectives of 0.95 over 30 days of 5-minute slots, each slot bad by chance in 0.5 %; some have an incident on
top, of half an hour to two days. Memory is the peak of the process, with the outcomes themselves (a byte each) and all
of Python; there are no threads.
"""

import argparse
import resource
import time
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from drift.simulation import CODES, episodes
from drift.slo import Outcome, Sli, Slo

SLO = Slo("traffic", "", Sli("joint"), Fraction("0.95"), timedelta(minutes=5), alpha=Fraction("0.005"))
SHARES = (0.0, 0.05, 1.0)
"""Of objectives that have an incident within the month."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a month of a fleet took, on the clock and of the processor, and what fired in it."""

    share: float
    seconds: float
    cpu: float
    megabytes: float
    alerts: str


def month(objectives: int, share: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Outcomes of shape (objectives, 8640), of which `share` have an incident."""
    slots = SLO.period // SLO.interval
    found = np.full((objectives, slots), CODES[Outcome.GOOD], np.uint8)
    for row in found:
        row[rng.random(slots, dtype=np.float32) < float(SLO.alpha)] = CODES[Outcome.BAD]
        if rng.random() < share:
            start = rng.integers(slots)
            row[start : start + rng.integers(6, 576)] = CODES[Outcome.BAD]
    return found


def run(objectives: int) -> list[Cost]:
    """The cost of each share of incidents."""
    rng, costs = np.random.default_rng(0), []
    for share in SHARES:
        outcomes = month(objectives, share, rng)
        began, busy = time.perf_counter(), time.process_time()
        found = episodes(SLO, outcomes)
        seconds, cpu = time.perf_counter() - began, time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        alerts = ", ".join(f"{len(kind.fired)} {kind.kind}" for kind in found if len(kind.fired))
        costs.append(Cost(share, seconds, cpu, peak, alerts))
    return costs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objectives", type=int, default=10_000)
    objectives = parser.parse_args().objectives
    table = Table(title=f"{objectives:,} objectives, 30 days of 5-minute slots")
    for name in ("with an incident", "seconds", "CPU seconds", "peak MB", "alerts"):
        table.add_column(name, justify="left" if name == "alerts" else "right")
    for cost in run(objectives):
        table.add_row(
            f"{cost.share:.0%}",
            f"{cost.seconds:.2f}",
            f"{cost.cpu:.2f}",
            f"{cost.megabytes:.0f}",
            cost.alerts or "none",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
