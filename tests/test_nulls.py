import numpy as np
import pytest
from samples import reference, s1

from detectors.nulls import guarded, null_picks, rank_p, require_held, widening
from drift.errors import UnmeasurableError


def test_null_windows_are_random_and_hold_no_row_twice():
    picks = null_picks(12, 5, 4000, np.random.default_rng(0))
    assert (np.diff(np.sort(picks, axis=1), axis=1) > 0).all()
    for place in range(5):  # every row is as likely in every place
        assert np.bincount(picks[:, place], minlength=12) == pytest.approx(np.full(12, 4000 / 12), abs=80)


def test_widening_gives_subsets_the_spread_of_fresh_samples():
    rng = np.random.default_rng(1)
    part, fresh = [], []
    for _ in range(4000):
        held = rng.standard_normal(40)
        part.append(held[:10].mean() - held.mean())
        fresh.append(rng.standard_normal(10).mean() - held.mean())
    assert np.std(fresh) / np.std(part) == pytest.approx(widening(10, 40), rel=0.05)


def test_a_p_value_counts_null_values_that_are_as_large():
    nulls = np.array([1.0, 2.0, 2.0, 3.0])
    assert [rank_p(x, nulls) for x in (0.0, 1.0, 2.0, 2.5, 3.0, 4.0)] == [1, 1, 0.8, 0.4, 0.4, 0.2]


def test_p_values_are_doubled_where_the_reference_is_small():
    assert [guarded(0.3, 10, 199), guarded(0.6, 10, 199), guarded(0.3, 10, 200)] == [0.6, 1.0, 0.3]


def test_a_reference_too_small_is_refused_with_what_would_do():
    held = reference(s1(30, np.random.default_rng(2)))
    require_held("test", held, 15, 15, 7)
    with pytest.raises(
        UnmeasurableError, match=r"test needs 16 reference rows for windows of 7, it can use 15 of the 30"
    ):
        require_held("test", held, 15, 16, 7)
