import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import least_by_chance, measured, most_by_chance, normalise, reference, s1, window

from detectors.variance_ratio import VarianceRatio, spread


def test_the_ratio_is_that_of_the_traces_of_the_covariances():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 5)), 2 * rng.standard_normal((80, 5)) + 3
    expected = np.trace(np.cov(y.T)) / np.trace(np.cov(x.T))
    assert measured(VarianceRatio(), window(y), reference(x)).value == pytest.approx(expected, rel=1e-5)


@settings(deadline=None)
@given(scale=st.floats(0.01, 100))
def test_longer_vectors_count_by_the_square(scale: float):
    x = np.random.default_rng(0).standard_normal((100, 4))
    assert measured(VarianceRatio(), window(scale * x), reference(x)).value == pytest.approx(scale**2, rel=1e-4)


def test_a_constant_window_has_none():
    x = s1(100, np.random.default_rng(0))
    assert measured(VarianceRatio(), window(x[[0] * 64]), reference(x)).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("tails", [0.0, 0.5])
def test_the_variance_of_a_total_variance_is_known(tails: float):
    # Against brute force. Without tails, at the corners of a cube, only the pairs of rows contribute.
    rng = np.random.default_rng(1)

    def rows(n: int) -> torch.Tensor:
        return torch.from_numpy(rng.choice([-1.0, 1.0], (n, 3)) * rng.gamma(2, size=(n, 1)) ** tails)

    told = spread(rows(200_000)).variance(8)
    seen = np.var([spread(rows(8)).total for _ in range(8000)])
    assert told == pytest.approx(seen, rel=0.1)


@pytest.mark.parametrize(("n", "m"), [(64, 64), (64, 512)])
def test_the_band_holds_fresh_windows_of_fresh_references(n: int, m: int):
    rng, trials, out = np.random.default_rng(2), 400, 0
    for _ in range(trials):
        x = rng.standard_normal((n + m, 8)) * np.arange(1, 9)
        got = measured(VarianceRatio(), window(x[:n]), reference(x[n:]))
        out += not got.band_low <= got.value <= got.band_high
    assert least_by_chance(trials, 0.01) <= out <= most_by_chance(trials, 0.015)


def test_shrinking_falls_below_the_band_and_missing_normalisation_goes_far_above():
    rng = np.random.default_rng(3)
    x, y = s1(2048, rng), s1(128, rng)
    shrunk = measured(VarianceRatio(), window(normalise(0.9 * y + 0.1 * x.mean(0))), reference(x))
    raw = measured(VarianceRatio(), window(y * rng.uniform(2.4, 7, (128, 1))), reference(x))
    assert shrunk.value < 0.98 < shrunk.band_low
    assert raw.value > 5 > raw.band_high
