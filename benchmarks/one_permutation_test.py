"""One permutation test in a process of its own: `one_permutation_test.py WHO FILE PERMUTATIONS` prints its cost.

WHO is `alibi-detect`, `ours` (one bandwidth, as it has) or `ours, default` (two); FILE is an `.npy` of shape (2, n, d).
This file runs in the peer's environment too, so it imports nothing of ours until it is asked to.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ENOUGH, MOST = 3.0, 15
"""A test is repeated until that many seconds or repetitions are over; the median counts."""

Test = Callable[[np.ndarray, np.ndarray, int], float]


def ours(bandwidths: tuple[float, ...]) -> Test:
    from detectors import mmd_permutation_test

    return lambda x, y, permutations: mmd_permutation_test(x, y, permutations, bandwidths=bandwidths).p_value


def alibi_detect() -> Test:
    from alibi_detect.cd import MMDDrift

    def test(x: np.ndarray, y: np.ndarray, permutations: int) -> float:
        return float(MMDDrift(x, backend="pytorch", n_permutations=permutations).predict(y)["data"]["p_val"])

    return test


def peak() -> float:
    """The most memory that this process has held, in MB. Not ru_maxrss, which starts at that of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main(who: str, file: str, permutations: int) -> None:
    test = alibi_detect() if who == "alibi-detect" else ours((1.0,) if who == "ours" else (0.25, 1.0))
    x, y = np.load(file)
    test(x[:50], y[:50], 10)  # what is only loaded when first used belongs to the baseline
    before, seconds, p = peak(), [], 1.0
    while not seconds or (sum(seconds) < ENOUGH and len(seconds) < MOST):
        start = time.perf_counter()
        p = test(x, y, permutations)
        seconds.append(time.perf_counter() - start)
    sys.stdout.write(json.dumps({"seconds": float(np.median(seconds)), "megabytes": peak() - before, "p": p}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
