"""What of the shape is far out: not what few rows decide, and not what a skewed law often has."""

from collections.abc import Callable

import numpy as np
import pytest
from samples import Vectors, normalise, s1
from scipy import stats

from detectors import Collapse, Verdict, collapse
from detectors.shapes import as_normal, few


def seen(window: Vectors, held: Vectors) -> Collapse:
    return collapse(window, held, null_windows=60)


def outlier_dimension(n: int, rng: np.random.Generator) -> Vectors:
    """One dimension is all of the cosines, and one row in 700 has it on the other side."""
    x = rng.standard_normal((n, 32))
    x[:, 5] = 100 * x[:, 5] + 300
    return x.astype(np.float32)


def long_rows(n: int, rng: np.random.Generator) -> Vectors:
    return (rng.standard_cauchy((n, 1)) * normalise(rng.standard_normal((n, 32)))).astype(np.float32)


def heavy_coordinates(n: int, rng: np.random.Generator) -> Vectors:
    return rng.standard_t(3, (n, 32)).astype(np.float32)


def few_directions(n: int, rng: np.random.Generator) -> Vectors:
    """Of length 1 and without a common part, so that the mean cosine is a square with four degrees of freedom."""
    return normalise(rng.standard_normal((n, 4))).astype(np.float32)


@pytest.mark.parametrize("rows", [outlier_dimension, long_rows, heavy_coordinates, few_directions])
def test_what_a_few_rows_or_a_skewed_law_put_far_out_is_no_alarm(rows: Callable[[int, np.random.Generator], Vectors]):
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        of = rows(2000, rng)
        found += [str(seen(rows(100, rng), of).verdict) for _ in range(60)]
    assert found.count("healthy") >= 239


def test_a_fault_of_most_rows_is_found_among_rows_with_a_heavy_tail():
    rng = np.random.default_rng(0)
    held, window = heavy_coordinates(4000, rng), heavy_coordinates(400, rng)
    assert seen(window, held).verdict is Verdict.HEALTHY
    assert seen(window * np.where(np.arange(32) < 3, 1, 0.05).astype(np.float32), held).verdict is Verdict.COLLAPSE
    assert seen(window * np.float32(1.5), held).verdict is Verdict.NORM_CHANGED


def test_a_skewed_law_has_its_far_end_further_out_and_no_other():
    assert as_normal(6.0, 0.0) == as_normal(6.0, -1.0) == 6
    law = stats.chi2(4)
    for chance in (0.01, 1e-4, 3e-7):
        z = (law.isf(chance) - 4) / 8**0.5
        assert as_normal(z, 2**0.5) == pytest.approx(stats.norm.isf(chance), rel=0.05)
        assert as_normal(-z, -(2**0.5)) == pytest.approx(-stats.norm.isf(chance), rel=0.05)


def test_few_rows_are_what_chance_may_put_on_one_side():
    n, m = 100, 1000
    assert (n / (n + m)) ** few(n, m) <= 1e-4 < (n / (n + m)) ** (few(n, m) - 1)
    assert few(16, 32) == 2


def test_a_window_of_two_vectors_has_no_dead_dimensions():
    held = s1(2000, np.random.default_rng(0))
    window = np.repeat(held[[7, 9]], 200, axis=0)
    assert seen(window, held).verdict in {Verdict.COLLAPSE, Verdict.DUPLICATES}
