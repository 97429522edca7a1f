"""Copies: which of them count, and what they would do to the tests."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import measured, most_by_chance, reference, s1, window

from detectors import Panel, distinct_rows, mmd_permutation_test
from detectors.copies import first_equal, independent, independent_rows, without_pairs
from detectors.duplicates import Duplicates
from detectors.joint import Joint
from detectors.mean_shift import MeanShift
from detectors.novelty import Novelty
from drift.errors import TooFewRowsError, UnmeasurableError
from drift.records import Reference, Rows, Window

codes = st.lists(st.integers(0, 6), max_size=30)
LEVEL = 0.05


def coded(of: list[int], noise: float = 0.0) -> Rows:
    """One vector for each code, unit vectors that lie far apart, with the places as ids."""
    table = s1(7, np.random.default_rng(0))
    x = table[np.array(of, np.intp)] if of else np.empty((0, table.shape[1]), np.float32)
    rng = np.random.default_rng(1)
    moved = x * np.float32(1 + noise) if noise else x
    return Rows(
        (moved + noise * rng.standard_normal(x.shape[1])).astype(np.float32), ids=tuple(map(str, range(len(of))))
    )


# Equal rows.


@settings(deadline=None, max_examples=50)
@given(codes)
def test_the_first_of_equal_rows_stands_for_them(of):
    assert first_equal(coded(of).vectors).tolist() == [of.index(code) for code in of]


def test_distinct_rows_are_each_there_once_in_their_order():
    x = s1(40, np.random.default_rng(0))
    shuffled = np.random.default_rng(1).permutation(np.repeat(np.arange(40), 3))
    found = distinct_rows(x[shuffled])
    assert shuffled[found].tolist() == list(dict.fromkeys(shuffled.tolist()))
    assert torch.equal(torch.from_numpy(x)[distinct_rows(torch.from_numpy(x))], torch.from_numpy(x))
    assert len(distinct_rows(x[:0])) == 0


def test_equal_is_what_float32_cannot_tell_apart():
    assert distinct_rows(np.array([[0.0, 1], [-0.0, 1], [1e-9, 1], [0.0, 1 + 1e-12]])).tolist() == [0, 2]
    with pytest.raises(UnmeasurableError, match="row 1 has others"):
        distinct_rows(np.array([[1.0], [np.nan]]))


# What counts.


@settings(deadline=None, max_examples=50)
@given(codes, codes)
def test_a_row_counts_as_often_as_in_the_reference_and_once_at_least(of, held):
    known = Counter(held)
    kept = independent(coded(of), reference(coded([*held, 0, 1]).vectors))
    known.update([0, 1])
    seen: Counter[int] = Counter()
    expected = []
    for place, code in enumerate(of):
        seen[code] += 1
        if seen[code] <= max(1, known[code]):
            expected.append(str(place))
    assert list(kept.ids) == expected


def test_popular_inputs_are_known_by_another_encoding_and_others_are_not():
    held = reference(coded([0] * 5 + [1, 2, 3]).vectors)
    assert len(independent(coded([0] * 4, noise=1e-3), held)) == 4
    assert len(independent(coded([0] * 4, noise=0.03), held)) == 1
    assert len(independent(coded([4] * 4), held)) == 1


def test_of_a_pair_in_a_reference_one_is_left_out_and_of_popular_inputs_none():
    rows = coded([0, 1, 2, 1, 3, 2, 2])
    assert without_pairs(rows).ids == ("0", "1", "2", "4", "5", "6")
    assert without_pairs(kept := coded([0, 1, 2])) is kept


def test_a_window_of_copies_is_refused_with_the_numbers():
    of = window(np.repeat(s1(30, np.random.default_rng(0)), 5, axis=0))
    held = reference(s1(100, np.random.default_rng(1)))
    with pytest.raises(TooFewRowsError, match=r"mmd needs at least 64 rows that are no copies, .* has 30 among 150: "):
        independent_rows("mmd", of, held, 64)
    assert len(independent_rows("mmd", of, held, 30)) == 30


# Acceptance case A11: each row is there twice.


@pytest.fixture(scope="module")
def streams() -> list[tuple[Reference, list[Window]]]:
    """Two references, and healthy windows of 128 rows of which each is there twice."""
    rng = np.random.default_rng(1)
    held = [reference(s1(5120, rng)) for _ in range(2)]
    return [(each, [window(np.repeat(s1(128, rng), 2, axis=0)) for _ in range(120)]) for each in held]


@pytest.mark.parametrize(
    ("detector", "count"), [(Joint(), 30), (MeanShift(), 120), (Novelty(), 120)], ids=["joint", "mean_shift", "novelty"]
)
def test_rows_that_are_there_twice_do_not_raise_the_false_alarms(detector, count, streams):
    """Of `joint`, which takes its time, few: copies that counted would alarm in nearly each window."""
    p = [measured(detector, of, held).p_value for held, windows in streams for of in windows[:count]]
    assert np.mean(np.array(p) <= LEVEL) <= 0.07


def test_rows_that_are_there_twice_would_always_be_drift_and_are_named(streams):
    """What a notebook passes is taken as it is; the result says how many copies there are."""
    held, windows = streams[0]
    panel = Panel.fitted(held.vectors, 256, 0.01, 0, nulls=200)
    for of in windows[:20]:
        result = panel.tested(of.vectors)
        assert result.p_value < 0.01
        assert result.copies == 128
        assert measured(Duplicates(), of, held).value == 1
    for of in windows[:3]:
        assert mmd_permutation_test(of.vectors, held.vectors[:1000], permutations=199).p_value < 0.01
    assert panel.test(s1(256, np.random.default_rng(2))).copies == 0


# Popular inputs.


def test_popular_inputs_keep_the_level_as_they_would_not_if_each_counted_once():
    """Zipf's law, with a head of another kind than the tail: as distinct rows, it weighs more in small samples."""
    rng = np.random.default_rng(3)
    table = s1(20_000, rng)
    table[:500, 5] += 0.3
    chances = 1 / np.arange(1, len(table) + 1)
    cumulative = chances.cumsum() / chances.sum()

    def drawn(n: int) -> np.ndarray:
        return table[np.searchsorted(cumulative, rng.random(n))]

    raw = drawn(5120)
    held, once = reference(without_pairs(Rows(raw)).vectors), reference(raw[distinct_rows(raw)])
    alarms, naive, kept = 0, 0, 0
    for _ in range(100):
        x = drawn(256)
        kept += len(independent(Rows(x), held))
        alarms += measured(MeanShift(), window(x), held).p_value <= LEVEL
        naive += measured(MeanShift(), window(x[distinct_rows(x)]), once).p_value <= LEVEL
    assert alarms <= most_by_chance(100, LEVEL)
    assert naive > 50
    assert kept > 0.95 * 25_600
