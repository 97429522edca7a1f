import numpy as np
import pytest
from samples import least_by_chance, measured, most_by_chance, reference, s1, window
from scipy.special import logsumexp

from detectors import Mmd, MmdFuse
from detectors.mmd_fuse import fuse, kernels
from detectors.permuting import permuted
from drift.errors import UnmeasurableError


def test_its_kernels_are_gaussian_and_laplacian_at_each_bandwidth():
    x = s1(300, np.random.default_rng(0))
    blocks = [one.block for one in kernels(reference(x), 300, (0.25, 1.0))]
    a, b = blocks[0].rows[:5].double().numpy(), blocks[0].rows[5:9].double().numpy()
    distances = ((a[:, None] - b) ** 2).sum(2)
    pairs = ((x[:, None].astype(float) - x) ** 2).sum(2)[np.triu_indices(300, 1)]
    scale = np.median(pairs)
    wanted = [f(s) for s in (scale / 4, scale) for f in (lambda s: -distances / s, lambda s: -np.sqrt(distances / s))]
    for held, exponent in zip(blocks, wanted, strict=True):
        found = held.kernel(blocks[0].rows[:5], blocks[0].rows[5:9]).numpy() + held.kernel.level
        np.testing.assert_allclose(found, np.exp(exponent), rtol=2e-3)


def test_values_are_fused_by_a_soft_maximum():
    values = np.random.default_rng(1).standard_normal((3, 50))
    np.testing.assert_allclose(fuse(values), logsumexp(values, axis=0, b=1 / 3))


def test_the_reference_predicts_how_much_each_kernel_varies_when_nothing_has_changed():
    rng = np.random.default_rng(5)
    x = s1(1500, rng)
    held = reference(x)
    for one in kernels(held, 1500, (0.25, 1.0)):
        values = permuted(held, one.block, s1(128, rng), 300, rng)
        assert values.std() == pytest.approx(one.spread * (1 / 128 + 1 / 1500), rel=0.2)


def test_p_values_of_healthy_windows_are_uniform():
    rng, trials = np.random.default_rng(2), 250
    p = []
    for _ in range(trials):
        x = s1(150, rng)
        p.append(measured(MmdFuse(permutations=99, min_rows=30), window(x[:30]), reference(x[30:])).p_value)
    for alpha in (0.05, 0.1):
        assert least_by_chance(trials, alpha) <= np.sum(np.array(p) <= alpha) <= most_by_chance(trials, alpha)


def test_finds_what_only_a_narrow_kernel_sees():
    """Rows in tight groups of two: near neighbours are nearer, while means and spread stay as they are."""
    rng = np.random.default_rng(3)
    held = reference(rng.standard_normal((2000, 4)))
    half = rng.standard_normal((128, 4))
    x = np.concatenate([half, half + 0.02 * rng.standard_normal((128, 4))])
    fused = measured(MmdFuse(bandwidths=(1e-3, 0.1, 1.0)), window(x), held)
    assert fused.p_value <= 0.005
    assert measured(Mmd(bandwidths=(1.0,)), window(x), held).p_value > 0.005


def test_equal_reference_rows_and_parameters_without_meaning_are_refused():
    x = s1(64, np.random.default_rng(4))
    with pytest.raises(UnmeasurableError, match="mmd_fuse needs reference rows that differ"):
        measured(MmdFuse(reference_rows=2), window(x), reference(np.concatenate([x[:1], x[:1], x])))
    with pytest.raises(ValueError, match="bandwidths > 0"):
        MmdFuse(bandwidths=(0.0,))
