import numpy as np
import pytest
from oracles import mmd2_by_definition
from samples import least_by_chance, measured, most_by_chance, normalise, reference, s1, shifted, window
from scipy.stats import energy_distance

from detectors.energy import Energy, block
from drift.errors import UnmeasurableError


def test_is_the_energy_distance_of_scipy_less_its_bias():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(200), rng.standard_normal(500) + 0.5
    held = reference(y[:, None])
    unit = block(held, 5120).kernel.mean
    value = measured(Energy(permutations=9), window(x[:192, None]), held).value * unit
    k = -np.abs(np.concatenate([x[:192], y])[:, None] - np.concatenate([x[:192], y])[None])
    assert value == pytest.approx(mmd2_by_definition(k, np.arange(692) < 192), abs=1e-5)
    # SciPy's is the root of the biased one, which counts each row's distance to itself.
    biased = value + (np.abs(x[:192, None] - x[:192]).sum() / 192**2) / 191
    biased += (np.abs(y[:, None] - y).sum() / 500**2) / 499
    assert biased == pytest.approx(energy_distance(x[:192], y) ** 2, abs=1e-4)


def test_p_values_of_healthy_windows_are_uniform():
    rng, trials = np.random.default_rng(1), 250
    p = []
    for _ in range(trials):
        x = s1(300, rng)
        p.append(measured(Energy(permutations=99, min_rows=30), window(x[:30]), reference(x[30:])).p_value)
    for alpha in (0.05, 0.1):
        assert least_by_chance(trials, alpha) <= np.sum(np.array(p) <= alpha) <= most_by_chance(trials, alpha)


def test_finds_a_shift_and_a_shrink():
    rng = np.random.default_rng(2)
    held = reference(s1(4096, rng))
    moved = [measured(Energy(), window(shifted(s1(256, rng), 0.06, rng)), held).p_value for _ in range(5)]
    centre = held.vectors.mean(0)
    shrunk = measured(Energy(), window(normalise(0.8 * s1(256, rng) + 0.2 * centre)), held)
    assert np.median(moved) <= 0.01
    assert shrunk.p_value == 1 / 1000
    assert shrunk.value > shrunk.band_high > 0 > shrunk.band_low


def test_what_it_cannot_use_is_refused():
    x = s1(64, np.random.default_rng(3))
    equal = np.repeat(x[:1], 1100, axis=0)
    with pytest.raises(UnmeasurableError, match="energy needs reference rows that differ, the first 1024 rows"):
        measured(Energy(), window(x), reference(np.concatenate([equal, x])))
    with pytest.raises(ValueError, match="permutations >= 1"):
        Energy(permutations=0)
