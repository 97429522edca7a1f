"""The matrix of any two times: from sums that are kept of windows, over months."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from seed_rows import reference as made
from test_dashboard import config_file, page, seeded_url, text  # noqa: F401

from dashboard import matrix, pairs
from dashboard.layers import millis
from drift.records import Reference, Sketch, Span
from drift.store import references, sketches, writes
from drift.store.connect import connect

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)
STREAM, BY, DIM = "support-tickets", matrix.KEPT_BY, 4


def reference(**changes) -> Reference:
    return made(STREAM, DIM, START, **changes)


def save(conn, held: Reference, at: datetime, mean: np.ndarray, rows: int = 100) -> None:
    """Keep the sums of a window of `rows` rows about `mean`."""
    centre = held.vectors.mean(0, dtype=np.float64)
    writes.save_sketch(conn, STREAM, BY, at, Sketch(held.version, rows, rows * (mean - centre)))


def test_distances_are_in_standard_deviations_of_a_row_less_what_chance_gives():
    rng = np.random.default_rng(1)
    rows = (50, 400, 400)
    moved = np.array([0.5, 0, 0, 0])
    draws = [
        matrix.distances(
            np.array([rng.standard_normal((n, DIM)).mean(0) + (moved if i == 2 else 0) for i, n in enumerate(rows)]),
            rows,
            float(DIM),
        )
        for _ in range(200)
    ]
    typical = np.sqrt(np.mean(np.square(draws), axis=0))
    assert typical[0, 2] == pytest.approx(np.linalg.norm(moved) / np.sqrt(DIM), abs=0.03)
    assert typical[0, 1] < 0.15  # and not the 0.15 = sqrt(1/50 + 1/400) that two healthy means are apart
    assert np.median([d[1, 2] for d in draws]) == pytest.approx(0.25, abs=0.02)


def test_the_step_is_a_round_length_of_which_few_enough_lie_in_the_range():
    minute = timedelta(minutes=1)
    assert matrix.step_for(Span(START, START + DAY), minute) == 10 * minute
    assert matrix.step_for(Span(START, START + 7 * DAY), HOUR) == HOUR
    assert matrix.step_for(Span(START, START + 90 * DAY), HOUR) == 12 * HOUR


def test_whole_windows_fit_into_a_step():
    assert matrix.step_for(Span(START, START + 20 * DAY), 4 * HOUR) == 4 * HOUR  # 3 h would leave each fourth empty
    assert matrix.step_for(Span(START, START + DAY), 7 * timedelta(minutes=1)) == 14 * timedelta(minutes=1)
    assert matrix.step_for(Span(START, START + DAY), 3 * DAY) == 3 * DAY


def test_how_long_windows_are_is_not_changed_by_a_gap_or_by_a_few_that_are_shorter(engine):
    starts = [i * HOUR for i in range(48) if not 10 <= i < 20] + [
        48 * HOUR + i * timedelta(minutes=1) for i in range(60)
    ]
    with engine.begin() as conn:
        for start in starts:
            save(conn, reference(), START + start, np.zeros(DIM))
        span = Span(START, START + 3 * DAY)
        assert sketches.spacing(conn, STREAM, BY, span) == HOUR
        assert sketches.spacing(conn, STREAM, BY, Span(START, START + HOUR)) is None


def test_of_each_stretch_a_bounded_number_of_windows_is_read_spread_over_it(engine):
    held = reference()
    with engine.begin() as conn:
        for i in range(48):
            save(conn, held, START + i * HOUR, np.full(DIM, float(i)), rows=1 + i)
        whole = sketches.binned(conn, STREAM, BY, Span(START, START + 2 * DAY), DAY, each=24)
        few = sketches.binned(conn, STREAM, BY, Span(START, START + 2 * DAY), DAY, each=6)
    assert [at for at, _ in whole] == [START, START + DAY]
    assert [kept.rows for _, kept in whole] == [sum(range(1, 25)), sum(range(25, 49))]
    assert [kept.rows for _, kept in few] == [1 + 5 + 9 + 13 + 17 + 21, 25 + 29 + 33 + 37 + 41 + 45]


def test_a_change_of_the_reference_does_not_look_like_one_of_the_traffic(engine):
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    before, after = reference(), reference(seed=1, centre=3.0)
    mean = np.array([0.3, 0, 0, 0])
    with engine.begin() as conn:
        for held in (before, after):
            references.save(conn, held)
        for i in range(1, 9):
            save(conn, before if i > 4 else after, now - i * HOUR, mean)
        found = matrix.read(conn, STREAM, DAY).matrix
    assert found.distances.max() < 1e-6
    assert len(found.starts) >= 8


def test_the_moment_of_a_change_is_where_two_blocks_meet(seeded_url):  # noqa: F811
    engine = connect(seeded_url)
    with engine.connect() as conn:
        found = matrix.read(conn, STREAM, 28 * DAY).matrix
    engine.dispose()
    half = sum(at < datetime.now(UTC) - 14.5 * DAY for at in found.starts)
    after = sum(at > datetime.now(UTC) - 13.5 * DAY for at in found.starts)
    assert found.distances[:half, :half].max() < found.distances[:half, -after:].min()


def test_two_times_in_the_address_are_compared(page, seeded_url):  # noqa: F811
    now = datetime.now(UTC)
    query = {"a": (now - 30 * HOUR).isoformat(), "b": (now - 3 * HOUR).isoformat()}
    shown = text(page(seeded_url, "times", stream=STREAM, last="30 d", **query)).replace("\u202f", " ")
    assert "These two" in shown
    assert "standard deviations of a row" in shown
    assert "traffic" in shown


@pytest.mark.parametrize("query", [{}, {"a": "yesterday", "b": "x"}, {"a": "2001-01-01", "b": "2026-01-01T00:00:00Z"}])
def test_what_names_no_two_times_compares_nothing(page, seeded_url, query):  # noqa: F811
    assert "These two" not in text(page(seeded_url, "times", stream=STREAM, last="30 d", **query))


def test_a_stream_of_which_no_sums_are_kept_says_who_keeps_them(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "times", stream="products")
    assert "The detector `mean_shift` keeps them" in app.info[0].value


def test_an_empty_database_says_what_to_do(page, postgres_url):  # noqa: F811
    assert "drift run" in page(postgres_url, "times").info[0].value


def test_sums_outlive_vectors(engine):
    from drift.store import retention

    with engine.begin() as conn:
        save(conn, reference(), START, np.zeros(DIM))
        retention.forget(conn, vectors=START + DAY, history=START - DAY, now=START)
        assert sketches.binned(conn, STREAM, BY, Span(START, START + DAY), DAY)
        retention.forget(conn, vectors=START + DAY, history=START + DAY, now=START)
        assert not sketches.binned(conn, STREAM, BY, Span(START, START + DAY), DAY)


def test_cells_carry_the_numbers_of_their_stretches():
    starts = (START, START + HOUR)
    found = matrix.Matrix(HOUR, starts, (10, 10), np.array([[0.0, 1.0], [1.0, 0.0]]))
    drawn = pairs.picture(found, 100)
    assert drawn["starts"] == [millis(START), millis(START + HOUR)]
    assert (drawn["distances"], drawn["most"]) == ([[0.0, 1.0], [0.0]], 1.0)
