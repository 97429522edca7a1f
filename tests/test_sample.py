"""The sample is uniform, of independent rows, and the same however they come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import LIVE, MEAN, ROOT, measured, normalise, reference, window
from scipy import stats

from collectors.sample import Sample, priorities
from detectors.mean_shift import MeanShift
from drift.records import OWN_BITS, Rows, lowest

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


# Sessions.


def test_a_session_is_drawn_as_often_whether_it_is_long_or_short():
    """Ten sessions of one to ten rows: by rows, the longest would be drawn ten times as often as the shortest."""
    sessions = tuple(f"s{i}" for i in range(10) for _ in range(i + 1))
    drawn_from = np.array([int(name[1:]) for name in sessions])
    counts = np.zeros(10)
    for trial in range(3000):
        lots = priorities((), "batch", np.arange(55), salt=f"span {trial}", sessions=sessions)
        kept = drawn_from[lowest(lots, 3)]
        assert len(set(kept)) == 3
        counts[kept] += 1
    statistic = ((counts - 900) ** 2).sum() / 900 * 9 / 7  # without replacement
    assert 1e-3 < stats.chi2.sf(statistic, 9) < 1 - 1e-3


@pytest.mark.parametrize("with_ids", [False, True])
def test_each_row_of_a_session_is_drawn_equally_often(with_ids):
    ids = tuple(f"row {i}" for i in range(5)) if with_ids else ()
    lots = (priorities(ids, "b", np.arange(5), salt=f"span {t}", sessions=("s",) * 5) for t in range(4000))
    counts = np.bincount(np.concatenate([lowest(lot, 9) for lot in lots]), minlength=5)
    assert counts.sum() == 4000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_rows_without_a_session_draw_as_if_no_row_had_one():
    sessions = ("s", None, "", "s", None)
    lots = priorities(("a", "b", "c", "d", None), "batch", np.arange(5), salt="stream", sessions=sessions)
    plain = priorities(("a", "b", "c", "d", None), "batch", np.arange(5), salt="stream")
    assert np.array_equal(lots[[1, 2, 4]], plain[[1, 2, 4]])
    assert lots[0] >> OWN_BITS == lots[3] >> OWN_BITS
    assert not np.array_equal(lots[[0, 3]], plain[[0, 3]])


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(40)), st.lists(st.integers(0, 40), max_size=4), st.integers(1, 12))
def test_the_row_of_a_session_does_not_depend_on_order_and_batches(order, cuts, k):
    def lots_of(rows: np.ndarray, batch: str) -> np.ndarray:
        ids, sessions = tuple(map(str, rows)), tuple(f"s{row % 10}" for row in rows)
        return priorities(ids, batch, np.arange(len(rows)), salt="stream", sessions=sessions)

    whole = lowest(lots_of(np.arange(40), "all"), k)
    sample = Sample.none(2)
    for number, part in enumerate(np.split(np.array(order), sorted(cuts))):
        sample = sample.merged(rows_of(part), lots_of(part, f"batch {number}"), k)
    assert sample.rows.ids == tuple(map(str, whole))


def test_five_rows_of_each_session_keep_the_level_with_the_session_sent_and_alarm_without():
    """Healthy traffic of 200 sessions of five rows, which have half of their variance in common; 256 rows are kept."""
    rng, topic = np.random.default_rng(0), np.repeat(np.arange(200), 5)

    def embedded(z: np.ndarray) -> np.ndarray:
        return normalise(z @ ROOT.numpy().T + MEAN.numpy())

    held = reference(embedded(rng.standard_normal((5120, LIVE))))

    def alarms(sessions: tuple[str, ...]) -> float:
        found = []
        for trial in range(100):
            shared, own = rng.standard_normal((200, LIVE)), rng.standard_normal((1000, LIVE))
            x = embedded(np.sqrt(0.5) * (shared[topic] + own))
            lots = priorities((), "batch", np.arange(1000), salt=f"span {trial}", sessions=sessions)
            found.append(measured(MeanShift(), window(x[lowest(lots, 256)]), held).p_value <= 0.05)
        return float(np.mean(found))

    assert alarms(tuple(f"s{i}" for i in topic)) <= 0.11
    assert alarms(()) > 0.4


# The lowest.

# Few sessions, each of whose rows may draw one of three priorities.
small = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=20).map(
    lambda pairs: np.array([(session << int(OWN_BITS)) + own for session, own in pairs], np.uint64)
)


@settings(deadline=None, max_examples=50)
@given(small, st.integers(-1, 25))
def test_the_lowest_come_lowest_first_one_of_each_session_and_of_equals_the_first(values, k):
    least: dict[int, int] = {}
    for at in sorted(range(len(values)), key=lambda at: (int(values[at]), at)):
        least.setdefault(int(values[at]) >> int(OWN_BITS), at)
    assert lowest(values, k).tolist() == list(least.values())[: max(k, 0)]


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
