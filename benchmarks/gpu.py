"""The permutation MMD test on a GPU, beside what its tensor cores could do. `python -m benchmarks.gpu` prints a table.

50,000 against 50,000 rows of 384 dimensions that are already on the GPU, 500 permutations, one bandwidth. The whole
test is `mmd_permutation_test`, from the check of its arguments to the p-value.

The limit is what the tensor cores need for the two products, of rows with rows and of kernel values with permutations,
at the speed that a product of 8192 x 8192 float16 matrices reaches on the same GPU. Both products are symmetric, so
half of each is enough: N^2 (d + B + 1) operations for N pooled rows.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.alternatives import DIM, s1
from detectors import mmd_permutation_test
from detectors.permutation import pooled_kernel
from detectors.pooled import permuted_mmd2, random_splits
from detectors.strips import Plain, Strips, strips_of

RUNS = 10
ONE_GPU = "needs a CUDA device: on a CPU, see benchmarks.permutation"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way took: milliseconds, and gigabytes of the GPU's memory on top of the rows."""

    what: str
    milliseconds: float
    gigabytes: float


def cost(what: str, work: Callable[[], object], runs: int = RUNS) -> Cost:
    """The median of `runs` runs, after two that do not count."""
    for _ in range(2):
        work()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before, times = torch.cuda.memory_allocated(), []
    for _ in range(runs):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return Cost(what, float(np.median(times)), (torch.cuda.max_memory_allocated() - before) / 1e9)


def teraflops() -> float:
    """Operations per picosecond of a large product in float16."""
    a, b = torch.randn(2, 8192, 8192, device="cuda", dtype=torch.float16)
    return 2 * 8192**3 / 1e9 / cost("", lambda: a @ b, 30).milliseconds


def all_strips(kernel: Strips, rows: int, tall: int = 8192) -> None:
    for first in range(0, rows, tall):
        kernel.strip(first, min(first + tall, rows))


def run(n: int, permutations: int) -> tuple[list[Cost], float, float]:
    """What each way took, the limit in milliseconds, and the GPU's teraflops."""
    x, y = (torch.from_numpy(s1(n, np.random.default_rng(seed))).cuda() for seed in (1, 2))
    pooled, rng = torch.cat([x, y]), np.random.default_rng(0)
    pooled -= pooled.mean(0)
    kernel = pooled_kernel(pooled, (1.0,), rng)
    splits = random_splits(rng, permutations, n, n, pooled.device)
    fused, plain = strips_of(pooled, kernel), Plain(pooled, kernel, torch.float16)
    speed = teraflops()
    found = [
        cost("ours, the whole test", lambda: mmd_permutation_test(x, y, permutations, bandwidths=(1.0,))),
        cost("ours, two bandwidths", lambda: mmd_permutation_test(x, y, permutations)),
        cost("of which: permutations drawn", lambda: random_splits(rng, permutations, n, n, pooled.device)),
        cost("of which: kernel matrix in strips", lambda: all_strips(fused, len(pooled))),
        cost("of which: strips and their products", lambda: permuted_mmd2(fused, splits)),
        cost("the same without the fused kernel", lambda: permuted_mmd2(plain, splits), 3),
    ]
    return found, (2 * n) ** 2 * (DIM + permutations + 1) / speed / 1e9, speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="on each side")
    parser.add_argument("--permutations", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit(ONE_GPU)
    found, limit, speed = run(asked.rows, asked.permutations)
    if asked.json:
        print(json.dumps({"limit_ms": limit, "teraflops": speed, "costs": [asdict(of) for of in found]}, indent=2))
        return
    name = torch.cuda.get_device_name()
    out = Table(title=f"{asked.rows:,} against {asked.rows:,} rows, {asked.permutations} permutations, {name}")
    for column in ("what", "time", "of the limit", "memory"):
        out.add_column(column, justify="left" if column == "what" else "right", no_wrap=True)
    for of in found:
        out.add_row(of.what, f"{of.milliseconds:,.1f} ms", f"{limit / of.milliseconds:.3f}", f"{of.gigabytes:.1f} GB")
    out.add_row("limit of the two products", f"{limit:,.1f} ms", "1", "", end_section=True)
    out.caption = f"a large product reaches {speed:,.0f} TFLOP/s; the limit is N^2 (d + B + 1) operations at that speed"
    Console().print(out)


if __name__ == "__main__":
    main()
