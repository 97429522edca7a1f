"""Reference and windows in one picture: what is read, what sets rows apart, what is drawn and said."""

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import seed_rows
from test_dashboard import config_file, page, seeded_url, text  # noqa: F401

from dashboard import clusters, colouring, plane, projection, scatter
from dashboard.clusters import Side
from dashboard.colouring import By
from dashboard.projection import Method, Wanted
from drift.records import Reference, Rows, Span, Stream
from drift.store import pictures, references, sketches, windows, writes
from drift.store.connect import connect_reader
from drift.store.pictures import Picture

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
STREAM = Stream("search", "encoder", "1", 6)
KINDS = {"f32": "<f4", "u16": "<u2", "u8": "u1"}


def held(dim: int = 6) -> Reference:
    return seed_rows.reference("search", dim, START)


def normal(rng: np.random.Generator, n: int, dim: int = 6, **moved: float) -> np.ndarray:
    return rng.normal(size=(n, dim), **moved).astype(np.float32)


def unpacked(data: bytes) -> dict[str, object]:
    """The header of what is drawn, with its arrays."""
    length = struct.unpack_from("<I", data)[0]
    header, at = json.loads(data[4 : 4 + length]), 4 + length
    for name, kind, count in header["arrays"]:
        header[name] = np.frombuffer(data, KINDS[kind], count, at)
        at += -(-header[name].nbytes // 4) * 4
    assert at == len(data)
    return header


def test_the_axes_are_those_along_which_the_reference_varies_most():
    x = np.random.default_rng(0).standard_normal((300, 3)).astype(np.float32) * [1, 5, 3]
    found = plane.fitted(Reference("s", Rows(x.astype(np.float32)), START, "f"))
    assert np.abs(found.axes[1, 0]) > 0.99
    assert np.abs(found.axes[2, 1]) > 0.99
    assert sum(found.shares) == pytest.approx(34 / 35, abs=0.03)
    assert np.allclose(found.of(x).mean(0), 0, atol=1e-4)


def test_the_same_reference_always_gives_the_same_picture():
    rows = held().rows
    order = np.random.default_rng(3).permutation(len(rows))
    shuffled = Reference("search", rows.take(order), START, "f")
    some = rows.vectors[:20]
    assert np.allclose(plane.fitted(held()).of(some), plane.fitted(shuffled).of(some), atol=1e-4)


def test_one_dimension_is_a_line():
    x = np.random.default_rng(0).standard_normal((50, 1)).astype(np.float32)
    found = plane.fitted(Reference("s", Rows(x), START, "f"))
    assert found.shares == pytest.approx((1.0, 0.0))
    assert not found.of(x)[:, 1].any()


def side(rows: Rows, novelty: float = 0.5) -> Side:
    return Side(rows, rows.vectors[:, :2], np.full(len(rows), novelty, np.float32))


def test_clusters_are_named_by_what_they_share_or_by_an_input_where_that_is_allowed():
    rows, window = replace(held().rows, ids=()), seed_rows.drawn(np.random.default_rng(1), 200, 6)
    shared = clusters.clusters(side(rows), side(window), show_inputs=False)
    assert {cluster.name for cluster in shared} == set(seed_rows.CLUSTERS)
    assert all(typical in window.ids for cluster in shared for typical in cluster.typical)
    assert sum(cluster.reference for cluster in shared) == pytest.approx(1)
    assert sum(cluster.window for cluster in shared) == pytest.approx(1)
    private = clusters.clusters(side(rows), side(window), show_inputs=True)
    assert {cluster.name for cluster in private} == {f"a question about {name}" for name in seed_rows.CLUSTERS}


def test_rows_unlike_the_reference_are_clusters_of_their_own_named_by_the_most_typical_id():
    rng = np.random.default_rng(0)
    rows = Rows(normal(rng, 400))
    known, strange = normal(rng, 180), normal(rng, 20, loc=8, scale=0.1)
    ids = tuple(f"known-{i}" for i in range(180)) + tuple(f"strange-{i}" for i in range(20))
    novelty = np.repeat(np.array([0.5, 3], np.float32), [180, 20])
    vectors = np.concatenate([known, strange])
    window = Side(Rows(vectors, ids=ids), vectors[:, :2], novelty)
    *others, new = clusters.clusters(side(rows), window, show_inputs=False)
    assert new.is_new
    assert new.name.startswith("strange-")
    assert len(new.typical) == clusters.TYPICAL
    assert (new.reference, new.window) == (0.0, pytest.approx(0.1))
    assert not any(cluster.is_new or cluster.name.startswith("strange") for cluster in others)
    few = replace(window, novelty=np.where(np.arange(200) < 197, np.float32(0.5), np.float32(3)))
    assert not any(cluster.is_new for cluster in clusters.clusters(side(rows), few, show_inputs=False))


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


def test_a_picture_that_was_fitted_is_read_with_the_windows_that_are_placed_in_it(engine):
    reference, now = held(), datetime.now(UTC)
    wanted = Wanted("search", 4 * HOUR, 100, method=Method.UMAP)
    spans = [Span.containing(now - (i + 1) * HOUR, HOUR) for i in range(2)]
    places = np.arange(800, dtype=np.float32).reshape(400, 2)
    with engine.begin() as conn:
        references.save(conn, reference)
        references.choose(conn, "search", reference.version, state="")
        for span in spans:
            writes.save_window(conn, seed_rows.window(STREAM, span, depth=0, count=8))
        plain = projection.read(conn, wanted, show_inputs=False)
        assert (plain.projection.method, plain.picture) == (Method.PCA, None)
        pictures.keep(conn, Picture("search", reference.version, "UMAP", now, 7.0, places))
        assert projection.read(conn, wanted, show_inputs=False).projection.method is Method.PCA
        pictures.place(conn, "search", reference.version, spans[1].start, places[:8])
        fitted = projection.read(conn, wanted, show_inputs=False)
    assert fitted.projection.method is Method.UMAP
    assert np.array_equal(fitted.projection.window.places, places[:8])
    assert np.array_equal(fitted.projection.reference.places, places)
    assert fitted.projection.window.starts == (spans[1].start,)
    assert (fitted.placed, fitted.picture.seconds) == (spans[1].end, 7.0)


@pytest.fixture(scope="module")
def kept(seeded_url):  # noqa: F811
    engine = connect_reader(seeded_url)
    with engine.connect() as conn:
        wanted = Wanted("support-tickets", timedelta(days=7), 2000, "topic")
        found = projection.read(conn, wanted, show_inputs=False)
    engine.dispose()
    return found


@pytest.mark.parametrize("by", list(By))
def test_every_row_is_drawn_once_whatever_its_colour_says(kept, by):
    found = kept.projection
    drawn = unpacked(scatter.packed(found, by, kept.at))
    m, n = len(found.reference.places), len(found.window.places)
    assert np.array_equal(drawn["at"].reshape(-1, 2), np.concatenate([found.reference.places, found.window.places]))
    assert drawn["ids"] == [""] * m + list(found.window.names)
    assert (drawn["group"][:m] == 0).all()
    assert (drawn["group"][m:] > 0).all()
    assert len(drawn["colour"]) == 4 * (m + n)
    assert drawn["facts"][1]["words"][drawn["start"][-1]].startswith(f"{found.window.starts[-1]:%-d %b %H:%M}")
    names = {group["name"].split(" ")[0] for group in drawn["legend"]}
    assert names == {"reference", *(seed_rows.CLUSTERS if by is By.SEGMENT else {"window"})}
    assert (drawn["scale"] is None) == (by in {By.SIDE, By.SEGMENT})


def test_the_colour_of_a_scale_goes_from_its_first_to_its_last(kept):
    found = kept.projection
    seen = colouring.coloured(found, By.NOVELTY, kept.at).colours[len(found.reference.places) :]
    least, most = (seen[i].tolist() for i in (found.window.seen.novelty.argmin(), found.window.seen.novelty.argmax()))
    assert (least[2], most[0]) > (least[0], most[2])  # from blue to red


def test_more_segments_than_there_are_colours_are_one_group(kept):
    found = kept.projection
    groups = tuple(f"s{i % 30}" for i in range(len(found.window.groups)))
    many = replace(found, window=replace(found.window, groups=groups))
    seen = colouring.coloured(many, By.SEGMENT, kept.at)
    assert len(seen.groups) == colouring.GROUPS + 2
    assert seen.groups[-1].name.startswith(colouring.OTHER)


def test_of_more_windows_than_two_bytes_can_name_the_oldest_have_no_time(kept):
    found, more = kept.projection, scatter.MOST_WORDS
    starts = tuple(START + i * timedelta(seconds=1) for i in range(more + 1))
    places = np.zeros(len(found.window.places), np.int64)
    places[:3] = 7, more - 1, more
    drawn = unpacked(
        scatter.packed(replace(found, window=replace(found.window, starts=starts, start=places)), By.SIDE, kept.at)
    )
    assert drawn["start"][len(found.reference.places) :][:3].tolist() == [8, more, 0]
    assert len(drawn["facts"][1]["words"]) == more + 1


@pytest.mark.parametrize("by", [each.value for each in By])
def test_the_page_draws_the_newest_windows_upon_the_reference(page, seeded_url, by):  # noqa: F811
    app = page(seeded_url, "projection", stream="support-tickets", last="7 d", by=by)
    (drawn,) = app.get("bidi_component")
    assert "upon 400 rows of the reference" in unpacked(drawn.proto.bytes)["label"].replace("\u202f", " ")
    shown = text(app).replace("\u202f", " ")
    assert "400 rows of the reference" in shown
    assert all(name in shown for name in seed_rows.CLUSTERS)


def test_without_a_fitted_picture_the_page_says_so_and_shows_pca(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "projection", stream="support-tickets", last="7 d", picture="UMAP")
    assert "drift[umap]" in app.info[0].value
    assert "PCA: the plane" in text(app)


def test_the_page_opens_at_a_stream_that_has_something_to_show(page, seeded_url):  # noqa: F811
    engine = connect_reader(seeded_url)
    with engine.connect() as conn:
        rows, sums = windows.first_stream(conn), sketches.first_stream(conn)
    engine.dispose()
    assert rows is not None
    app = page(seeded_url, "projection")
    assert app.selectbox(key="stream").value == rows
    assert app.get("bidi_component")
    assert page(seeded_url, "times").selectbox(key="stream").value == sums == "support-tickets"
    assert page(seeded_url, "projection", stream="legal-clauses").selectbox(key="stream").value == "legal-clauses"


def test_the_page_says_why_there_is_no_picture(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "projection", stream="legal-clauses")
    assert "No rows of `legal-clauses` can be shown" in app.info[0].value


def test_an_empty_database_says_what_to_do(page, postgres_url):  # noqa: F811
    assert "drift run" in page(postgres_url, "projection").info[0].value
