"""Reference and windows in one plane."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import seed_rows
from test_dashboard import config_file, page, seeded_url, text  # noqa: F401

from dashboard import projection, scatter
from dashboard.projection import Wanted
from dashboard.scatter import By
from drift.records import Span, Stream
from drift.store import references, windows, writes

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
STREAM = Stream("search", "encoder", "1", 6)


def held(dim: int = 6):
    return seed_rows.reference("search", dim, START)


def test_the_axes_are_those_along_which_the_reference_varies_most():
    x = np.random.default_rng(0).standard_normal((300, 3)).astype(np.float32) * [1, 5, 3]
    plane = projection.fitted(seed_rows.Reference("s", seed_rows.Rows(x.astype(np.float32)), START, "f"))
    assert np.abs(plane.axes[1, 0]) > 0.99
    assert np.abs(plane.axes[2, 1]) > 0.99
    assert sum(plane.shares) == pytest.approx(34 / 35, abs=0.03)
    assert np.allclose(plane.of(x).mean(0), 0, atol=1e-4)


def test_the_same_reference_always_gives_the_same_picture():
    rows = held().rows
    order = np.random.default_rng(3).permutation(len(rows))
    shuffled = seed_rows.Reference("search", rows.take(order), START, "f")
    some = rows.vectors[:20]
    assert np.allclose(projection.fitted(held()).of(some), projection.fitted(shuffled).of(some), atol=1e-4)


def test_one_dimension_is_a_line():
    x = np.random.default_rng(0).standard_normal((50, 1)).astype(np.float32)
    plane = projection.fitted(seed_rows.Reference("s", seed_rows.Rows(x), START, "f"))
    assert plane.shares == pytest.approx((1.0, 0.0))
    assert not plane.of(x)[:, 1].any()


def test_the_nearest_row_is_never_the_row_itself():
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.allclose(projection.nearest(x, x), apart.min(1), atol=1e-3)


def test_clusters_are_named_by_what_they_share_or_by_an_input_where_that_is_allowed():
    reference = held()
    plane = projection.fitted(reference)
    shared = projection.clusters(reference.rows, plane, show_inputs=False)
    assert {cluster.name for cluster in shared} == set(seed_rows.CLUSTERS)
    private = projection.clusters(reference.rows, plane, show_inputs=True)
    assert {cluster.name for cluster in private} == {f"a question about {name}" for name in seed_rows.CLUSTERS}


def test_the_newest_rows_are_taken_first_and_no_more_than_asked(engine):
    with engine.begin() as conn:
        for i in range(5):
            span = Span(START + i * HOUR, START + (i + 1) * HOUR)
            writes.save_window(conn, seed_rows.window(STREAM, span, depth=0, count=8))
        found = list(windows.latest(conn, "search", Span(START, START + 5 * HOUR), most=12))
    assert [(span.start, len(rows)) for span, rows in found] == [(START + 4 * HOUR, 8), (START + 3 * HOUR, 4)]


def test_a_stream_without_rows_or_reference_has_no_picture(engine):
    with engine.begin() as conn:
        assert projection.read(conn, Wanted("search", HOUR, 100), show_inputs=False).projection is None
        reference = held()
        references.save(conn, reference)
        references.choose(conn, "search", reference.version, state="")
        assert projection.read(conn, Wanted("search", HOUR, 100), show_inputs=False).projection is None


@pytest.mark.parametrize("by", list(By))
def test_every_row_is_drawn_once_whatever_its_colour_says(seeded_url, by):  # noqa: F811
    from drift.store.connect import connect_reader

    engine = connect_reader(seeded_url)
    wanted = Wanted("support-tickets", timedelta(days=7), 2000, "topic", projection.NEAR)
    with engine.connect() as conn:
        kept = projection.read(conn, wanted, show_inputs=False)
    engine.dispose()
    drawn = scatter.figure(kept.projection, by, kept.at)
    below, *above = drawn.data
    assert len(below.x) == len(kept.projection.reference.places)
    assert sum(len(trace.x) for trace in above) == len(kept.projection.window.places)
    if by is By.SEGMENT:
        assert {trace.name.split(" ")[0] for trace in above} == set(seed_rows.CLUSTERS)


@pytest.mark.parametrize("by", [each.value for each in By])
def test_the_page_draws_the_newest_windows_upon_the_reference(page, seeded_url, by):  # noqa: F811
    app = page(seeded_url, "projection", stream="support-tickets", last="7 d", by=by)
    assert len(app.get("plotly_chart")) == 1
    assert "400 rows of the reference" in text(app).replace("\u202f", " ")


def test_the_page_says_why_there_is_no_picture(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "projection", stream="legal-clauses")
    assert "No rows of `legal-clauses` can be shown" in app.info[0].value


def test_an_empty_database_says_what_to_do(page, postgres_url):  # noqa: F811
    assert "drift run" in page(postgres_url, "projection").info[0].value
