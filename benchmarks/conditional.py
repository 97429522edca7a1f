"""False alarms given the reference. `python -m benchmarks.conditional [--references 40] [--windows 300] [--json]`.

A test keeps its level on average over references; a service has one, and keeps it. For each of many references of the
generator S1, this is the share of healthy windows with a p-value of at most .05: of the panel's joint p-value and of
`mean_shift`, for references of so many rows for each row of a window. The table shows how that share varies over the
references, without the doubling of p-values that both detectors do where the reference is small, and with it as they
are shipped. Part of the variation is chance, since the windows are finitely many: `chance` is the 95 % quantile of a
test that has exactly .05 on each reference.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import binom

from benchmarks.alternatives import DIM, Vectors, s1
from detectors import Panel
from detectors.mean_shift import MeanShift
from detectors.nulls import AMPLE
from detectors.panel.space import observe
from detectors.panel.statistics import evaluate
from drift.records import Reference, Rows, Span, Stream, Window

LEVEL, ROWS, NULLS, AT_ONCE = 0.05, 128, 1000, 20
STREAM = Stream("bench", "s1", "1", DIM)
START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = Span(START, START + timedelta(minutes=5))

PValues = Callable[[Vectors, list[Vectors], int], list[float]]
"""P-values of windows against a reference, by the rows of a window; none is doubled."""


def panel(reference: Vectors, blocks: list[Vectors], rows: int) -> list[float]:
    """The panel's joint p-value: as `Panel.test` gives it, for all windows of a block at once."""
    fitted = Panel.fitted(reference, rows, 0.01, 0, nulls=NULLS)
    found = []
    for block in blocks:
        seen = observe(fitted.space, fitted.space.centred(torch.from_numpy(block)))
        values = evaluate(fitted.space, seen, torch.arange(len(block)).view(-1, rows)).numpy()
        found += fitted.calibration.joint_p(values).tolist()
    return found


def mean_shift(reference: Vectors, blocks: list[Vectors], rows: int) -> list[float]:
    """The p-value of `mean_shift`, halved where it has doubled it."""
    held, detector = Reference(STREAM.key, Rows(reference), START), MeanShift()
    guard = 1 if len(reference) >= AMPLE * rows else 2
    found = []
    for vectors in (block[i : i + rows] for block in blocks for i in range(0, len(block), rows)):
        window = Window(STREAM, SPAN, Rows(vectors), rows)
        p = detector.measure(window, held, rng=np.random.default_rng(0)).p_value
        assert p is not None
        found.append(p / guard)
    return found


TESTS: Final[Mapping[str, tuple[PValues, int, tuple[int, ...]]]] = {
    "panel": (panel, 2 * AMPLE, (4, 20, 40)),
    "mean_shift": (mean_shift, AMPLE, (1, 20)),
}
"""How to test, from how many reference rows for each of a window's on no p-value is doubled, and what is tried. The
panel draws its windows from one half of the reference: 4 is the least it takes, and 40 gives it 20 in that half."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Shares of healthy windows that were called bad, one for each reference: as it is and as shipped."""

    test: str
    ratio: int
    plain: tuple[float, ...]
    shipped: tuple[float, ...]


def run(references: int, windows: int, rows: int = ROWS) -> list[Levels]:
    """The levels of each test on `references` references, each from `windows` fresh windows of `rows` rows."""
    ratios = sorted({ratio for _, _, tried in TESTS.values() for ratio in tried})
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for r in track(range(references), "references", console=Console(stderr=True)):
        rng = np.random.default_rng([10, r])
        whole = s1(max(ratios) * rows, rng)
        blocks = [s1(min(AT_ONCE, windows - i) * rows, rng) for i in range(0, windows, AT_ONCE)]
        for name, (test, ample, tried) in TESTS.items():
            for ratio in tried:
                p = np.array(test(whole[: ratio * rows], blocks, rows))
                guard = 1 if ratio >= ample else 2
                shares = float((p <= LEVEL).mean()), float((guard * p <= LEVEL).mean())
                found.setdefault((name, ratio), []).append(shares)
    return [Levels(*key, *(tuple(side) for side in zip(*of, strict=True))) for key, of in found.items()]


def table(found: list[Levels], windows: int, rows: int = ROWS) -> Table:
    of = found[0].plain if found else ()
    out = Table(title=f"False alarms at {LEVEL}, windows of {rows} rows, over {len(of)} references")
    out.add_column("test")
    for name in ("reference rows a window row", "mean", "median", "95 %", "most", "as shipped: mean", "95 %", "chance"):
        out.add_column(name, justify="right")
    chance = binom.ppf(0.95, windows, LEVEL) / windows
    for level in found:
        plain, shipped = np.array(level.plain), np.array(level.shipped)
        shown = [plain.mean(), np.median(plain), np.quantile(plain, 0.95), plain.max()]
        shown += [shipped.mean(), np.quantile(shipped, 0.95), chance]
        out.add_row(level.test, str(level.ratio), *(f"{value:.3f}" for value in shown))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=40)
    parser.add_argument("--windows", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = run(asked.references, asked.windows)
    if asked.json:
        json.dump([asdict(level) for level in found], sys.stdout, indent=2)
    else:
        Console(width=130).print(table(found, asked.windows))


if __name__ == "__main__":
    main()
