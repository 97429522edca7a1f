import numpy as np
import pytest
import torch
from samples import (
    DIM,
    least_by_chance,
    measured,
    most_by_chance,
    normalise,
    reference,
    s1,
    shifted,
    window,
)
from scipy.stats import kstest, wasserstein_distance

from benchmarks.alternatives import known, replaced
from detectors.nulls import widening
from detectors.sliced_wasserstein import SlicedWasserstein, null_distances, sliced
from drift.errors import UnmeasurableError

QUICK = SlicedWasserstein(directions=32, nulls=399)


def along(slices, x: np.ndarray) -> np.ndarray:
    return (torch.from_numpy(x - slices.centre.numpy()) @ slices.axes).numpy().T


@pytest.mark.parametrize(("n", "m"), [(64, 512), (60, 509), (300, 299)])
def test_distance_is_the_mean_of_exact_wasserstein_distances(n: int, m: int):
    rng = np.random.default_rng(0)
    x, y = s1(m, rng), np.concatenate([s1(n - 3, rng), 3 * s1(3, rng)])
    y[:5] = x[:5]  # values that are tied with the reference's
    slices = sliced(reference(x), 20, 10_000)
    pairs = zip(along(slices, y), along(slices, x), strict=True)
    expected = np.mean([wasserstein_distance(a, b) for a, b in pairs])
    assert slices.distance(slices.project(torch.from_numpy(y))) == pytest.approx(expected, rel=1e-5)


def test_null_windows_are_measured_as_windows_are():
    rng = np.random.default_rng(1)
    against = reference(s1(512, rng))
    slices = sliced(against, 16, 512)
    drawn = null_distances(against, 16, 512, 64, 200)
    direct = [
        slices.distance(slices.project(torch.from_numpy(against.vectors[rng.choice(512, 64, replace=False)])))
        for _ in range(200)
    ]
    # Two samples of 200 from one law, the one stretched by the root of (1/64 + 1/512) / (1/64 - 1/512).
    assert drawn.mean() / np.mean(direct) == pytest.approx((9 / 7) ** 0.5, abs=0.03)
    assert widening(64, 512) == pytest.approx((9 / 7) ** 0.5)


@pytest.mark.parametrize("part", [8, 20])
def test_level_is_right_over_fresh_windows_of_several_references(part: int):
    rng = np.random.default_rng(2)
    p = []
    for _ in range(8):
        against = reference(s1(64 * part, rng))
        p.append([measured(QUICK, window(s1(64, rng)), against).p_value for _ in range(60)])
    found = np.array(p) / (1 if part >= 20 else 2)
    for alpha in (0.1, 0.05, 0.01):
        # Windows of one reference are not independent: they count as half as many.
        assert least_by_chance(240, alpha) / 240 <= np.mean(found <= alpha) <= most_by_chance(240, alpha) / 240
    if part >= 20:
        assert kstest(found.ravel(), "uniform").pvalue > 1e-3
        assert np.mean(found <= 0.05, axis=1).max() <= most_by_chance(60, 0.05) / 60


def test_null_windows_must_be_stretched():
    # What the level would be without it: the test above has the power to see that.
    rng = np.random.default_rng(3)
    exceeded = []
    for _ in range(4):
        against = reference(s1(512, rng))
        nulls = null_distances(against, 32, 512, 64, 399) / widening(64, 512)
        slices = sliced(against, 32, 512)
        fresh = [slices.distance(slices.project(torch.from_numpy(s1(64, rng)))) for _ in range(50)]
        exceeded += list(np.array(fresh) > np.quantile(nulls, 0.95))
    assert np.mean(exceeded) > 0.3


def test_a_shift_by_one_standard_deviation_everywhere_has_distance_one():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((4000, 1)).astype(np.float32)
    m = measured(SlicedWasserstein(directions=3, nulls=99), window(x[:200] + 1), reference(x))
    assert m.value == pytest.approx(1, abs=0.2)
    assert m.p_value == 0.01
    assert m.band_high < 0.3


def test_a_grown_region_and_a_shift_are_found():
    rng = np.random.default_rng(5)
    against = reference(s1(5120, rng))
    grown = [replaced(s1(256, rng), 0.15, lambda n: known(n, rng)) for _ in range(10)]
    moved = [shifted(s1(256, rng), 0.06, rng) for _ in range(10)]
    for windows, least in ((grown, 0.4), (moved, 0.9)):
        assert np.mean([measured(SlicedWasserstein(), window(y), against).p_value <= 0.05 for y in windows]) >= least


def test_directions_are_uniform_over_what_the_reference_uses():
    rng = np.random.default_rng(6)
    stretched = (rng.standard_normal((600, 5)) * [100, 10, 1, 0.1, 0]).astype(np.float32)
    stretched[:, 4] = 7
    axes = sliced(reference(stretched), 2000, 600).axes.numpy()
    axes = axes / np.linalg.norm(axes, axis=0)
    assert abs(axes[4]).max() < 1e-5
    assert (axes[:4] @ axes[:4].T / 2000).diagonal() == pytest.approx(np.full(4, 0.25), abs=0.03)


def test_far_means_do_not_cost_precision():
    rng = np.random.default_rng(7)
    x, y = s1(512, rng), s1(64, rng)
    offset = 30 * normalise(rng.standard_normal((1, DIM)))
    near = measured(QUICK, window(y), reference(x, version="same"))
    far = measured(QUICK, window(y + offset), reference(x + offset, version="same"))
    assert far.value == pytest.approx(near.value, rel=1e-3)


def test_a_reference_of_fewer_than_four_windows_is_refused():
    rng = np.random.default_rng(8)
    text = (
        r"sliced_wasserstein needs 256 reference rows for windows of 64, it can use 255 of the 300 of search@\w+: give"
    )
    with pytest.raises(UnmeasurableError, match=text):
        measured(SlicedWasserstein(reference_rows=255), window(s1(64, rng)), reference(s1(300, rng)))


def test_a_reference_that_starts_with_equal_rows_is_refused():
    x = s1(400, np.random.default_rng(9))
    x[:300] = x[0]
    with pytest.raises(UnmeasurableError, match="sliced_wasserstein needs reference rows that differ, the first 300"):
        measured(SlicedWasserstein(reference_rows=300), window(x[300:364]), reference(x))


@pytest.mark.parametrize("wrong", [{"directions": 0}, {"nulls": 0}, {"reference_rows": 0}, {"min_rows": 1}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="sliced_wasserstein needs directions"):
        SlicedWasserstein(**wrong)
