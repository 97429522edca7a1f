import numpy as np
import numpy.typing as npt
import pytest
import torch
from oracles import gram, mmd2_by_definition
from samples import least_by_chance, measured, most_by_chance, normalise, reference, s1, shifted, window
from scipy.stats import kstest

from detectors.kernels import mean_kernel, tensor
from detectors.mmd import Mmd
from detectors.permuting import (
    Moved,
    ReferencePart,
    chosen,
    gaussian_block,
    orderings,
    random_orders,
    reference_part,
    split_mmd2,
)
from detectors.strips import Gaussian
from drift.errors import UnmeasurableError
from drift.records import Reference


def random_splits(n: int, m: int, b: int) -> npt.NDArray[np.bool_]:
    rng = np.random.default_rng(1)
    return np.array([rng.permutation(n + m) < n for _ in range(b)])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_product_equals_indexing_again(dtype: torch.dtype, tolerance: float):
    n, m = 60, 240
    k = gram(np.random.default_rng(0).standard_normal((n + m, 3)), (1.5, 6.0))
    splits = random_splits(n, m, 50)  # the window's rows come first
    np.fill_diagonal(k, 0)
    k_rr, z_r = torch.from_numpy(k[n:, n:]), torch.from_numpy(splits[:, n:]).double()
    part = ReferencePart(Moved.of(z_r.bool()), (z_r * (z_r @ k_rr)).sum(1), z_r @ k_rr.sum(1), float(k_rr.sum()))
    k_rw, k_ww, stay = k[n:, :n], k[:n, :n], splits[:, :n]
    ours = split_mmd2(part, *(torch.from_numpy(x).to(dtype) for x in (k_rw, k_ww, stay)))
    theirs = [mmd2_by_definition(k, split) for split in splits]
    np.testing.assert_allclose(ours.numpy(), theirs, atol=tolerance, rtol=0)


@pytest.mark.parametrize(("n", "m"), [(64, 200), (90, 50)])
def test_the_pinned_part_and_the_windows_own_make_the_whole(n: int, m: int):
    rng = np.random.default_rng(0)
    x, y, b = s1(m, rng), s1(n, rng), 30
    held = reference(x)
    pinned = gaussian_block(held, "mmd", m, (0.25, 1.0))
    part = reference_part(held, pinned, n, b)
    z_r = chosen(orderings(held, m, b), part.moved.taken)
    z_w = chosen(random_orders(rng, b + 1, n), n - part.moved.taken)
    rows = tensor(y) - pinned.centre
    ours = split_mmd2(part, pinned.kernel(pinned.rows, rows), pinned.kernel(rows, rows).fill_diagonal_(0), z_w.float())
    assert isinstance(pinned.kernel, Gaussian)
    k = gram(np.concatenate([y, x]).astype(np.float64), pinned.kernel.scales)
    splits = torch.cat([z_w, z_r], 1).numpy()
    assert (splits.sum(1) == n).all()
    assert splits[0, :n].all()
    np.testing.assert_allclose(ours.numpy(), [mmd2_by_definition(k, split) for split in splits], atol=2e-6)


def test_bandwidths_are_multiples_of_the_references_median_squared_distance():
    x = s1(300, np.random.default_rng(0)).astype(np.float64)
    distances = ((x[:, None] - x[None]) ** 2).sum(2)[np.triu_indices(300, 1)]
    kernel = gaussian_block(reference(x), "mmd", 300, (0.25, 1.0)).kernel
    assert isinstance(kernel, Gaussian)
    assert kernel.scales == pytest.approx((np.median(distances) / 4, np.median(distances)), rel=1e-3)
    at = float(mean_kernel(torch.tensor(2.0), (1.0, 4.0)))
    assert at == pytest.approx((np.exp(-2) + np.exp(-0.5)) / 2)


def test_every_subset_of_a_size_is_equally_likely():
    places = random_orders(np.random.default_rng(0), 6000, 4)
    picked = chosen(places, torch.full((6000,), 2)).numpy() @ [1, 2, 4, 8]
    counts = np.bincount(picked, minlength=16)[[3, 5, 6, 9, 10, 12]]
    assert counts.sum() == 6000
    assert least_by_chance(6000, 1 / 6) <= counts.min() <= counts.max() <= most_by_chance(6000, 1 / 6)


def test_p_values_of_healthy_windows_are_uniform():
    rng, trials = np.random.default_rng(2), 250
    p = []
    for _ in range(trials):
        x = s1(300, rng)
        test = Mmd(permutations=99, min_rows=30)
        p.append(test.measure(window(x[:30]), reference(x[30:]), rng=rng).p_value)
    assert min(p) >= 1 / 100
    for alpha in (0.05, 0.1):
        rejected = np.sum(np.array(p) <= alpha)
        assert least_by_chance(trials, alpha) <= rejected <= most_by_chance(trials, alpha)
    assert kstest(p, "uniform").pvalue > 0.001


@pytest.fixture(scope="module")
def healthy() -> Reference:
    return reference(s1(2048, np.random.default_rng(3)))


def power(held: Reference, change: object, windows: int = 40) -> float:
    rng = np.random.default_rng(4)
    test = Mmd(permutations=199)
    p = [test.measure(window(change(s1(512, rng), rng)), held, rng=rng).p_value for _ in range(windows)]
    return float(np.mean(np.array(p) <= 0.05))


def test_finds_a_small_shift_of_the_mean(healthy: Reference):
    # The spectral null law gives .87 at this length, and a third at .02.
    assert power(healthy, lambda x, rng: shifted(x, 0.03, rng)) >= 0.7


def test_finds_a_shrink_towards_the_mean(healthy: Reference):
    centre = healthy.vectors.mean(0)
    assert power(healthy, lambda x, rng: normalise(0.9 * x + 0.1 * centre), windows=15) >= 0.95


def test_is_negative_about_half_of_the_time_when_nothing_changed(healthy: Reference):
    rng = np.random.default_rng(5)
    values = [measured(Mmd(permutations=19), window(s1(64, rng)), healthy).value for _ in range(60)]
    assert 0.3 < np.mean(np.array(values) < 0) < 0.8


def test_the_smallest_p_value_is_one_over_one_plus_permutations(healthy: Reference):
    far = window(-healthy.vectors[:64])
    assert measured(Mmd(permutations=99), far, healthy).p_value == 1 / 100


def test_a_large_common_offset_does_not_drown_the_statistic(healthy: Reference):
    offset = 1000 * np.eye(1, 384)
    x = s1(200, np.random.default_rng(7))
    plain = measured(Mmd(), window(x), reference(healthy.vectors, "same"))
    moved = measured(Mmd(), window(x + offset), reference(healthy.vectors + offset, "same"))
    null_sd = (plain.band_high - plain.band_low) / (2 * 2.58)
    assert moved.value == pytest.approx(plain.value, abs=0.05 * null_sd)


def test_only_the_first_reference_rows_are_used():
    rng = np.random.default_rng(8)
    x, y = s1(300, rng), window(s1(64, rng))
    few = Mmd(reference_rows=200)
    assert measured(few, y, reference(x, "v")).value == measured(few, y, reference(x[:200], "v")).value


def test_a_reference_of_mostly_duplicates_still_has_a_bandwidth():
    rng = np.random.default_rng(9)
    x = s1(200, rng)
    x[:150] = x[0]
    same, other = window(x[rng.integers(0, 200, 72)]), window(s1(64, rng))
    held = reference(rng.permutation(x))
    assert measured(Mmd(), same, held).p_value > 0.01
    assert measured(Mmd(), other, held).p_value == 1 / 1000


def test_reference_rows_that_are_all_equal_are_refused():
    x = np.ones((100, 4))
    x[99] = 2
    with pytest.raises(UnmeasurableError, match=r"first 50 rows .* are equal: de-duplicate"):
        measured(Mmd(reference_rows=50), window(s1(64, np.random.default_rng(0))[:, :4]), reference(x))


@pytest.mark.parametrize("wrong", [{"permutations": 0}, {"bandwidths": ()}, {"bandwidths": (0.0,)}])
def test_parameters_without_meaning_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError, match=r"mmd needs permutations"):
        Mmd(**wrong)
