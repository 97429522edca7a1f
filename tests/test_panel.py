"""The panel as its callers meet it: what it takes, what it refuses, what it promises to repeat."""

import re
from dataclasses import FrozenInstanceError

import numpy as np
import numpy.typing as npt
import pytest
import torch
from samples import most_by_chance

from detectors import Panel
from detectors.panel import NAMES, Result
from drift.errors import BadReferenceError, TooFewRowsError, UnmeasurableError

torch.set_num_threads(1)  # see samples.py
pytestmark = pytest.mark.filterwarnings("ignore::drift.errors.LevelWarning")  # small ones are quick

Matrix = npt.NDArray[np.floating]
N, DIM = 40, 8


def healthy(n: int, seed: int, dim: int = DIM) -> Matrix:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, dim)) * np.linspace(0.5, 2, dim) + 1).astype(np.float32)


def fitted(reference: Matrix | torch.Tensor, window_size: int = N, seed: int = 0, nulls: int = 200) -> Panel:
    return Panel.fit(reference, window_size, alpha=0.05, seed=seed, nulls=nulls)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return fitted(healthy(40 * N, 0))


def test_three_lines_tell_a_changed_window_from_a_healthy_one(panel: Panel):
    same, other = panel.test(healthy(N, 1)), panel.test(healthy(N, 1) + 1)
    assert (same.drifted, other.drifted) == (False, True)
    assert other.p_value < 1e-4
    assert 0.05 < same.p_value <= 1
    assert list(other.statistics) == list(NAMES)
    assert other.statistics["mmd_wide"].value == other.effect.mmd2 > same.effect.mmd2
    assert other.statistics["mmd_wide"].p_value < 0.01 < other.statistics["trace"].p_value


def test_equal_arguments_give_equal_results(panel: Panel):
    again = fitted(healthy(40 * N, 0))
    assert (again.bank == panel.bank).all()
    assert again.test(healthy(3 * N, 2)) == panel.test(healthy(3 * N, 2))
    other = fitted(healthy(40 * N, 0), seed=1)
    assert (other.bank != panel.bank).any()


def test_the_order_of_reference_rows_may_mean_something():
    """A reference sorted by time or topic is shuffled before it is split."""
    x = healthy(20 * N, 3)
    p = fitted(x[x[:, -1].argsort()]).test(healthy(N, 4)).p_value
    assert p > 0.01


def test_a_bank_handed_back_spares_the_draws_and_changes_nothing(panel: Panel):
    drawn: list[int] = []
    spared = Panel.fit(
        healthy(40 * N, 0), N, alpha=0.05, bank=panel.bank.copy(), progress=lambda _, of: drawn.append(of)
    )
    assert panel.bank.shape == (200, len(NAMES))
    assert panel.bank.dtype == np.float64
    assert drawn == [1]
    for window in (healthy(N, 5), healthy(N, 5) + 0.3):
        assert spared.test(window) == panel.test(window)


@pytest.mark.parametrize("how", ["reference", "seed", "size", "columns", "infinite"])
def test_another_panels_bank_is_refused(panel: Panel, how: str):
    reference = healthy(40 * N, 9 if how == "reference" else 0)
    bank = panel.bank[:, :-1] if how == "columns" else panel.bank + (np.inf if how == "infinite" else 0)
    size, seed = N - 5 * (how == "size"), int(how == "seed")
    with pytest.raises(ValueError, match=r"Panel.fit needs bank to be of the same reference, window_size and seed"):
        Panel.fit(reference, size, alpha=0.05, seed=seed, bank=bank)


def test_progress_reaches_the_number_of_null_windows():
    done: list[tuple[int, int]] = []
    Panel.fit(healthy(8 * N, 0), N, nulls=150, progress=lambda now, of: done.append((now, of)))
    assert done[-1] == (150, 150)


def test_a_larger_window_is_cut_to_size_by_the_rng(panel: Panel):
    large = healthy(10 * N, 6)
    one, two = (panel.test(large, rng=np.random.default_rng(seed)) for seed in (1, 2))
    assert one == panel.test(large, rng=np.random.default_rng(1))
    assert one.p_value != two.p_value
    assert panel.test(large) == panel.test(large)


def test_a_smaller_window_is_refused(panel: Panel):
    with pytest.raises(TooFewRowsError, match=rf"window needs at least {N} rows, it has {N - 1}: take more"):
        panel.test(healthy(N - 1, 0))


WRONG = {
    "one dimension": (np.ones(8, np.float32), "shape (n, d)"),
    "booleans": (np.ones((90, 8), bool), "numbers, it has booleans"),
    "a NaN": (np.where(np.arange(90)[:, None] >= 71, np.nan, healthy(90, 0)), "finite numbers up to 1e+15, row 71"),
}


@pytest.mark.parametrize(("wrong", "needed"), WRONG.values(), ids=WRONG)
def test_vectors_that_cannot_be_used_are_refused_with_a_reason(panel: Panel, wrong: Matrix, needed: str):
    """What else is wrong with vectors: `test_arrays.py`."""
    with pytest.raises(UnmeasurableError, match=f"window needs {re.escape(needed)}"):
        panel.test(wrong)
    with pytest.raises(BadReferenceError, match=f"reference needs {re.escape(needed)}"):
        Panel.fit(wrong, N)


def test_another_dimension_is_refused(panel: Panel):
    with pytest.raises(UnmeasurableError, match=r"window and reference need vectors of one length, they have 9 and 8"):
        panel.test(healthy(N, 0, dim=9))


def test_references_without_spread_or_rows_are_refused():
    with pytest.raises(BadReferenceError, match=r"reference needs rows that differ, all 500 are equal"):
        Panel.fit(np.ones((500, 3), np.float32), N)
    nearly = np.ones((500, 3), np.float32)
    nearly[-1] = 2
    with pytest.raises(BadReferenceError, match=r"reference rows that differ, 250 drawn from them are equal: de-dup"):
        Panel.fit(nearly, N, seed=0)  # whose first half has none of the other kind
    with pytest.raises(BadReferenceError, match=r"at least 160 rows for windows of 40, it has 159: add"):
        Panel.fit(healthy(159, 0), N)


def test_too_small_a_reference_halves_the_level_and_says_so(panel: Panel):
    guarded = fitted(healthy(16 * N, 0))
    assert "needs 1600 reference rows to keep its level with windows of 40, it has 640: add 960 rows" in guarded.warning
    assert guarded.level == guarded.alpha / 2
    assert (panel.warning, panel.level) == ("", panel.alpha)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_precision_of_the_input_hardly_matters(panel: Panel, dtype: type[np.floating]):
    window = healthy(N, 7)
    found = panel.test(window.astype(dtype))
    assert found.p_value == pytest.approx(panel.test(window).p_value, rel=0.1)
    assert panel.test(torch.tensor(window.astype(dtype))) == found


def test_a_half_precision_reference_is_a_reference():
    x = healthy(40 * N, 0)
    panel = fitted(x.astype(np.float16))
    assert panel.test(healthy(N, 1)).p_value > 0.01
    assert panel.test(healthy(N, 1) + 1).drifted


@pytest.mark.parametrize("dim", [1, 2, 4096])
def test_any_dimension_will_do(dim: int):
    panel = fitted(healthy(1200, 0, dim), window_size=30, nulls=60)
    same = [panel.test(healthy(30, seed, dim)) for seed in range(1, 21)]
    assert all(finite(result) for result in same)
    assert sum(result.p_value <= 0.05 for result in same) <= most_by_chance(20, 0.1)  # about nominal, on this reference
    assert all(panel.test(healthy(30, seed, dim) + 1).p_value < 0.02 for seed in range(1, 4))


@pytest.mark.filterwarnings("ignore::drift.errors.CopiedRowsWarning")
def test_constant_windows_and_copies_of_one_row_are_drift(panel: Panel):
    row = healthy(1, 8)
    for window in (np.repeat(row, N, axis=0), np.zeros((N, DIM), np.float32)):
        result = panel.test(window)
        assert finite(result)
        assert result.drifted


@pytest.mark.parametrize("seed", range(4))
def test_a_vector_that_most_of_the_reference_has_leaves_a_bandwidth(seed: int):
    """Most pairs are copies, a rounding error apart."""
    rows = healthy(2000, seed)
    rows[np.random.default_rng(seed).random(2000) < 0.75] = rows[0]
    scale = Panel.fit(rows, 100, nulls=19, seed=seed).space.scale
    differing = ((rows[:400, None] - rows[None, :400]) ** 2).sum(2)
    assert scale == pytest.approx(differing.mean(), rel=0.3)


def test_a_window_far_beyond_the_reference_still_has_a_p_value_above_zero(panel: Panel):
    result = panel.test(1e6 * healthy(N, 0))
    assert 0 < result.p_value < 1e-6
    assert finite(result)
    assert result.effect.share == 1


def test_results_cannot_be_changed(panel: Panel):
    result = panel.test(healthy(N, 0))
    with pytest.raises(TypeError):
        result.statistics["trace"] = None
    with pytest.raises((FrozenInstanceError, TypeError)):
        result.p_value = 0.5


def finite(result: Result) -> bool:
    numbers = [result.p_value, result.effect.share, result.effect.mmd2_low, result.effect.mmd2_high]
    numbers += [v for s in result.statistics.values() for v in (s.value, s.p_value)]
    return bool(np.isfinite(numbers).all()) and all(0 < s.p_value <= 1 for s in result.statistics.values())
