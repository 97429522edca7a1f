import numpy as np
import pytest
from samples import measured, most_by_chance, reference, s1, shifted, window
from scipy.stats import ks_2samp

from benchmarks.alternatives import noisy, normalise, zeroed
from detectors.ks import Ks, columns, two_sample_p


def by_hand(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values, by their definition."""
    k = len(p)
    ascending = np.sort(p)
    return np.array([min(ascending[i] * k / (i + 1) for i in range(k) if ascending[i] >= own) for own in p])


@pytest.mark.parametrize("decimals", [7, 1])
def test_distances_are_scipys_also_where_values_are_tied(decimals: int):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 4)).round(decimals), (rng.standard_normal((70, 4)) * 1.3).round(decimals)
    x[0], y[0] = 9, 9
    found = columns(reference(x)).distances(y.astype(np.float32))
    expected = [ks_2samp(a, b).statistic for a, b in zip(y.T.astype(np.float32), x.T.astype(np.float32), strict=True)]
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(100, 2000), (100, 2011), (128, 2048), (256, 5120)])
def test_chances_are_the_exact_ones_far_into_the_tail(n: int, m: int):
    for shift in np.linspace(0.1, 0.7, 7):
        x = (np.arange(m) + 0.5) / m
        y = np.quantile(x, np.minimum(1, (np.arange(n) + 0.5) / n * (1 + shift / 2)))
        exact = ks_2samp(y, x, method="exact")
        found = float(two_sample_p(np.array([exact.statistic]), n, m)[0])
        if exact.pvalue > 1e-7:
            assert 0.95 <= found / exact.pvalue <= 1.06


def test_value_and_p_value_are_those_of_separate_tests_put_together_by_benjamini_and_hochberg():
    rng = np.random.default_rng(1)
    x, y = s1(2560, rng), shifted(s1(128, rng), 0.12, rng)
    adjusted = by_hand(
        np.array([ks_2samp(b, a, method="exact").pvalue for a, b in zip(x.T[:40], y.T[:40], strict=True)])
    )
    m = measured(Ks(fdr=0.2), window(y[:, :40]), reference(x[:, :40]))
    assert m.p_value == pytest.approx(adjusted.min(), rel=0.05)
    assert m.value == np.mean(adjusted <= 0.2) > 0


def test_level_is_kept_over_references_of_correlated_dimensions():
    rng = np.random.default_rng(2)
    p = []
    for _ in range(6):
        against = reference(s1(1280, rng))
        p += [measured(Ks(), window(s1(64, rng)), against).p_value for _ in range(50)]
    for alpha in (0.1, 0.05, 0.01):
        assert np.sum(np.array(p) <= alpha) <= most_by_chance(300, alpha)
    assert np.mean(np.array(p) <= 0.2) >= 0.1  # and not by being blind


def test_false_discoveries_keep_to_their_rate():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2560, 60)).astype(np.float32)
    against, shares = reference(x), []
    for _ in range(40):
        y = rng.standard_normal((128, 60)).astype(np.float32)
        y[:, :15] += 0.5
        held = columns(against)
        p = two_sample_p(held.distances(y), 128, 2560)
        rejected = by_hand(p) <= 0.1
        assert measured(Ks(fdr=0.1), window(y), against).value == pytest.approx(rejected.mean())
        shares.append(rejected[15:].sum() / max(1, rejected.sum()))
    assert 0.04 <= np.mean(shares) <= 0.11  # 0.1 * 45/60 is expected


def test_one_zeroed_dimension_and_added_noise_are_found():
    rng = np.random.default_rng(4)
    against = reference(s1(2560, rng))
    assert measured(Ks(), window(zeroed(s1(128, rng))), against).value == pytest.approx(1 / 381, rel=1.1)
    assert measured(Ks(), window(zeroed(s1(128, rng))), against).p_value < 1e-6
    assert measured(Ks(), window(noisy(s1(256, rng), 1.0, rng)), against).value > 0.5


def test_dead_dimensions_do_not_count():
    rng = np.random.default_rng(5)
    x, y = s1(1280, rng), s1(64, rng)
    x[:, 381:] = 1e-9 * rng.standard_normal((1280, 3))  # as another machine would round them
    against = reference(x)
    assert columns(against).live.tolist() == list(range(381))
    y[:, 381:] = 1e-8
    assert measured(Ks(), window(y), against).value == 0
    mostly_dead = np.zeros((1280, 5), np.float32)
    mostly_dead[:, 0] = rng.standard_normal(1280)
    mostly_dead[:, 1] = 1
    assert columns(reference(mostly_dead)).live.tolist() == [0]


def test_a_reference_of_few_rows_has_its_p_value_doubled():
    rng = np.random.default_rng(6)
    x, y = s1(1280, rng), shifted(s1(64, rng), 0.1, rng)
    few, many = reference(x[:1279]), reference(x)
    expected = two_sample_p(columns(few).distances(y), 64, 1279)
    assert measured(Ks(), window(y), few).p_value == pytest.approx(min(1, 2 * by_hand(expected).min()))
    expected = two_sample_p(columns(many).distances(y), 64, 1280)
    assert measured(Ks(), window(y), many).p_value == pytest.approx(by_hand(expected).min())


def test_a_p_value_too_small_for_a_float_is_not_zero():
    rng = np.random.default_rng(7)
    m = measured(Ks(), window(normalise(rng.uniform(1, 2, (2000, 384)))), reference(s1(40_000, rng)))
    assert 0 < m.p_value < 1e-300
    assert m.value > 0.95


@pytest.mark.parametrize("fdr", [0.0, 1.0])
def test_parameters_out_of_range_are_refused(fdr: float):
    with pytest.raises(ValueError, match="ks needs 0 < fdr < 1"):
        Ks(fdr=fdr)
