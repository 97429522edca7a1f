from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gram, mmd2_by_definition
from samples import least_by_chance, most_by_chance, s1, shifted
from scipy.stats import kstest

import detectors
from detectors import mmd_permutation_test
from detectors.permutation import pooled_kernel
from detectors.pooled import permuted_mmd2, random_splits
from detectors.strips import Gaussian, Plain, strips_of
from drift.errors import TooFewRowsError, UnmeasurableError


def some_rows(n: int = 300, d: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d)))


def splits_of(n: int, m: int, b: int = 40) -> torch.Tensor:
    return random_splits(np.random.default_rng(1), b, n, m)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("strip", [512, 128])
@pytest.mark.parametrize("level", [0.0, 0.3])
def test_the_strips_equal_indexing_again(dtype: torch.dtype, tolerance: float, strip: int, level: float):
    """Case A1."""
    x, splits, scales = some_rows(), splits_of(100, 200), (2.0, 8.0)
    ours = permuted_mmd2(Plain(x.to(dtype), Gaussian(scales, level), dtype), splits, strip)
    k = gram(x.numpy(), scales)
    theirs = [mmd2_by_definition(k, split) for split in splits.numpy()]
    np.testing.assert_allclose(ours.numpy(), theirs, atol=tolerance, rtol=0)


@settings(deadline=None, max_examples=25)
@given(strip=st.integers(1, 60), n=st.integers(2, 20), m=st.integers(2, 30))
def test_the_size_of_the_strips_does_not_matter(strip: int, n: int, m: int):
    x, splits = some_rows(n + m), splits_of(n, m)
    kernel = Plain(x, Gaussian((4.0,), 0.1), x.dtype)
    torch.testing.assert_close(permuted_mmd2(kernel, splits, strip), permuted_mmd2(kernel, splits), atol=1e-12, rtol=0)


def test_every_split_is_equally_likely_and_the_first_is_the_observed():
    splits = random_splits(np.random.default_rng(2), 6000, 2, 2).numpy()
    assert splits[0].tolist() == [True, True, False, False]
    counts = np.bincount(splits[1:] @ [1, 2, 4, 8], minlength=16)[[3, 5, 6, 9, 10, 12]]
    assert counts.sum() == 6000
    assert least_by_chance(6000, 1 / 6) <= counts.min() <= counts.max() <= most_by_chance(6000, 1 / 6)


def test_p_values_are_uniform_where_nothing_differs():
    rng, trials = np.random.default_rng(3), 300
    p = np.array([mmd_permutation_test(s1(40, rng), s1(120, rng), 99, seed=i).p_value for i in range(trials)])
    assert p.min() >= 1 / 100
    assert p.max() <= 1
    for alpha in (0.05, 0.1):
        assert least_by_chance(trials, alpha) <= np.sum(p <= alpha) <= most_by_chance(trials, alpha)
    assert kstest(p, "uniform").pvalue > 0.001


def test_finds_a_shift():
    rng = np.random.default_rng(4)
    found = mmd_permutation_test(s1(300, rng), shifted(s1(500, rng), 0.1, rng), 199)
    assert found.p_value == 1 / 200
    assert found.statistic > found.null_band[1] > 0 > found.null_band[0]


def test_the_statistic_is_negative_about_half_of_the_time_when_nothing_differs():
    rng = np.random.default_rng(5)
    values = [mmd_permutation_test(s1(64, rng), s1(64, rng), 9).statistic for _ in range(80)]
    assert 0.3 < np.mean(np.array(values) < 0) < 0.75


@pytest.mark.parametrize("offset", [100, 1000])
def test_a_large_common_offset_does_not_drown_the_statistic(offset: int):
    rng = np.random.default_rng(6)
    x, y = s1(500, rng), s1(1200, rng)
    plain = mmd_permutation_test(x, y, 300)
    moved = mmd_permutation_test(x + offset * np.eye(1, 384), y + offset * np.eye(1, 384), 300)
    null_sd = (plain.null_band[1] - plain.null_band[0]) / (2 * 2.58)
    assert moved.statistic == pytest.approx(plain.statistic, abs=0.05 * null_sd)
    assert moved.p_value == pytest.approx(plain.p_value, abs=0.02)


OFFSET, LOUD = np.eye(1, 384, 5), np.where(np.arange(384) == 5, 60, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x + 0.7 * OFFSET,
        lambda x: x + 3 * OFFSET,
        lambda x: x + 100 * OFFSET,
        lambda x: x * LOUD,
        lambda x: np.random.default_rng(len(x)).standard_normal(x.shape),
    ],
    ids=["mean cosine .11", ".6", ".99", ".9999", "a loud dimension", "isotropic"],
)
@pytest.mark.parametrize(("product", "share"), [(torch.float32, 0.002), (torch.bfloat16, 0.05)])
def test_rounding_is_far_below_the_noise(change: Callable, product: torch.dtype, share: float):
    """As case A15: no statistic may move by more than a twentieth of its null standard deviation."""
    rng = np.random.default_rng(7)
    pooled = torch.from_numpy(change(s1(2000, rng)).astype(np.float32)).double()
    pooled -= pooled.mean(0)
    kernel, splits = pooled_kernel(pooled.float(), (0.25, 1.0), rng), random_splits(rng, 99, 500, 1500)
    fine = permuted_mmd2(Plain(pooled, kernel, torch.float64), splits)
    error = (permuted_mmd2(Plain(pooled.float(), kernel, product), splits) - fine) / fine.std()
    assert float(error.abs().max()) < share
    assert float(error.std()) < share / 5


def product_type(x: torch.Tensor) -> torch.dtype:
    return strips_of(x, Gaussian((1.0,), 0.0)).strip(0, 5)[0].dtype


def test_bfloat16_is_taken_where_it_is_fast_and_pays(monkeypatch: pytest.MonkeyPatch):
    few, many = torch.zeros(20, 2), torch.zeros(2000, 2)
    for fast, taken in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("detectors.strips.multiplies_bfloat16_fast", lambda _, fast=fast: fast)
        assert product_type(many) is taken
        assert product_type(few) is torch.float32
        assert product_type(many.double()) is torch.float64


def test_one_answer_with_and_without_bfloat16(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(14)
    x, y = s1(400, rng), shifted(s1(600, rng), 0.02, rng)
    found = []
    for fast in (True, False):
        monkeypatch.setattr("detectors.strips.multiplies_bfloat16_fast", lambda _, fast=fast: fast)
        found.append(mmd_permutation_test(x, y))
    assert found[0].p_value == pytest.approx(found[1].p_value, abs=0.005)


@pytest.mark.long
def test_the_level_is_exact_at_the_size_of_a_window():
    """Case A2: rows of any law will do, and of fewer dimensions cost less."""
    rng, trials = np.random.default_rng(15), 1000
    rows = rng.standard_t(5, (20_000, 24)).astype(np.float32)

    def p_value(seed: int) -> float:
        x, y = np.split(rows[rng.choice(len(rows), 2500, replace=False)], [500])
        return mmd_permutation_test(x, y, 199, seed=seed).p_value

    p = np.array([p_value(seed) for seed in range(trials)])
    assert p.min() >= 1 / 200
    assert 0.036 <= np.mean(p <= 0.05) <= 0.064
    assert 0.004 <= np.mean(p <= 0.01) <= 0.016
    assert kstest(p, "uniform").pvalue > 0.001


def test_the_two_sides_may_be_swapped():
    rng = np.random.default_rng(8)
    x, y = s1(60, rng), shifted(s1(140, rng), 0.05, rng)
    one, other = mmd_permutation_test(x, y), mmd_permutation_test(y, x)
    assert other.statistic == pytest.approx(one.statistic, abs=1e-6)
    assert other.p_value == pytest.approx(one.p_value, abs=0.05)


def test_one_seed_gives_one_answer_and_leaves_its_input_alone():
    rng = np.random.default_rng(9)
    x, y = torch.from_numpy(s1(80, rng)), s1(90, rng)
    kept = x.clone()
    assert mmd_permutation_test(x, y, seed=3) == mmd_permutation_test(x, y, seed=3)
    assert mmd_permutation_test(x, y, seed=3).null_band != mmd_permutation_test(x, y, seed=4).null_band
    assert torch.equal(x, kept)


def test_digits_that_float32_would_lose_are_kept_until_the_rows_are_centred():
    rng = np.random.default_rng(16)
    x, y = rng.standard_normal((100, 5)), rng.standard_normal((80, 5)) + 0.5
    plain, far = mmd_permutation_test(x, y), mmd_permutation_test(x + 1e8, y + 1e8)
    assert far.statistic == pytest.approx(plain.statistic, rel=1e-4)


@pytest.mark.parametrize("kind", [np.float16, np.float64, torch.float16, torch.float64, torch.bfloat16])
def test_any_floating_point_type_will_do(kind: type | torch.dtype):
    rng = np.random.default_rng(10)
    x, y = s1(50, rng), s1(60, rng)
    cast = (lambda v: torch.from_numpy(v).to(kind)) if isinstance(kind, torch.dtype) else (lambda v: v.astype(kind))
    plain, of_kind = mmd_permutation_test(x, y, 99), mmd_permutation_test(cast(x), cast(y), 99)
    assert of_kind.statistic == pytest.approx(plain.statistic, abs=2e-4)


def test_two_rows_a_side_are_enough_and_renaming_the_sides_is_a_tie():
    # 6 splits, in pairs of equal statistics: the least p-value is a third, however far the sides lie apart.
    x = np.array([[0.0, 0.1], [0.0, 0.2]]) + 1 / 3
    p = [mmd_permutation_test(x, x + 100 + i / 7, 5000, seed=i).p_value for i in range(5)]
    assert p == pytest.approx([1 / 3] * 5, abs=0.03)


@pytest.mark.parametrize("d", [1, 2, 4096])
def test_any_dimension_will_do(d: int):
    rng = np.random.default_rng(11)
    x = rng.standard_normal((40, d))
    assert mmd_permutation_test(x[:20], x[20:], 99).p_value > 0.01
    assert mmd_permutation_test(x[:20], x[20:] + 2, 99).p_value == 1 / 100


def test_a_constant_side_is_told_from_another():
    one, other = np.ones((30, 3)), np.full((40, 3), 2.0)
    assert mmd_permutation_test(one, other, 99).p_value == 1 / 100
    with pytest.raises(UnmeasurableError, match=r"rows that differ"):
        mmd_permutation_test(one, one)


def test_what_cannot_be_compared_is_refused():
    x = s1(20, np.random.default_rng(12))
    with pytest.raises(UnmeasurableError, match=r"x and y need vectors of one length, they have 384 and 4"):
        mmd_permutation_test(x, x[:, :4])
    with pytest.raises(UnmeasurableError, match=r"y needs finite .* row 2"):
        mmd_permutation_test(x, np.where(np.arange(20)[:, None] == 2, np.nan, x))
    with pytest.raises(TooFewRowsError, match=r"y needs at least 2 rows, it has 1"):
        mmd_permutation_test(x, x[:1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_number_of_the_cpu(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(13)
    x, y = s1(700, rng), s1(5000, rng)
    there = mmd_permutation_test(x, y, 2999)
    monkeypatch.setattr(detectors.arrays, "device", lambda: torch.device("cpu"))
    here = mmd_permutation_test(x, y, 2999)
    null_sd = (here.null_band[1] - here.null_band[0]) / (2 * 2.58)
    assert there.statistic == pytest.approx(here.statistic, abs=0.05 * null_sd)
    # Each draws splits of its own: five standard errors of the difference.
    assert there.p_value == pytest.approx(here.p_value, abs=5 * (2 * 0.25 / 2999) ** 0.5)
