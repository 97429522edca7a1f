from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import least_by_chance, measured, most_by_chance, normalise, reference, s1, shifted, window

from detectors import Online, mmd_permutation_test
from detectors.nulls import null_picks
from detectors.online import OnlineInWindow, threshold_for
from detectors.recent import follow, noise
from drift.errors import BadReferenceError, UnmeasurableError

MIXING = np.random.default_rng(99).standard_normal((24, 24)) / 24**0.5
MEMORY, RUN = 20, 400


def rows(n: int, rng: np.random.Generator, shift: float = 0.0) -> np.ndarray:
    """Unit vectors of 24 dependent dimensions: cheaper than S1 for long runs."""
    return normalise(rng.standard_normal((n, 24)) @ MIXING + 0.3 + shift)


@pytest.fixture(scope="module")
def watch() -> Online:
    return Online.fit(rows(4000, np.random.default_rng(0)), RUN, window_size=MEMORY, seed=1)


@pytest.fixture
def fresh(watch: Online) -> Online:
    watch.restart()
    return watch


@pytest.fixture(scope="module")
def run_lengths() -> np.ndarray:
    """Rows between alarms on healthy rows, of several references."""
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        online = Online.fit(rows(4000, rng), RUN, window_size=MEMORY, seed=seed)
        ends = [alarm.row for alarm in online.update(rows(16_000, rng))]
        found.append(np.diff(ends, prepend=-1))
    return np.concatenate(found)


def test_healthy_rows_alarm_once_in_the_expected_run_time(run_lengths: np.ndarray):
    # 240 runs: a standard error of 6 %, and references that differ.
    assert run_lengths.mean() == pytest.approx(RUN, rel=0.15)


def test_an_alarm_is_as_likely_at_any_time_after_the_first_windows(run_lengths: np.ndarray):
    after = run_lengths[run_lengths > 2 * MEMORY] - 2 * MEMORY
    shares = [np.mean(after[after > start] <= start + RUN / 2) for start in (0, RUN / 2, RUN)]
    assert shares == pytest.approx([1 - np.exp(-0.5)] * 3, abs=0.1)


def test_a_change_is_found_sooner_than_by_fixed_windows_with_as_many_false_alarms(fresh: Online):
    rng = np.random.default_rng(2)
    held = rows(1000, rng)
    sooner, later = [], []
    for _ in range(12):
        fresh.restart()
        healthy = rng.integers(MEMORY, 2 * MEMORY)
        # Both see the same rows: healthy ones, then others.
        stream = np.concatenate([rows(healthy, rng), rows(60 * MEMORY, rng, shift=0.12)])
        start = fresh._seen
        alarms = [alarm.row - start - healthy for alarm in fresh.update(stream)]
        sooner.append(next(row for row in alarms if row >= 0))
        for end in range(MEMORY, len(stream), MEMORY):
            found = mmd_permutation_test(stream[end - MEMORY : end], held, permutations=59, seed=end)
            if end > healthy and found.p_value <= MEMORY / RUN:
                break
        later.append(end - 1 - healthy)
    assert np.mean(sooner) < 0.7 * np.mean(later)


def test_the_running_mean_of_healthy_rows_varies_as_that_of_a_window():
    rng = np.random.default_rng(14)
    x = torch.from_numpy(rng.standard_normal((200, 5)))
    x -= x.mean(0)
    total = float(x.square().sum(1).mean())
    for held, picks in ((10**9, rng.integers(0, 200, (4000, 80))), (-200, null_picks(200, 80, 4000, rng))):
        found = follow(torch.zeros(4000, 5, dtype=x.dtype), x, torch.from_numpy(picks), 10)[:, 79]
        assert float(found.mean()) / total == pytest.approx(noise(10, held), rel=0.06)


def test_the_row_of_an_alarm_is_counted_over_all_updates_and_the_mean_starts_afresh(watch: Online):
    online = Online.fit(rows(4000, np.random.default_rng(0)), RUN, window_size=MEMORY, seed=1)
    rng = np.random.default_rng(3)
    assert online.update(rows(10, rng)) == ()
    alarms = online.update(rows(60, rng, shift=3))
    assert alarms[0].row in range(10, 20)
    assert alarms[0].statistic >= alarms[0].threshold == online.threshold == watch.threshold
    assert np.diff([alarm.row for alarm in alarms]).min() > 1
    assert online.update(rows(40, rng)) == ()  # what has passed does not alarm again


def test_rows_in_one_update_or_one_by_one_are_the_same(fresh: Online):
    stream = np.concatenate([rows(50, np.random.default_rng(4)), rows(50, np.random.default_rng(4), shift=0.5)])
    first = fresh._seen
    together = fresh.update(stream)
    fresh.restart()
    second = fresh._seen
    singly = [alarm for row in stream for alarm in fresh.update(torch.from_numpy(row))]
    assert [a.row - first for a in together] == [a.row - second for a in singly] != []
    assert [a.statistic for a in together] == pytest.approx([a.statistic for a in singly])
    assert fresh.update(stream[:0]) == ()


def test_state_has_one_size_and_goes_on_in_another_process(fresh: Online):
    rng = np.random.default_rng(5)
    fresh.update(rows(10, rng))
    early = fresh.state
    fresh.update(rows(10_000, rng))
    late = fresh.state
    assert isinstance(late, bytes)
    assert len(early) == len(late) < 3000
    other = Online.fit(rows(4000, np.random.default_rng(0)), RUN, window_size=MEMORY, seed=1)
    other.resume(late)
    following = rows(200, rng, shift=0.2)
    assert other.update(following) == fresh.update(following) != ()
    assert other.state == fresh.state != late


def test_the_state_of_another_fit_is_refused(fresh: Online):
    x = rows(4000, np.random.default_rng(0))
    for other in (
        Online.fit(x, RUN + 1, window_size=MEMORY, seed=1),
        Online.fit(x, RUN, window_size=MEMORY, seed=2),
        Online.fit(x[::-1], RUN, window_size=MEMORY, seed=1),
    ):
        with pytest.raises(ValueError, match="online needs the state of a fit with the same reference"):
            fresh.resume(other.state)
    with pytest.raises(ValueError, match="online needs the state"):
        fresh.resume(fresh.state[:-8])


def test_rows_that_cannot_be_used_are_refused_whole(fresh: Online):
    before = fresh.state
    bad = rows(5, np.random.default_rng(6))
    bad[3, 0] = np.nan
    with pytest.raises(UnmeasurableError, match="row 3"):
        fresh.update(bad)
    with pytest.raises(UnmeasurableError, match="rows and reference need vectors of one length, they have 23 and 24"):
        fresh.update(bad[:3, :23])
    assert fresh.state == before


def test_rarer_alarms_have_higher_thresholds_also_beyond_what_was_simulated():
    features = torch.from_numpy(np.random.default_rng(7).standard_normal((800, 6))).float() / 6**0.5
    features -= features.mean(0)
    times = [10 * MEMORY, 100 * MEMORY, 1000 * MEMORY, 10_000 * MEMORY, 10**5 * MEMORY]
    found = [threshold_for(features, MEMORY, t, np.random.default_rng(8)) for t in times]
    steps = np.diff(found)
    assert (steps > 0).all()
    assert steps[2:] == pytest.approx(steps[1], rel=0.3)  # the logarithm of the time, nearly


def test_what_cannot_be_fitted_is_refused():
    x = rows(800, np.random.default_rng(9))
    with pytest.raises(BadReferenceError, match="reference needs at least 800 rows, it has 799"):
        Online.fit(x[:799], RUN, window_size=MEMORY)
    with pytest.raises(BadReferenceError, match="online needs rows that differ in both halves"):
        Online.fit(np.concatenate([x[:1], np.repeat(x[1:2], 799, axis=0)]), RUN, window_size=MEMORY)
    for time, size in ((199, MEMORY), (100, 1)):
        with pytest.raises(ValueError, match=r"Online.fit needs (expected_run_time|window_size) to be"):
            Online.fit(x, time, window_size=size)


def test_level_in_windows_is_right_over_several_references():
    rng = np.random.default_rng(10)
    detector = OnlineInWindow(memory=32, nulls=399)
    p = []
    for _ in range(8):
        against = reference(s1(2560, rng))
        p += [measured(detector, window(s1(96, rng)), against).p_value for _ in range(50)]
    for alpha in (0.2, 0.1, 0.05, 0.01):
        assert least_by_chance(300, alpha) / 300 <= np.mean(np.array(p) <= alpha) <= most_by_chance(300, alpha) / 300


def test_a_change_in_the_middle_of_a_window_is_found_by_its_order():
    rng = np.random.default_rng(11)
    against = reference(s1(5120, rng))
    inside, mixed = [], []
    for _ in range(12):
        y = np.concatenate([s1(192, rng), shifted(s1(64, rng), 0.1, rng)])
        inside.append(measured(OnlineInWindow(), window(y), against).p_value)
        mixed.append(measured(OnlineInWindow(), window(y[rng.permutation(256)]), against).p_value)
    assert np.mean(np.array(inside) <= 0.05) >= 0.8
    assert np.mean(np.array(mixed) <= 0.05) <= 0.5


def test_rows_are_taken_in_the_order_of_their_times():
    rng = np.random.default_rng(12)
    against, order = reference(s1(1280, rng)), rng.permutation(64)
    of = window(s1(64, rng))
    timed = replace(of, rows=replace(of.rows, times=np.arange(64)).take(order))
    untimed = replace(of, rows=of.rows.take(order))
    expected = measured(OnlineInWindow(), of, against)
    assert measured(OnlineInWindow(), timed, against) == expected
    assert measured(OnlineInWindow(), untimed, against).value != expected.value


def test_few_reference_rows_for_each_that_counts_double_the_p_value():
    rng = np.random.default_rng(13)
    x, y = s1(1280, rng), shifted(s1(64, rng), 0.1, rng)
    at_32, at_33 = (measured(OnlineInWindow(memory=m), window(y), reference(x)) for m in (32, 33))
    assert at_33.p_value == pytest.approx(2 * at_32.p_value, rel=0.3)


@pytest.mark.parametrize("wrong", [{"memory": 1}, {"nulls": 0}, {"min_rows": 1}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="online needs memory >= 2"):
        OnlineInWindow(**wrong)
