import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import measured, most_by_chance, normalise, reference, s1, window
from scipy.linalg import svdvals
from scipy.stats import entropy

from detectors.effective_rank import EffectiveRank, effective_rank
from drift.errors import UnmeasurableError


def some_rows(n: int = 50, d: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d)))


@settings(deadline=None)
@given(scale=st.floats(1e-3, 1e3))
def test_rank_ignores_scale(scale: float):
    assert effective_rank(scale * some_rows()) == pytest.approx(effective_rank(some_rows()), rel=1e-6)


@settings(deadline=None)
@given(offset=st.floats(-100, 100))
def test_rank_ignores_a_shift(offset: float):
    assert effective_rank(some_rows() + offset) == pytest.approx(effective_rank(some_rows()), rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_equal_variances_in_k_directions_are_rank_k(k: int):
    cross = torch.cat([torch.eye(k), -torch.eye(k)])
    wide = torch.nn.functional.pad(cross, (0, 40))
    assert effective_rank(cross) == pytest.approx(k)
    assert effective_rank(wide) == pytest.approx(k)


@pytest.mark.parametrize(("n", "d"), [(50, 6), (20, 80)])
def test_rank_is_the_entropy_of_the_spectrum(n: int, d: int):
    x = some_rows(n, d)
    variances = svdvals(x - x.mean(0)) ** 2
    assert effective_rank(x) == pytest.approx(np.exp(entropy(variances)))


@settings(deadline=None)
@given(row=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20), n=st.integers(1, 40))
def test_equal_rows_have_rank_zero(row: list[float], n: int):
    # In float64, where a mean of equal numbers need not be that number: so it is on some devices for float32 too.
    assert effective_rank(torch.tensor([row] * n, dtype=torch.float64)) == 0


@settings(deadline=None)
@given(seed=st.integers(0, 50), n=st.integers(2, 12), d=st.integers(1, 12))
def test_rank_is_at_least_one_and_at_most_what_the_rows_can_span(seed: int, n: int, d: int):
    assert 1 - 1e-9 <= effective_rank(some_rows(n, d, seed)) <= min(n - 1, d) + 1e-9


def test_healthy_windows_give_one_at_every_size():
    rng = np.random.default_rng(1)
    held = reference(s1(2048, rng))
    for n in (64, 256, 1000):
        m = measured(EffectiveRank(), window(s1(n, rng)), held)
        assert m.value == pytest.approx(1, abs=0.06)
        assert 0.9 < m.band_low < 1 < m.band_high < 1.1


def test_the_band_holds_fresh_windows_of_fresh_references():
    # Half of the reference in each draw, where draws vary three times less than fresh windows do.
    rng, trials, out = np.random.default_rng(2), 250, 0
    spread = np.arange(1, 25) ** -0.5
    for _ in range(trials):
        x = rng.standard_normal((192, 24)) * spread
        m = EffectiveRank(draws=12).measure(window(x[:64]), reference(x[64:]), rng=rng)
        out += not m.band_low <= m.value <= m.band_high
    assert out <= most_by_chance(trials, 0.01)


def test_a_window_is_cut_down_to_half_of_a_small_reference():
    rng = np.random.default_rng(3)
    m = measured(EffectiveRank(), window(s1(300, rng)), reference(s1(256, rng)))
    assert m.rows == 128
    assert m.value == pytest.approx(1, abs=0.1)


def test_collapse_to_a_few_directions_falls_below_the_band():
    rng = np.random.default_rng(4)
    x = s1(2048, rng)
    directions = torch.linalg.eigh(torch.from_numpy(x).T.cov())[1][:, -32:].T.numpy()
    y = s1(128, rng)
    m = measured(
        EffectiveRank(), window(normalise(x.mean(0) + (y - x.mean(0)) @ directions.T @ directions)), reference(x)
    )
    assert m.value < 0.5 < m.band_low


def test_a_reference_of_duplicates_is_refused():
    x = np.ones((1000, 4))
    x[0] = 2
    with pytest.raises(UnmeasurableError, match=r"de-duplicate the reference"):
        measured(EffectiveRank(), window(np.eye(64, 4) + 1), reference(x))


def test_one_draw_has_no_spread_and_is_refused():
    with pytest.raises(ValueError, match=r"draws >= 2, got 1"):
        EffectiveRank(draws=1)
