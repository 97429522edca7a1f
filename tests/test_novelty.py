import numpy as np
import pytest
from samples import least_by_chance, measured, most_by_chance, normalise, reference, s1, window
from scipy.spatial.distance import cdist
from scipy.stats import betabinom

from detectors.novelty import Novelty, known_rows
from drift.errors import UnmeasurableError


def test_the_threshold_is_the_conformal_quantile_of_neighbour_distances():
    x = np.random.default_rng(0).standard_normal((400, 6))
    scores = np.sort(np.sort(cdist(x[200:], x[:200]), axis=1)[:, 4])
    known = known_rows(reference(x), 5, 0.05)
    # 201 places for a new score among 200 old ones; 10 of them, at most 5 %, lie beyond the 191st.
    assert (known.above, known.below) == (10, 191)
    assert known.threshold**0.5 == pytest.approx(scores[190], rel=1e-5)


def test_the_value_is_the_share_beyond_it_with_the_chance_of_so_many():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((400, 6)), 1.2 * rng.standard_normal((100, 6))
    scores = np.sort(np.sort(cdist(x[200:], x[:200]), axis=1)[:, 4])
    beyond = int((np.sort(cdist(y, x[:200]), axis=1)[:, 4] > scores[190]).sum())
    m = measured(Novelty(quantile=0.05), window(y), reference(x))
    assert beyond > 0
    assert m.value == beyond / 100
    assert m.p_value == pytest.approx(betabinom.sf(beyond - 1, 100, 10, 191))
    assert (m.band_low * 100, m.band_high * 100) == tuple(betabinom.ppf([0.005, 0.995], 100, 10, 191))


def test_p_values_have_exactly_their_level_over_references():
    # A calibration half no larger than the window, where a plain binomial test would reject far too often.
    rng, trials, n = np.random.default_rng(2), 400, 100
    novelty = Novelty(quantile=0.1, neighbours=2)
    rejected, shares = 0, []
    for _ in range(trials):
        x = rng.standard_normal((300, 3))
        m = measured(novelty, window(x[:n]), reference(x[n:]))
        rejected += m.p_value <= 0.05
        shares.append(m.value)
    tails = betabinom.sf(np.arange(-1, n), n, 10, 91)
    level = tails[tails <= 0.05].max()
    assert least_by_chance(trials, level) <= rejected <= most_by_chance(trials, level)
    assert np.mean(shares) == pytest.approx(10 / 101, abs=4 * np.std(shares) / trials**0.5)


def test_finds_one_row_in_twenty_of_a_new_kind():
    rng = np.random.default_rng(3)
    held = reference(s1(2048, rng))
    found = 0
    for _ in range(40):
        x = s1(128, rng)
        x[:6] = normalise(rng.standard_normal((6, 384)))
        found += measured(Novelty(), window(x), held).p_value <= 0.05
    assert found >= 36


def test_a_window_of_nothing_known_has_a_p_value_above_zero():
    rng = np.random.default_rng(4)
    m = measured(Novelty(), window(-5 * s1(3000, rng)), reference(s1(2000, rng)))
    assert m.value == 1
    assert 0 < m.p_value < 1e-100


def test_a_window_of_known_rows_has_none():
    x = s1(1000, np.random.default_rng(5))
    m = measured(Novelty(neighbours=1), window(x[:100]), reference(x))
    assert (m.value, m.p_value, m.low) == (0, 1, 0)


def test_a_reference_too_small_for_the_quantile_is_refused():
    x = np.random.default_rng(6).standard_normal((197, 3))
    assert measured(Novelty(), window(x), reference(x)).value < 0.1
    with pytest.raises(
        UnmeasurableError, match=r"reference of 197 rows for 5 neighbours and quantile 0.01, .* has 196"
    ):
        measured(Novelty(), window(x), reference(x[:196]))


@pytest.mark.parametrize("wrong", [{"quantile": 0.0}, {"quantile": 1.0}, {"neighbours": 0}])
def test_parameters_without_meaning_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=r"novelty needs 0 < quantile < 1"):
        Novelty(**wrong)
