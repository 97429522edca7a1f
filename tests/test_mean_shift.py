"""The mean's shift: its null law, its power at every scale, and sums that add up."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from samples import BASIS, LIVE, SPECTRUM, measured, normalise, reference, s1, shifted, window
from scipy import stats

from detectors.mean_shift import MeanShift, directions, null_law, quantile, tail
from drift.errors import UnmeasurableError
from drift.records import Reference, Sketch


@pytest.fixture(scope="module")
def held() -> Reference:
    return reference(s1(20_480, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def many() -> Reference:
    rng = np.random.default_rng(0)
    return reference(np.concatenate([s1(10_000, rng) for _ in range(20)]))


@pytest.mark.parametrize("degrees", [1, 5, 300])
@pytest.mark.parametrize("chance", [0.9, 0.5, 0.01, 1e-6, 1e-12])
def test_the_tail_is_that_of_a_chi_square_where_all_weigh_the_same(degrees, chance):
    value = 3 * stats.chi2.isf(chance, degrees)
    assert tail(value, np.full(degrees, 3.0)) == pytest.approx(chance, rel=0.1 if degrees == 1 else 0.02)


def test_the_tail_of_a_spectrum_is_that_of_simulation():
    spectrum = np.arange(1, 200) ** -0.7
    drawn = np.random.default_rng(1).chisquare(1, (200_000, 199)) @ spectrum
    for chance in (0.9, 0.5, 0.1, 0.01, 0.001):
        value = np.quantile(drawn, 1 - chance)
        assert tail(value, spectrum) == pytest.approx(chance, rel=0.15)
        assert quantile(chance, spectrum) == pytest.approx(value, rel=0.01)


def test_far_beyond_any_chance_the_tail_is_nothing():
    assert [tail(value, np.array([1.0, 0.5])) for value in (1e3, 1e7, 1e13, 1e300)] == [pytest.approx(0)] * 4


def test_the_tail_falls_from_one_and_passes_the_mean_smoothly():
    spectrum = np.arange(1, 50) ** -1.0
    values = spectrum.sum() * np.sort(np.concatenate([np.linspace(0, 3, 200), 1 + np.geomspace(1e-12, 1e-2, 50)]))
    chances = [tail(value, spectrum) for value in values]
    assert chances[0] == 1
    assert np.all(np.diff(chances) <= 1e-5)


@pytest.mark.parametrize("ridge", [inf, 4.0, 0.04])
def test_each_form_keeps_to_its_level(held, ridge):
    rng = np.random.default_rng(2)
    p = [measured(MeanShift(ridges=(ridge,)), window(s1(256, rng)), held).p_value for _ in range(500)]
    for alpha in (0.1, 0.05, 0.01):
        assert stats.binomtest(int(np.sum(np.array(p) <= alpha)), 500, alpha).pvalue > 1e-3


def random_features(x: np.ndarray) -> np.ndarray:
    """512 random Fourier features of the Gaussian kernel at S1's median squared distance."""
    rng = np.random.default_rng(20)
    frequencies = rng.standard_normal((x.shape[1], 512)) * (2 / 1.78) ** 0.5
    return np.cos(x @ frequencies + rng.uniform(0, 2 * np.pi, 512)) / 16


@pytest.mark.parametrize("features", [np.asarray, random_features], ids=["linear", "random Fourier features"])
def test_the_null_law_of_the_distance_of_means_counts_the_references_rows_too(features):
    """Case A3."""
    rng, n = np.random.default_rng(21), 500
    held = reference(features(s1(10_000, rng)))
    p = [measured(MeanShift(ridges=(inf,)), window(features(s1(n, rng))), held).p_value for _ in range(300)]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09

    few, m = [reference(features(s1(2000, rng)), version=str(i)) for i in range(12)], 2000
    right, without = [], []
    for small in few:
        law = null_law(small, inf).spectrum
        for _ in range(25):
            found = measured(MeanShift(ridges=(inf,)), window(features(s1(n, rng))), small)
            statistic = float(law.sum()) * (1 + found.value / (1 / n + 1 / m))
            right.append(found.p_value <= 2 * 0.05)  # doubled, where the reference is small
            without.append(tail(statistic * (1 + n / m), law) <= 0.05)
    assert 0.02 <= np.mean(right) <= 0.09
    assert np.mean(without) > 0.09


@pytest.mark.long
@pytest.mark.parametrize(("windows", "shift", "least"), [(1, 0.02, 0.9), (3, 0.015, 0.9), (12, 0.01, 0.95)])
def test_merged_windows_find_what_single_ones_cannot(many, windows, shift, least):
    """Case A9."""
    rng, detector, found = np.random.default_rng(3), MeanShift(), []
    for _ in range(20):
        x = shifted(s1(512 * windows, rng), shift, rng)
        merged = sum_of(detector, np.split(x, windows), many)
        span = window(x[:1]).span
        found.append(detector.measure_sketch(merged, window(x[:1]).stream, span, many).p_value <= 0.01)
    assert np.mean(found) >= least


def test_a_shift_along_a_quiet_direction_needs_a_small_ridge(held):
    """As case A6: along a direction of small variance, of which the distance of the means sees little."""
    rng = np.random.default_rng(4)
    quiet = directions(held).basis[:, 40].numpy()
    x = normalise(s1(512, rng) + 0.02 * quiet)
    assert measured(MeanShift(ridges=(inf,)), window(x), held).p_value > 0.05
    assert measured(MeanShift(), window(x), held).p_value < 1e-3


def sum_of(detector: MeanShift, parts, held: Reference) -> Sketch:
    sketches = [detector.sketch(window(part), held) for part in parts]
    merged = sketches[0]
    for each in sketches[1:]:
        merged = merged.merged(each)
    return merged


def test_sums_of_parts_are_the_sum_of_the_whole(held):
    x, detector = s1(600, np.random.default_rng(5)), MeanShift()
    merged, whole = sum_of(detector, np.split(x, [1, 100, 350]), held), detector.sketch(window(x), held)
    assert (merged.rows, merged.reference) == (600, held.version)
    assert merged.sums == pytest.approx(whole.sums, abs=1e-9)
    one = detector.measure_sketch(merged, window(x).stream, window(x).span, held)
    assert one.value == pytest.approx(measured(detector, window(x), held).value, rel=1e-9)


def test_sums_against_different_references_do_not_add_up(held):
    sketch = MeanShift().sketch(window(s1(64, np.random.default_rng(6))), held)
    with pytest.raises(ValueError, match="do not add up"):
        sketch.merged(replace(sketch, reference="another"))


def test_the_value_is_the_squared_shift_over_the_variance(held):
    rng = np.random.default_rng(7)
    x = s1(20_000, rng)
    total = float(directions(held).factor.square().sum())
    moved = window(x + 0.1 * normalise(rng.standard_normal((1, 384))))
    m = measured(MeanShift(), moved, held)
    assert m.value == pytest.approx(0.01 / total, rel=0.1)
    assert m.low < 0.01 / total < m.high
    assert m.value > m.band_high


def test_interval_and_band_hold_what_they_say(held):
    rng = np.random.default_rng(8)
    still = [measured(MeanShift(), window(s1(256, rng)), held) for _ in range(300)]
    assert stats.binomtest(sum(not m.band_low <= m.value <= m.band_high for m in still), 300, 0.01).pvalue > 1e-3
    assert sum(not m.low <= 0 <= m.high for m in still) <= 15
    step = 0.1 * normalise(rng.standard_normal((1, 384)))
    truth = 0.01 / float(directions(held).factor.square().sum())
    moved = [measured(MeanShift(), window(s1(256, rng) + step), held) for _ in range(300)]
    assert stats.binomtest(sum(not m.low <= truth <= m.high for m in moved), 300, 0.05).pvalue > 1e-3


def test_a_small_reference_makes_the_test_stricter():
    x = s1(4000, np.random.default_rng(9))
    held = reference(x[:2000])
    law = null_law(held, inf).spectrum
    for rows, factor in ((100, 1), (101, 2)):
        m = measured(MeanShift(ridges=(inf,)), window(x[2000 : 2000 + rows]), held)
        statistic = float(law.sum()) * (1 + m.value / (1 / rows + 1 / 2000))
        assert m.p_value == pytest.approx(min(1.0, factor * tail(statistic, law)), rel=1e-6)


@pytest.mark.parametrize("spread", [0.0, 1.5])
def test_the_level_is_kept_where_few_rows_are_far_longer_than_the_others(spread):
    """Lengths are log-normal, or one row in two hundred is fifty times as long: such rows alone are the mean."""

    def rows(n: int, rng: np.random.Generator) -> np.ndarray:
        lengths = np.exp(spread * rng.standard_normal((n, 1)))
        return np.where(rng.random((n, 1)) < 0.005, 50, lengths) * rng.standard_normal((n, 16))

    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        held = reference(rows(2000, rng))
        found += [measured(MeanShift(), window(rows(100, rng)), held).p_value for _ in range(100)]
    assert np.mean(np.array(found) <= 0.05) <= 0.08
    assert np.mean(np.array(found) <= 0.001) <= 0.01


def test_a_shift_is_found_among_rows_of_very_different_lengths():
    rng = np.random.default_rng(0)
    held = reference(rng.standard_cauchy((5120, 1)) * normalise(rng.standard_normal((5120, 16))))
    moved = rng.standard_cauchy((500, 1)) * normalise(rng.standard_normal((500, 16)))
    assert measured(MeanShift(), window(moved), held).p_value > 0.01
    assert measured(MeanShift(), window(moved + 0.5 * np.eye(1, 16)), held).p_value < 1e-4


def test_few_references_have_a_level_far_above_nominal_though_windows_outnumber_their_rows():
    """Case A10 at m = 2 n / 3: without the doubled p-value the worst of these alarms on a third of its windows."""
    rng, detector, rates = np.random.default_rng(11), MeanShift(), []
    spread = (BASIS * np.sqrt(SPECTRUM)).T
    for i in range(24):
        held = reference((rng.standard_normal((1000, LIVE)) @ spread + 1).astype(np.float32), version=str(i))
        centre = directions(held).centre.numpy()
        span, stream = window(held.vectors[:1]).span, window(held.vectors[:1]).stream
        means = rng.standard_normal((60, LIVE)) @ spread / 1500**0.5 + 1 - centre
        sketches = [Sketch(held.version, 1500, 1500 * mean) for mean in means]
        rates.append(np.mean([detector.measure_sketch(s, stream, span, held).p_value <= 0.05 for s in sketches]))
    assert sum(rate > 0.05 for rate in rates) <= 1  # 19 references of 20
    assert max(rates) <= 0.25
    assert np.mean(rates) <= 0.015


def test_a_reference_of_which_one_half_is_constant_is_refused():
    x = s1(200, np.random.default_rng(10))
    with pytest.raises(UnmeasurableError, match="both halves"):
        measured(MeanShift(), window(x[:64]), reference(np.concatenate([x[:100], x[:1].repeat(100, 0)])))


def test_ridges_must_be_positive():
    with pytest.raises(ValueError, match="ridges > 0"):
        MeanShift(ridges=(0.0,))
