import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import most_by_chance
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, fisher_exact, multinomial

from detectors import PairedSequence, paired_accuracy
from detectors.kernels import wilson
from detectors.paired import log_capital, median_interval, score_bound, score_interval
from drift.errors import BadArgumentError, TooFewRowsError, UnmeasurableError

Pair = tuple[np.ndarray, np.ndarray]


def answers(n: int, lost: float, gained: float, rng: np.random.Generator, accuracy: float = 0.8) -> Pair:
    """Right or wrong on `n` inputs before and after, with these chances of a change; `accuracy` is that before."""
    u = rng.random(n)
    before = u < accuracy
    return before, np.where(before, u >= lost, u < accuracy + gained)


def counted(lost: int, gained: int, rows: int) -> Pair:
    before, after = np.zeros(rows, bool), np.zeros(rows, bool)
    before[:lost], after[lost : lost + gained] = True, True
    return before, after


def test_accuracies_and_their_difference_are_counted():
    found = paired_accuracy(np.array([True, True, True, False]), np.array([True, False, False, True]))
    assert (found.rows, found.before, found.after, found.difference) == (4, 0.75, 0.5, -0.25)
    assert (found.lost, found.gained) == (2, 1)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (3, 3), (4, 11), (25, 5), (0, 40)])
def test_the_p_value_is_mcnemars_exact_test(lost: int, gained: int):
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1
    assert paired_accuracy(*counted(lost, gained, 60)).p_value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("lost", "gained", "rows", "z", "expected"),
    [
        (7, 1, 21, 1.959964, (-0.517, -0.026)),  # Fagerland et al., Statistics in Medicine 33, 2014: airways
        (25, 28, 618, 1.644854, (-0.0148, 0.0247)),  # R's PropCIs::scoreci.mp(25, 28, 618, 0.9)
    ],
)
def test_the_interval_is_the_published_one(lost, gained, rows, z, expected):
    assert score_interval(lost, gained, rows, z) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(("lost", "gained", "rows"), [(5, 12, 80), (0, 3, 30), (0, 0, 50), (30, 1, 40), (0, 20, 20)])
def test_at_the_bounds_the_score_test_is_at_its_limit(lost: int, gained: int, rows: int):
    """The most likely shares given the difference are sought here by a plain search."""
    for difference, side in zip(score_interval(lost, gained, rows), (1, -1), strict=True):
        if abs(difference) == 1:
            continue
        low, high = max(0.0, -difference), (1 - difference) / 2

        def loss(share: float, d: float = difference) -> float:
            cells = np.array([share, share + d, 1 - 2 * share - d]).clip(1e-300)
            return -float(np.array([lost, gained, rows - lost - gained]) @ np.log(cells))

        share = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        score = (gained - lost - rows * difference) / (rows * (2 * share + difference - difference**2)) ** 0.5
        assert score == pytest.approx(side * 1.959964, rel=1e-3)


def test_swapping_before_and_after_mirrors_everything():
    one, two = (paired_accuracy(*pair) for pair in (counted(4, 9, 50), counted(4, 9, 50)[::-1]))
    assert (one.difference, one.low, one.high) == (-two.difference, -two.high, -two.low)
    assert one.p_value == two.p_value


@pytest.mark.parametrize("rows", [1, 2, 30])
@pytest.mark.parametrize("lost", [0, 1])
def test_all_answers_may_change_or_none(rows: int, lost: int):
    found = paired_accuracy(*counted(rows * lost, rows * (1 - lost), rows))
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.low < found.high
    still = paired_accuracy(*counted(0, 0, rows))
    assert still.low == -still.high < 0
    assert still.p_value == 1


@pytest.mark.parametrize("rows", [50, 200])
def test_the_interval_covers_the_truth_as_often_as_it_says(rows: int):
    """Exactly: the chances of all tables whose interval holds the true difference."""
    covered = []
    few = np.arange(rows // 2 + 1)
    lost, gained = (c.ravel() for c in np.meshgrid(few, few))
    likely = lost + gained <= min(rows, 60)
    lost, gained = lost[likely], gained[likely]
    bounds = {}
    for chances in ((0.01, 0.01), (0.03, 0.03), (0.025, 0.005), (0.08, 0.08), (0.1, 0.02)):
        p = multinomial.pmf(np.stack([lost, gained, rows - lost - gained], 1), rows, [*chances, 1 - sum(chances)])
        inside = 0.0
        for b, c, chance in zip(lost[p > 1e-7].tolist(), gained[p > 1e-7].tolist(), p[p > 1e-7], strict=True):
            low, high = bounds.setdefault((b, c), score_interval(b, c, rows))
            inside += chance * (low <= chances[1] - chances[0] <= high)
        covered.append(inside)
    assert min(covered) > 0.93
    assert np.mean(covered) > 0.945


def test_two_points_lost_are_found_where_two_separate_samples_do_not_show_them():
    rng, paired, separate, wilsons, trials = np.random.default_rng(0), 0, 0, 0, 200
    for _ in range(trials):
        before, after = answers(1000, 0.025, 0.005, rng)
        found = paired_accuracy(before, after)
        paired += found.p_value <= 0.05
        a, b = int(before.sum()), int(after.sum())
        separate += fisher_exact([[a, 1000 - a], [b, 1000 - b]]).pvalue <= 0.05
        wilsons += wilson(a, 1000)[0] > wilson(b, 1000)[1]
    assert paired > 0.9 * trials
    assert separate < 0.3 * trials
    assert wilsons < 0.05 * trials


@pytest.mark.parametrize(("lost", "gained"), [(0.015, 0.015), (0.2, 0.2), (0.03, 0.01), (0.0, 0.004)])
def test_looking_after_every_batch_is_wrong_no_more_often_than_alpha(lost: float, gained: float):
    rng, runs, missed, alarms = np.random.default_rng(1), 150, 0, 0
    for _ in range(runs):
        sequence, outside, alarm = PairedSequence(alpha=0.1, tolerance=max(0.0, lost - gained)), False, False
        for size in (1, 4, 10, 20, *[60] * 26):
            sequence = sequence.update(*answers(size, lost, gained, rng))
            outside |= not holds(sequence, gained - lost)
            alarm |= sequence.loss_shown
        missed += outside
        alarms += alarm
    assert missed <= most_by_chance(runs, 0.1)
    assert alarms <= most_by_chance(runs, 0.05)


def holds(of: PairedSequence, mean: float) -> bool:
    """Whether `mean` is within the bounds, without computing them."""
    up, down = log_capital(mean, of.lost, of.same, of.gained), log_capital(-mean, of.gained, of.same, of.lost)
    return max(up, down) <= np.log(2 / of.alpha)


@settings(deadline=None)
@given(counts=st.tuples(*[st.integers(0, 300)] * 3), mean=st.floats(-0.99, 0.99), tolerance=st.floats(0, 0.5))
def test_the_bounds_are_where_the_capital_reaches_its_limit(
    counts: tuple[int, int, int], mean: float, tolerance: float
):
    of = PairedSequence(0.05, tolerance, *counts)
    lower, upper = of.lower, of.upper
    if min(abs(mean - lower), abs(mean - upper)) > 1e-9:
        assert holds(of, mean) == (lower < mean < upper)
    if abs(upper + tolerance) > 1e-9:
        assert of.loss_shown == (upper < -tolerance)
        assert all(of.rules_out(loss) == (of.lower > -loss) for loss in (0.001, 0.05, 0.2, 0.9))


def test_a_mean_that_changes_raises_no_false_alarm():
    """As much worse as is tolerated, or as good as ever, again and again."""
    rng, runs, alarms = np.random.default_rng(2), 150, 0
    for _ in range(runs):
        sequence, alarm = PairedSequence(alpha=0.1, tolerance=0.02), False
        for i in range(40):
            sequence = sequence.update(*answers(40, 0.03, 0.01 if i % 3 else 0.03, rng))
            alarm |= sequence.loss_shown
        alarms += alarm
    assert alarms <= most_by_chance(runs, 0.05)


def test_two_points_lost_are_shown_within_a_thousand_inputs_mostly():
    rng, found = np.random.default_rng(3), []
    for _ in range(60):
        sequence = PairedSequence()
        while not sequence.loss_shown and sequence.rows < 3000:
            sequence = sequence.update(*answers(50, 0.025, 0.005, rng))
        found.append(sequence.rows)
    assert np.median(found) <= 700
    assert np.quantile(found, 0.9) <= 1600


def test_the_bounds_close_in_on_the_mean_and_hold_it():
    rng, sequence = np.random.default_rng(4), PairedSequence()
    assert (sequence.lower, sequence.upper, sequence.loss_shown) == (-1, 1, False)
    widths = []
    for _ in range(4):
        sequence = sequence.update(*answers(10_000, 0.05, 0.02, rng))
        widths.append(sequence.upper - sequence.lower)
        assert sequence.lower < -0.03 < sequence.upper
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.01


def test_batches_of_any_size_give_what_all_inputs_at_once_give():
    before, after = answers(500, 0.1, 0.05, np.random.default_rng(5))
    whole, parts = PairedSequence().update(before, after), PairedSequence()
    for i in range(0, 500, 7):
        parts = parts.update(before[i : i + 7], after[i : i + 7])
    assert parts == whole
    assert whole.rows == 500


@pytest.mark.parametrize("count", [1, 10_000_000])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_extreme_counts_have_bounds(column: int, count: int):
    counts = [0, 0, 0]
    counts[column] = count
    sequence = PairedSequence(0.05, 0.0, *counts)
    assert -1 <= sequence.lower <= column - 1 <= sequence.upper <= 1
    if count > 1:
        assert sequence.upper - sequence.lower < 0.01


def test_a_loss_is_shown_when_the_upper_bound_is_below_the_tolerance():
    upper = PairedSequence(lost=300, same=9700).upper
    assert -0.03 < upper < -0.02
    assert PairedSequence(tolerance=-upper - 1e-6, lost=300, same=9700).loss_shown
    assert not PairedSequence(tolerance=-upper + 1e-6, lost=300, same=9700).loss_shown


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (9, 2, 8), (20, 6, 15), (30, 10, 21), (50, 18, 33)])
def test_the_interval_of_a_median_has_the_ranks_of_the_tables(n, low, high):
    values = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert median_interval(values.tolist()) == (low, high)


@pytest.mark.parametrize("n", range(6))
def test_five_values_enclose_no_median_in_95_percent(n):
    assert median_interval([1.0] * n) is None


def test_tensors_and_lists_will_do():
    before, after = [True, True, False], [True, False, True]
    one = paired_accuracy(before, after)
    assert one == paired_accuracy(torch.tensor(before), np.array(after))
    assert PairedSequence().update(before, torch.tensor(after)).lost == 1
    assert PairedSequence().update([], []) == PairedSequence()


def test_what_cannot_be_paired_is_refused_by_name():
    flags = np.array([True, False])
    with pytest.raises(UnmeasurableError, match="same inputs, before has 2 and after 1: ask both the same texts"):
        paired_accuracy(flags, flags[:1])
    with pytest.raises(UnmeasurableError, match=r"after needs booleans of shape \(n,\), it has int64"):
        paired_accuracy(flags, flags.astype(np.int64))
    with pytest.raises(UnmeasurableError, match=r"before needs booleans .* of shape \(2, 1\)"):
        PairedSequence().update(flags[:, None], flags)
    with pytest.raises(TooFewRowsError, match="at least 1 input"):
        paired_accuracy(flags[:0], flags[:0])
    with pytest.raises(ValueError, match=r"PairedSequence needs alpha above 0 and below 1, it is 1\.0"):
        PairedSequence(alpha=1.0)
    with pytest.raises(BadArgumentError, match=r"tolerance of at least 0 and below 1, it is -0\.1"):
        PairedSequence(tolerance=-0.1)
    with pytest.raises(BadArgumentError, match="lost to be a whole number, at least 0, it is -1"):
        PairedSequence(lost=-1)
    assert score_bound(2, 0, 2, 1.96) == -1
