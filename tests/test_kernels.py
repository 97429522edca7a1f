import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import reference, window
from scipy.spatial.distance import cdist
from scipy.stats import betabinom, binomtest

from detectors.kernels import (
    LEAST_P,
    beta_binomial,
    central_range,
    chance,
    draw,
    on_grid,
    pinned,
    require_rows,
    seeded,
    squared_distances,
    tensor,
    wilson,
)
from drift.errors import TooFewRowsError
from drift.records import Reference


def some_reference(seed: int = 0, version: str = "") -> Reference:
    return reference(np.random.default_rng(seed).standard_normal((10, 3)), version)


def test_a_fit_runs_once_per_reference_and_arguments():
    runs: list[tuple[str, int]] = []

    @pinned
    def fit(of: Reference, size: int) -> int:
        runs.append((of.version, size))
        return size

    one, two = some_reference(0), some_reference(1)
    assert [fit(one, 1), fit(one, 1), fit(one, 2), fit(two, 1)] == [1, 1, 2, 1]
    assert runs == [(one.version, 1), (one.version, 2), (two.version, 1)]


def test_threads_that_want_the_same_fit_share_one_run():
    started, runs = threading.Event(), []

    @pinned
    def fit(of: Reference) -> object:
        runs.append(of)
        started.wait(0.05)
        return object()

    held = some_reference()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(fit, [held] * 8))) == 1
    assert len(runs) == 1


def test_a_long_fit_holds_up_no_other_reference():
    held, other, go = some_reference(0), some_reference(1), threading.Event()

    @pinned
    def fit(of: Reference) -> bool:
        return go.wait(10) if of is held else True

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fit, held)
        assert fit(other)
        go.set()
        assert waiting.result()


def test_a_fit_that_failed_is_tried_again():
    runs = []

    @pinned
    def fit(of: Reference) -> int:
        runs.append(of)
        if len(runs) == 1:
            raise RuntimeError("no")
        return 1

    held = some_reference()
    with pytest.raises(RuntimeError):
        fit(held)
    assert fit(held) == 1


def test_fits_go_when_their_reference_goes():
    class Fitted: ...

    @pinned
    def fit(of: Reference) -> Fitted:
        return Fitted()

    held = some_reference()
    kept = weakref.ref(fit(held))
    assert kept() is not None
    del held
    gc.collect()
    assert kept() is None


def test_seeded_randomness_depends_on_version_and_purpose_alone():
    def numbers(of: Reference, purpose: str) -> float:
        return seeded(of, purpose).random()

    assert numbers(some_reference(0), "a") == numbers(some_reference(0), "a")
    assert len({numbers(some_reference(i), purpose) for i in range(2) for purpose in "ab"}) == 4
    assert numbers(some_reference(0, "v"), "a") == numbers(some_reference(1, "v"), "a")


def test_too_few_rows_says_what_would_do():
    require_rows("mmd", window(np.ones((5, 2))), 5)
    with pytest.raises(TooFewRowsError, match=r"mmd needs at least 6 rows, window search .* has 5: widen"):
        require_rows("mmd", window(np.ones((5, 2))), 6)


def test_stored_vectors_are_read_only_and_stay_as_they_are():
    stored = np.frombuffer(np.ones((2, 3), np.float32).tobytes(), np.float32).reshape(2, 3)
    tensor(stored).zero_()
    assert stored.all()


def test_a_draw_has_no_row_twice():
    x = torch.arange(50.0)[:, None]
    drawn = draw(x, 30, np.random.default_rng(0))
    assert drawn.shape == (30, 1)
    assert len(drawn.unique()) == 30
    assert draw(x, 50, np.random.default_rng(0)) is x


def test_distances_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 5)), rng.standard_normal((4, 5))
    ours = squared_distances(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(ours, cdist(x, y, "sqeuclidean"), atol=1e-12)
    assert squared_distances(torch.from_numpy(x), torch.from_numpy(x)).min() >= 0


@settings(deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_is_that_of_scipy_and_holds_the_share(n: int, share: float):
    successes = round(share * n)
    low, high = wilson(successes, n)
    theirs = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-7)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


@settings(deadline=None)
@given(n=st.integers(0, 300), a=st.floats(0.5, 50), b=st.floats(0.5, 2000))
def test_beta_binomial_is_that_of_scipy(n: int, a: float, b: float):
    np.testing.assert_allclose(beta_binomial(n, a, b), betabinom.pmf(np.arange(n + 1), n, a, b), rtol=1e-6, atol=1e-12)


@settings(deadline=None)
@given(n=st.integers(1, 300), a=st.floats(0.5, 50), b=st.floats(0.5, 500))
def test_the_central_range_holds_its_mass_and_no_more_than_it_must(n: int, a: float, b: float):
    chances = beta_binomial(n, a, b)
    low, high = central_range(chances)
    assert chances[:low].sum() <= 0.005 + 1e-9
    assert chances[: low + 1].sum() >= 0.005 - 1e-9
    assert chances[high + 1 :].sum() <= 0.005 + 1e-9
    assert high == 0 or chances[high:].sum() >= 0.005 - 1e-9


def test_a_chance_is_a_p_value_whatever_the_rounding():
    assert chance(np.zeros(3)) == LEAST_P > 0
    assert chance(np.array([0.7, 0.3 + 1e-9])) == 1


def test_the_grid_has_few_sizes_and_loses_few_rows():
    sizes = [on_grid(n) for n in range(1, 5000)]
    assert all(0.88 * n < size <= n for n, size in enumerate(sizes, 1))
    assert len({size for size in sizes if 64 <= size <= 256}) == 17
    assert on_grid(15) == 15
