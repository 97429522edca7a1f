"""The panel keeps its level: fitted tails, and the joint p-value."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from samples import Vectors, most_by_chance, s1
from scipy.stats import chi2, expon, genpareto, kstest, pearson3

from detectors import Panel
from detectors.nulls import null_picks
from detectors.panel.calibration import Calibration, calibrate, heavy_tailed, shortfall
from detectors.panel.space import Space, fit_space, observe
from detectors.panel.statistics import NAMES, TWO_SIDED, evaluate
from detectors.panel.tails import Pareto, Pearson3, Tail

Matrix = npt.NDArray[np.float64]
N, REFERENCES, WINDOWS = 100, 4, 300
RowsOf = Callable[[int, np.random.Generator], Vectors]


@dataclass(frozen=True)
class Trial:
    """One reference, its calibration, and the statistics of fresh healthy windows."""

    space: Space
    calibration: Calibration
    fresh: Matrix


def trial(seed: int, windows: int = WINDOWS, ratio: int = 20, nulls: int = 999, rows_of: RowsOf = s1) -> Trial:
    rng = np.random.default_rng(seed)
    fit, held_out = (torch.tensor(rows_of(ratio * N, rng)) for _ in range(2))
    space = fit_space(fit, held_out, np.random.default_rng(0))
    rows = observe(space, space.centred(held_out))
    bank = evaluate(space, rows, torch.from_numpy(null_picks(len(held_out), N, nulls, rng)))
    fresh = observe(space, space.centred(torch.tensor(rows_of(windows * N, rng))))
    found = evaluate(space, fresh, torch.arange(windows * N).view(windows, N))
    return Trial(space, calibrate(bank.numpy(), space, N, len(held_out)), found.numpy())


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return [trial(seed) for seed in range(REFERENCES)]


def test_the_joint_p_value_keeps_its_level_on_fresh_windows(trials: list[Trial]):
    """Case A4."""
    p = np.concatenate([t.calibration.joint_p(t.fresh) for t in trials])
    assert len(p) == 1200
    assert p.min() > 0
    assert 0.03 <= np.mean(p <= 0.05) <= 0.07
    assert np.mean(p <= 0.01) <= 0.02
    assert np.mean(p <= 0.001) <= 4 / 1200
    assert kstest(p, "uniform").statistic < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_each_statistic_keeps_its_level_by_itself(trials: list[Trial], name: str):
    p = np.concatenate([t.calibration.marginal(t.fresh)[:, NAMES.index(name)] for t in trials])
    assert [np.mean(p <= alpha) <= 1.5 * alpha + 0.01 for alpha in (0.1, 0.05, 0.01)] == [True] * 3
    if name != "novelty":  # whose p-values come in steps
        assert np.mean(p <= 0.1) >= 0.06


def test_averages_are_spread_as_fresh_windows_are_and_not_as_subsets_of_one_sample():
    columns = [NAMES.index(name) for name in TWO_SIDED]
    small = [trial(seed, windows=50, ratio=4, nulls=199) for seed in range(8)]
    p = np.concatenate([t.calibration.marginal(t.fresh)[:, columns] for t in small])
    assert np.mean(p <= 0.05) <= 0.09


def test_the_smallest_p_value_alone_would_alarm_many_times_too_often(trials: list[Trial]):
    smallest = np.concatenate([t.calibration.marginal(t.fresh).min(1) for t in trials])
    assert np.mean(smallest <= 0.05) > 0.15


def test_windows_drawn_from_what_was_fitted_would_not_do():
    """Guards the split: a bank of R_fit's own windows alarms on nearly every fresh one."""
    rng = np.random.default_rng(7)
    fit = torch.tensor(s1(1000, rng))
    space = fit_space(fit, fit, np.random.default_rng(0))
    rows = observe(space, space.centred(fit))
    bank = evaluate(space, rows, torch.from_numpy(null_picks(1000, N, 200, rng))).numpy()
    fresh = observe(space, space.centred(torch.tensor(s1(40 * N, rng))))
    found = evaluate(space, fresh, torch.arange(40 * N).view(40, N)).numpy()
    assert np.mean(calibrate(bank, space, N, 1000).joint_p(found) <= 0.05) > 0.9


def test_a_pearson_tail_is_that_of_a_sum_of_squares():
    nulls = chi2.rvs(12, size=40_000, random_state=0)
    law = Pearson3.of(nulls)
    far = chi2.isf([1e-2, 1e-4, 1e-6], 12)
    assert np.log10(law.beyond(far)) == pytest.approx([-2, -4, -6], abs=0.25)
    same = pearson3.sf(far, law.skew, law.mean, law.sd)
    assert law.beyond(far) == pytest.approx(same, rel=1e-6)


def test_a_pareto_tail_finds_an_exponential_and_a_heavier_one():
    nulls = np.sort(expon.rvs(size=20_000, random_state=1))
    assert Pareto.of(nulls).beyond(np.array([5, 8.0])) == pytest.approx(np.exp([-5, -8.0]), rel=0.5)
    heavy = Pareto.of(np.sort(genpareto.rvs(0.3, size=20_000, random_state=2)))
    assert heavy.shape == pytest.approx(0.3, abs=0.1)
    assert Pareto.of(np.sort(np.random.default_rng(3).random(20_000))).shape == 0  # never a known end


def test_p_values_are_ranks_and_then_the_laws_and_never_rise():
    nulls = np.sort(expon.rvs(size=999, random_state=4))
    tail = Tail(nulls, Pareto.of(nulls))
    assert tail.p(np.array([-1.0, nulls[500], nulls[-5]])) == pytest.approx([1, 0.5, 6e-3])
    along = tail.p(np.linspace(-1, 60, 5000))
    assert (np.diff(along) <= 0).all()
    assert along[-1] < 1e-9
    assert tail.p(np.array([1e300]))[0] > 0
    # One of the null windows is not counted against itself.
    assert tail.p(nulls[500:501], among=1) == pytest.approx(0.499)


@pytest.mark.parametrize("law", [Pareto, Pearson3])
def test_a_statistic_that_never_varies_makes_nothing_impossible(law: type[Pareto] | type[Pearson3]):
    nulls = np.full(999, 0.25)
    p = Tail(nulls, law.of(nulls)).p(np.array([0.2, 0.25, 0.3]))
    assert p == pytest.approx([1, 1, 5e-3])


def test_too_small_a_reference_is_told_how_many_rows_it_lacks():
    assert shortfall(10_000, 20_000, 500, 0.01) == ""
    assert "it has 12000: add 8000 rows" in shortfall(6000, 12_000, 500, 0.01)
    assert "it tests at 0.005, not 0.01" in shortfall(6000, 12_000, 500, 0.01)


def test_null_windows_have_no_row_twice_and_longer_banks_begin_alike():
    few, many = (null_picks(60, 30, count, np.random.default_rng(8)) for count in (3, 50))
    assert {len(set(pick)) for pick in many.tolist()} == {30}
    assert (few == many[:3]).all()
    taken = np.bincount(many.ravel(), minlength=60)
    assert taken.min() > 0
    assert taken.max() <= most_by_chance(50, 0.5) + 3


def student(freedom: float, n: int, rng: np.random.Generator) -> Vectors:
    return (rng.standard_normal((n, 16)) / np.sqrt(rng.chisquare(freedom, (n, 1)) / freedom)).astype(np.float32)


@pytest.mark.parametrize("freedom", [1, 2, 3])
def test_the_level_is_kept_where_lengths_have_a_heavy_tail(freedom: int):
    """By rows that lie further out than most seen as far out as these."""
    found = [trial(seed, rows_of=lambda n, rng: student(freedom, n, rng)) for seed in range(6)]
    p = np.concatenate([t.calibration.joint_p(t.fresh) for t in found])
    assert np.mean(p <= 0.01) <= 0.02
    assert 0.06 <= np.mean(p <= 0.1) <= 0.14


def test_the_level_is_kept_where_coordinates_have_a_heavy_tail_each_by_itself():
    """By rows that lie no further out than the reference's do: else the first that does is an alarm."""
    found = [trial(seed, nulls=499, rows_of=lambda n, rng: rng.standard_t(4, (n, 16))) for seed in range(6)]
    assert all(np.isfinite(t.space.reach) and np.isfinite(t.space.highest) for t in found)
    p = np.concatenate([t.calibration.joint_p(t.fresh) for t in found])
    assert np.mean(p <= 0.01) <= 0.025
    assert np.mean(p <= 0.001) <= 0.005


def test_changes_are_found_among_rows_with_a_heavy_tail():
    rng = np.random.default_rng(0)
    panel = Panel.fitted(student(1.5, 4800, rng), 120, 0.01, 0, nulls=199)
    healthy, longer, moved = (student(1.5, 120, rng) for _ in range(3))
    assert not panel.tested(healthy).drifted
    assert panel.tested(longer * 3).drifted
    assert panel.tested(moved + np.eye(1, 16) * 0.8).drifted


@pytest.mark.parametrize(("freedom", "heavy"), [(2, True), (1000, False)])
def test_a_heavy_tail_that_lengths_do_not_show_is_warned_of(freedom: int, heavy: bool):
    rng = np.random.default_rng(0)
    x = np.concatenate([20 * rng.standard_normal((2400, 16)), student(freedom, 2400, rng)], 1)
    panel = Panel.fitted(x, 30, 0.01, 0, nulls=19)
    assert ("tail index" in panel.warning) is heavy
    assert panel.level == (0.005 if heavy else 0.01)


def test_too_few_scores_say_nothing_of_their_tail():
    scores = np.random.default_rng(0).pareto(1.0, 5000) + 1
    assert "tail index" in heavy_tailed(scores)
    assert heavy_tailed(scores[:380]) == heavy_tailed(np.zeros(5000)) == ""
