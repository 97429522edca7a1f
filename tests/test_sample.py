"""The sample is uniform, and the same however the rows come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from collectors.sample import Sample, lowest, priorities
from drift.records import Rows

keys = st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=30)


def drawn(n: int, *, batch: str = "batch", salt: str = "stream", ids: tuple[str | None, ...] = ()) -> np.ndarray:
    return priorities(ids, batch, np.arange(n), salt=salt)


def rows_of(numbers: np.ndarray) -> Rows:
    return Rows(np.stack([numbers, np.ones(len(numbers))], axis=1).astype(np.float32), ids=tuple(map(str, numbers)))


# Priorities.


def test_priorities_are_fixed_for_good():
    """They are stored: another value after an upgrade would mix two samples of one window."""
    fixed = priorities(("a", None, ""), "batch", np.array([0, 1, 2]), salt="stream")
    assert fixed.tolist() == [13488637216727182867, 15153277329488527518, 925600961178035466]


@settings(deadline=None, max_examples=50)
@given(keys, st.data())
def test_a_priority_does_not_depend_on_the_rows_beside_it(ids, data):
    whole = drawn(len(ids), ids=tuple(ids))
    some = np.array(sorted(data.draw(st.sets(st.integers(0, len(ids) - 1)))), np.int64)
    part = priorities(tuple(ids[i] for i in some), "batch", some, salt="stream")
    assert np.array_equal(part, whole[some])


@settings(deadline=None, max_examples=50)
@given(keys, st.data())
def test_a_row_with_an_id_draws_the_same_in_any_batch_at_any_position(ids, data):
    order = np.array(data.draw(st.permutations(range(len(ids)))))
    moved = priorities(tuple(ids[i] for i in order), "another batch", np.arange(len(ids)), salt="stream")
    for new, old in enumerate(order):
        if ids[old]:
            assert moved[new] == drawn(len(ids), ids=tuple(ids))[old]
    assert len({int(p) for p in moved}) >= len({i for i in ids if i}) + sum(not i for i in ids)


def test_streams_and_batches_draw_independently():
    ids = tuple(map(str, range(4000)))
    for one, other in (
        (drawn(4000), drawn(4000, batch="other")),
        (drawn(4000), drawn(4000, salt="other")),
        (drawn(4000, ids=ids), drawn(4000, salt="other", ids=ids)),
        (drawn(4000), drawn(4000, ids=ids)),
    ):
        assert not np.intersect1d(one, other).size
        assert abs(stats.spearmanr(one, other).statistic) < 0.07


@pytest.mark.parametrize("ids", [(), tuple(f"doc-{i}" for i in range(20_000))], ids=["positions", "ids"])
def test_priorities_are_uniform(ids):
    assert stats.kstest(drawn(20_000, ids=ids) / 2.0**64, "uniform").pvalue > 1e-3
    # Each of the 64 bits is a fair coin, so that no remainder or prefix of them is skewed either.
    ones = np.unpackbits(drawn(20_000, ids=ids).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0)
    assert stats.chisquare(np.stack([ones, 20_000 - ones])).pvalue.min() > 1e-5


@pytest.mark.parametrize("with_ids", [False, True])
def test_each_row_is_drawn_equally_often(with_ids):
    rows, k, trials = 20, 5, 4000
    ids = tuple(f"row {i}" for i in range(rows)) if with_ids else ()
    chosen = [lowest(drawn(rows, salt=f"span {t}", batch="file", ids=ids), k) for t in range(trials)]
    counts = np.bincount(np.concatenate(chosen), minlength=rows)
    # Drawing without replacement shrinks the variance of each count by (n - k) / (n - 1).
    statistic = ((counts - counts.mean()) ** 2).sum() / counts.mean() * (rows - 1) / (rows - k)
    assert 1e-3 < stats.chi2.sf(statistic, rows - 1) < 1 - 1e-3
    # And so is each pair.
    together = sum(int({0, 1} <= set(c.tolist())) for c in chosen)
    assert stats.binomtest(together, trials, k * (k - 1) / (rows * (rows - 1))).pvalue > 1e-3


# The lowest.

small = st.lists(st.integers(0, 5), max_size=20).map(lambda values: np.array(values, np.uint64))


@settings(deadline=None, max_examples=50)
@given(small, st.integers(-1, 25))
def test_the_lowest_come_lowest_first_and_of_equals_the_first(values, k):
    expected = [int(np.argmax(values == value)) for value in sorted(set(values))][: max(k, 0)]
    assert lowest(values, k).tolist() == expected


# Merging.


@settings(deadline=None, max_examples=50)
@given(st.lists(small, min_size=1, max_size=6), st.integers(1, 8))
def test_the_lowest_of_a_union_are_the_lowest_of_the_lowest(parts, k):
    """Of equals, the one of the part that came first is kept."""
    whole = np.concatenate(parts)
    sample, seen = Sample.none(2), 0
    for part in parts:
        sample = sample.merged(rows_of(np.arange(seen, seen + len(part))), part, k)
        seen += len(part)
    kept = lowest(whole, k)
    assert sample.rows.ids == tuple(map(str, kept))
    assert np.array_equal(sample.priorities, whole[kept])
    assert np.array_equal(sample.rows.vectors[:, 0], kept)


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(40)), st.lists(st.integers(0, 40), max_size=4), st.integers(1, 50))
def test_the_sample_does_not_depend_on_how_rows_are_ordered_or_split(order, cuts, k):
    ids = np.array(order)
    expected = rows_of(np.arange(40)).take(lowest(drawn(40, ids=tuple(map(str, range(40)))), k)).ids
    sample = Sample.none(2)
    for number, part in enumerate(np.split(ids, sorted(cuts))):
        rows = rows_of(part)
        sample = sample.merged(rows, priorities(rows.ids, f"batch {number}", np.arange(len(rows)), salt="stream"), k)
    assert sample.rows.ids == expected


@settings(deadline=None, max_examples=50)
@given(small, small, small, st.integers(1, 8))
def test_merging_samples_is_associative(one, two, three, k):
    def sample(values: np.ndarray, start: int) -> Sample:
        return Sample.none(2).merged(rows_of(np.arange(start, start + len(values))), values, k)

    a, b, c = sample(one, 0), sample(two, 100), sample(three, 200)
    left = a.merged(b.rows, b.priorities, k).merged(c.rows, c.priorities, k)
    inner = b.merged(c.rows, c.priorities, k)
    assert left.rows.ids == a.merged(inner.rows, inner.priorities, k).rows.ids


def test_a_limit_of_none_keeps_none():
    assert len(Sample.none(2).merged(rows_of(np.arange(3)), drawn(3), 0).rows) == 0
