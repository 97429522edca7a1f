"""Pictures of references: fitted once, by a process of its own, and windows placed in them."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from fakes import LENGTH, REFERENCE, START, STREAM, healthy, make_monitor, register, spans

from drift.errors import DriftError
from drift.picture import Fitted
from drift.pipeline.pictures import Painter, paint_one, place_some
from drift.records import Rows, Span, Window
from drift.scheduler.gallery import Gallery
from drift.scheduler.service import Service, Stopped
from drift.store import pictures, retention, tables, writes
from drift.wiring.picture_child import MISSING, PictureChild, build_painter

DAY = timedelta(days=1)


def keep_going() -> None:
    """Nothing stops it."""


def flat(vectors, go_on):
    """A picture that is the first two dimensions."""
    go_on()
    return vectors[:, :2].copy()


def failing(vectors, go_on):
    raise DriftError("out of memory")


PAINTER = Painter("flat", flat)


def paint(engine, painter=PAINTER, **references):
    picture = paint_one(engine, references or {"search": REFERENCE}, painter, keep_going, lambda: START)
    return picture and picture.stream


def found(engine, version=REFERENCE.version):
    with engine.connect() as conn:
        return pictures.find(conn, "search", version)


def save(engine, count, rows=32):
    with engine.begin() as conn:
        for i, span in enumerate(spans(count)):
            writes.save_window(conn, Window(STREAM, span, Rows(healthy(rows, i)), rows))


def test_a_row_lies_amid_its_nearest_rows_and_a_known_one_where_it_is():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(0, 0.1, (50, 8)), rng.normal(5, 0.1, (50, 8))]).astype(np.float32)
    places = np.concatenate([np.full((50, 2), -1), np.full((50, 2), 1)]).astype(np.float32)
    fitted = Fitted.of(vectors, places)
    assert np.allclose(fitted.place(rng.normal(5, 0.1, (7, 8)).astype(np.float32)), 1, atol=1e-3)
    spread = Fitted.of(vectors, vectors[:, :2].copy())
    far = np.linalg.norm(spread.place(vectors) - spread.places, axis=1)
    assert far.mean() < spread.reach / 2


def test_a_row_between_two_kinds_lies_with_one_of_them():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(0, 1, (50, 8)), rng.normal(1, 1, (50, 8))]).astype(np.float32)
    places = np.repeat(np.array([[-9, 0], [9, 0]]), 50, axis=0) + rng.normal(0, 0.5, (100, 2))
    between = Fitted.of(vectors, places.astype(np.float32)).place(rng.normal(0.5, 1, (40, 8)).astype(np.float32))
    assert (np.abs(between[:, 0]) > 7).all()


def test_where_a_row_lies_depends_on_no_other():
    rng = np.random.default_rng(0)
    fitted = Fitted.of(healthy(300), rng.normal(size=(300, 2)).astype(np.float32))
    some = healthy(1100, 1)
    assert np.allclose(fitted.place(some)[[3, 1090]], fitted.place(some[[3, 1090]]), atol=1e-5)
    assert fitted.place(some[:0]).shape == (0, 2)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_reference_of_few_rows_or_equal_ones_has_places(rows):
    fitted = Fitted.of(np.ones((rows, 3), np.float32), np.full((rows, 2), 7, np.float32))
    assert np.allclose(fitted.place(np.zeros((2, 3), np.float32)), 7)


def test_a_picture_is_fitted_once_and_another_reference_gets_its_own(engine):
    assert paint(engine) == "search"
    assert paint(engine) is None
    kept = found(engine)
    assert np.array_equal(kept.places, REFERENCE.vectors[:, :2])
    assert (kept.method, kept.made_at, kept.is_fitted) == ("flat", START, True)
    other = replace(REFERENCE, rows=Rows(healthy(64, 9)), version="")
    assert paint(engine, search=other) == "search"
    assert len(found(engine, other.version).places) == 64


def test_of_a_large_reference_the_first_rows_are_fitted(engine, monkeypatch):
    monkeypatch.setattr("drift.pipeline.pictures.MOST_FITTED", 100)
    paint(engine)
    assert len(found(engine).places) == 100


def test_a_reference_of_few_rows_gets_no_picture_and_says_so(engine):
    few = replace(REFERENCE, rows=Rows(healthy(20)), version="")
    paint(engine, search=few)
    assert "needs a reference of 45 rows" in found(engine, few.version).fault


def test_what_cannot_be_fitted_is_kept_with_its_reason(engine):
    assert paint(engine, Painter("UMAP", failing)) == "search"
    assert (found(engine).fault, found(engine).is_fitted) == ("out of memory", False)
    save(engine, 1)
    with engine.begin() as conn:
        assert place_some(conn, "search", REFERENCE) == 0
    assert paint(engine) == "search"
    assert found(engine).is_fitted


def test_without_the_extra_it_says_what_to_install(engine, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    paint(engine, build_painter())
    assert found(engine).fault == MISSING
    assert "pip install 'drift[umap]'" in MISSING


def test_a_picture_is_left_to_who_is_at_it(engine):
    inner = []

    def slow(vectors, go_on):
        inner.append(paint(engine))
        return flat(vectors, go_on)

    assert paint(engine, Painter("flat", slow)) == "search"
    assert inner == [None]
    with engine.begin() as other:
        assert pictures.lock(other, "search")
        assert paint(engine, search=replace(REFERENCE, rows=Rows(healthy(64, 9)), version="")) is None


def test_no_transaction_is_open_while_a_picture_is_fitted(engine):
    seen = []

    def look(vectors, go_on):
        with engine.connect() as conn:
            others = "datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            seen.extend(conn.execute(sa.text(f"SELECT query FROM pg_stat_activity WHERE {others}")))
        return flat(vectors, go_on)

    assert paint(engine, Painter("flat", look)) == "search"
    assert seen == []


def test_a_picture_that_was_forgotten_is_fitted_again_by_the_same_process(engine):
    made = gallery(engine)
    assert [made.paint(), made.paint()] == [True, False]
    with engine.begin() as conn:
        pictures.forget(conn, vectors=START, history=START + DAY)
    assert made.paint()
    assert found(engine).is_fitted


def test_the_newest_windows_are_placed_first_and_each_once(engine, monkeypatch):
    monkeypatch.setattr("drift.pipeline.pictures.AT_ONCE", 2)
    save(engine, 5)
    paint(engine)
    with engine.begin() as conn:
        assert place_some(conn, "search", REFERENCE) == 2
        placed = pictures.placed(conn, "search", REFERENCE.version, Span(START, START + 9 * LENGTH))
        assert sorted(placed) == [span.start for span in spans(5)[-2:]]
        assert [place_some(conn, "search", REFERENCE) for _ in range(3)] == [2, 1, 0]
    newest = Fitted.of(REFERENCE.vectors, REFERENCE.vectors[:, :2]).place(healthy(32, 4))
    assert np.allclose(placed[spans(5)[-1].start], newest, atol=1e-2)  # stored in half precision


def test_only_the_newest_rows_are_placed(engine, monkeypatch):
    monkeypatch.setattr("drift.store.pictures.MOST_PLACED", 70)
    save(engine, 5)
    with engine.connect() as conn:
        due = pictures.unplaced(conn, "search", REFERENCE.version, limit=9)
    assert due == [span.start for span in spans(5)[:1:-1]]


def test_rows_of_another_model_are_passed_over_once(engine):
    paint(engine)
    with engine.begin() as conn:
        other = replace(STREAM, dim=3)
        writes.save_window(conn, Window(other, spans(1)[0], Rows(np.ones((4, 3), np.float32)), 4))
        assert [place_some(conn, "search", REFERENCE) for _ in range(2)] == [1, 0]


def test_a_picture_that_is_made_anew_has_no_windows_of_the_old_one(engine):
    save(engine, 1)
    paint(engine)
    with engine.begin() as conn:
        place_some(conn, "search", REFERENCE)
        pictures.keep(conn, found(engine))
        assert place_some(conn, "search", REFERENCE) == 1


def test_places_go_with_the_vectors_and_pictures_with_history(engine):
    save(engine, 2)
    paint(engine)
    with engine.begin() as conn:
        place_some(conn, "search", REFERENCE)
        retention.forget(conn, vectors=spans(2)[1].start, history=START - DAY, now=START)
        assert conn.execute(sa.select(tables.place.c.start)).scalar_one() == spans(2)[1].start
        retention.forget(conn, vectors=START, history=START + DAY, now=START)
    assert found(engine) is None


def gallery(engine, painter=PAINTER, go_on=keep_going):
    monitor = make_monitor(engine)
    register(engine, monitor)
    service = Service(engine, {"search": monitor}, {}, {}, DAY, 14 * DAY, 400 * DAY, lambda: START)
    return Gallery(service, painter, go_on)


def test_the_service_paints_each_reference_and_places_what_has_come(engine):
    made = gallery(engine)
    save(engine, 3)
    made.place()
    assert made.paint()
    assert not made.paint()
    made.place()
    with engine.connect() as conn:
        assert not pictures.unplaced(conn, "search", REFERENCE.version, limit=9)


def test_what_fails_is_not_tried_again_by_the_same_process(engine):
    made = gallery(engine, Painter("UMAP", failing))
    assert [made.paint(), made.paint()] == [True, False]
    assert gallery(engine).paint()
    assert found(engine).is_fitted


def test_a_service_that_stops_leaves_nothing_half_done(engine):
    def stopped() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        gallery(engine, go_on=stopped).paint()
    assert found(engine) is None


def test_a_process_that_fails_or_lasts_too_long_says_so():
    rows = healthy(32)
    broken = PictureChild((sys.executable, "-c", "raise SystemExit('no memory left')"))
    with pytest.raises(DriftError, match="no memory left"):
        broken(rows, keep_going)
    slow = PictureChild((sys.executable, "-c", "import time; time.sleep(60)"), most_seconds=0.1)
    with pytest.raises(DriftError, match="has not ended within"):
        slow(rows, keep_going)
    copies = "import sys, numpy as np; np.save(sys.argv[2], np.load(sys.argv[1])[:, :1])"
    with pytest.raises(DriftError, match="gave no place"):
        PictureChild((sys.executable, "-c", copies))(rows, keep_going)


def test_numpy_is_not_loaded_before_the_number_of_threads_is_set():
    said = "import sys, drift.wiring.picture_fit; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", said], check=True)


TWICE = """
import pathlib, runpy, sys
def places():
    runpy.run_module("drift.wiring.picture_fit", run_name="__main__")
    return pathlib.Path(sys.argv[2]).read_bytes()
sys.exit(places() != places() and "other places")
"""


@pytest.mark.long
def test_umap_gives_the_same_places_for_the_same_rows_and_keeps_clusters_apart():
    """Both times in one process: UMAP compiles for long, and in an instant is there again."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(i, 0.1, (100, 8)) for i in range(3)]).astype(np.float32)
    places = PictureChild((sys.executable, "-c", TWICE))(rows, keep_going).reshape(3, 100, 2)
    middles, within = places.mean(1), np.linalg.norm(places - places.mean(1)[:, None], axis=2).mean()
    assert np.linalg.norm(middles[0] - middles[1]) > 2 * within
