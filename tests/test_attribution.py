"""Where a change comes from: kept with the measurement, read again, told over HTTP and on the page."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import sqlalchemy as sa
from fakes import MOVED, START, FakeEncoder, healthy, make_monitor, register
from samples import SPAN, measured, reference, window
from starlette.testclient import TestClient
from test_api import service_of

from collectors.references import Inputs, read_reference
from dashboard import moved
from detectors.joint import MOST_PARTS, Joint, largest
from drift.api.app import create_app
from drift.pipeline import measure
from drift.pipeline.monitor import Findings
from drift.pipeline.references import Source, ensure_reference
from drift.records import KeptAttribution, Measurement, Part, Rows, Stream
from drift.scheduler import Scheduler
from drift.store import tables, views, writes

JOINT = Joint(nulls=60, min_rows=32)
LANGUAGES = np.array(["de", "en", "fr"])
CENTRES = 3 * np.random.default_rng(9).standard_normal((3, 6))


def spoken(n: int, seed: int, shares=(0.5, 0.4, 0.1)) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows around one place for each language."""
    rng = np.random.default_rng(seed)
    of = rng.choice(3, n, p=shares)
    return CENTRES[of] + rng.standard_normal((n, 6)), tuple(LANGUAGES[of].tolist())


def held(split: bool = True):
    x, languages = spoken(1600, 0)
    return reference(x, segments={"lang": languages} if split else {})


def moved_window(split: bool = True):
    x, languages = spoken(40, 1, (0.2, 0.2, 0.6))
    ids = tuple(f"row {i}" for i in range(40))
    return window(x, ids=ids, segments={"lang": languages} if split else {})


@pytest.fixture(scope="module")
def kept() -> KeptAttribution:
    return measured(JOINT, moved_window(), held()).attribution


def total(parts):
    return sum(part.contribution for part in parts)


def test_clusters_and_segments_add_up_to_the_statistic(kept):
    assert total(kept.clusters) == pytest.approx(kept.total)
    assert total(kept.segments) == pytest.approx(kept.total)
    assert kept.segments[0].name == "lang=fr"
    assert kept.segments[0].reference == pytest.approx(0.1, abs=0.03)
    assert kept.segments[0].window == pytest.approx(0.6, abs=0.2)
    assert kept.segments[0].mix > 2 * abs(kept.segments[0].within)  # more of it, and what there is is as it was


def test_the_rows_that_contribute_most_have_their_ids(kept):
    given = moved_window()
    assert len(kept.rows) == 20
    assert [row.id for row in kept.rows] == [f"row {row.position}" for row in kept.rows]
    assert sorted((row.contribution for row in kept.rows), reverse=True) == [row.contribution for row in kept.rows]
    assert {given.rows.segments["lang"][row.position] for row in kept.rows} == {"fr"}


def test_a_window_that_looks_like_the_reference_keeps_none():
    found = [measured(JOINT, window(spoken(40, seed)[0]), held()) for seed in range(2, 12)]
    assert [m.attribution is None for m in found] == [m.p_value > 0.05 for m in found]
    assert sum(m.attribution is None for m in found) >= 7


def test_segments_that_the_reference_does_not_know_are_told_of_the_window_alone():
    (first, *_) = measured(JOINT, moved_window(), held(split=False)).attribution.segments
    assert (first.name, first.reference, first.mix, first.within) == ("lang=fr", None, None, None)
    assert measured(JOINT, moved_window(split=False), held()).attribution.segments == ()


def test_segments_neither_change_the_test_nor_its_null_windows():
    with_them, without = (measured(JOINT, moved_window(), held(split=split)) for split in (True, False))
    assert (with_them.p_value, with_them.value) == (without.p_value, without.value)


def test_many_parts_are_kept_as_the_largest_and_the_others_together():
    many = [Part(str(i), 0.01, 0.02, float(i), 0.5 * i, 0.5 * i) for i in range(50)]
    kept = largest(many, 1.0)
    assert [part.name for part in kept] == [*(str(i) for i in range(49, 30, -1)), "31 others"]
    assert len(kept) == MOST_PARTS
    assert total(kept) == total(many)
    assert kept[-1].reference == pytest.approx(0.31)
    unknown = largest([replace(part, reference=None, mix=None, within=None) for part in many], 1.0)
    assert (unknown[-1].reference, unknown[-1].mix, unknown[-1].contribution) == (None, None, kept[-1].contribution)


def test_two_columns_split_rows_by_both():
    rows = Rows(healthy(2), segments={"lang": ("de", None), "tenant": ("acme", "globex"), "plan": ()})
    assert rows.segment_columns == ("lang", "tenant")
    assert rows.segments_by(rows.segment_columns) == ["lang=de, tenant=acme", "lang=-, tenant=globex"]


def record(engine, measurement: Measurement) -> None:
    with engine.begin() as conn:
        writes.save_window(conn, replace(moved_window(), span=measurement.span))
        writes.record(conn, [measurement])


def of_joint(kept: KeptAttribution | None, **changes) -> Measurement:
    return replace(measured(JOINT, moved_window(), held()), attribution=kept, **changes)


def test_it_is_kept_beside_the_measurement_and_read_only_when_asked_for(engine, kept):
    nul = replace(kept, rows=(replace(kept.rows[0], id="a\0b"), *kept.rows[1:]))
    record(engine, of_joint(nul))
    with engine.connect() as conn:
        (found,) = views.attributed(conn, "search", SPAN.start, SPAN.end)
        assert views.attributed(conn, "search", SPAN.start, SPAN.end, detector="mmd") == []
        assert views.attributed(conn, "search", SPAN.end, SPAN.end + timedelta(days=1)) == []
        size = conn.execute(sa.select(sa.func.pg_column_size(tables.attribution.c.kept))).scalar_one()
    assert found.attribution == replace(kept, rows=(replace(kept.rows[0], id="ab"), *kept.rows[1:]))
    assert size < 8192


def test_the_pipeline_keeps_it_and_the_api_tells_it(engine):
    monitor = make_monitor(engine)
    register(engine, monitor)
    found = of_joint(MOVED)
    with engine.begin() as conn:
        writes.save_window(conn, moved_window())
        measure.settle(conn, monitor, Findings(monitor.stream, SPAN, (found,)))
    service = service_of(engine, monitor)
    with TestClient(create_app(service, Scheduler(service))) as client:
        asked = {"stream": "search", "until": SPAN.end.isoformat()}
        (told,) = client.get("/v1/attributions", params=asked).json()
        assert client.get("/v1/attributions", params={**asked, "detector": "mmd"}).json() == []
    assert told["measurement"]["p_value"] == found.p_value
    assert told["attribution"]["rows"][0] == {"position": 17, "id": "query-17", "cluster": "3", "contribution": 0.0011}
    assert [part["name"] for part in told["attribution"]["segments"]] == ["lang=<de>", "lang=en"]


def test_the_page_does_not_explain_what_mmd_cannot_see():
    blind = moved.section(of_joint(replace(MOVED, p_value=0.4)))
    assert "MMD does not see this change" in blind
    assert "query-17" not in blind
    assert "&lt;de&gt;" in moved.section(of_joint(MOVED))
    assert moved.section(of_joint(None)) == ""


def files(tmp_path, **columns):
    path = tmp_path / "rows.parquet"
    pa.parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("encoded", [True, False])
def test_references_remember_the_segments_of_their_rows(engine, tmp_path, encoded):
    x = healthy(30)
    languages = [None if i % 3 == 0 else f"l{i % 3}" for i in range(30)]
    of = {tuple(row): language for row, language in zip(x.tolist(), languages, strict=True)}
    texts = [f"text {i}" for i in range(30)]
    if not encoded:
        again = FakeEncoder().encode(texts)
        of = {tuple(row): language for row, language in zip(again.tolist(), languages, strict=True)}
    given = {"vector": pa.array(x.tolist(), pa.list_(pa.float32()))} if encoded else {"input": texts}
    path = files(tmp_path, **given, lang=languages)
    stream = Stream("search", "encoder", "1", x.shape[1])
    source = Source(path, None if encoded else FakeEncoder(), 100, ("lang", "tenant"))
    with engine.begin() as conn:
        first = ensure_reference(conn, stream, source, now=START)
        again = ensure_reference(conn, stream, source, now=START)
    assert again.rows.segment_columns == first.rows.segment_columns == ("lang",)
    assert again.rows.segments["lang"] == first.rows.segments["lang"]
    assert [of[tuple(row)] for row in again.vectors.tolist()] == list(again.rows.segments["lang"])


def test_a_reference_from_before_is_read_again_for_its_segments(engine, tmp_path):
    path = files(tmp_path, vector=pa.array(healthy(9).tolist(), pa.list_(pa.float32())), lang=["de"] * 9)
    stream = Stream("search", "encoder", "1", 8)
    with engine.begin() as conn:
        before = ensure_reference(conn, stream, Source(path, None, 100), now=START)
        after = ensure_reference(conn, stream, Source(path, None, 100, ("lang",)), now=START)
        kept = ensure_reference(conn, stream, Source(path, None, 100, ("lang",)), now=START)
    assert before.rows.segments == {}
    assert after.version == before.version == kept.version
    assert kept.rows.segments["lang"] == ("de",) * 9


def test_inputs_bring_their_segments(tmp_path):
    path = files(tmp_path, input=["a", None, "b"], label=["x", "y", "z"], lang=["de", "en", "fr"])
    found = read_reference(path, Stream("s", "m", "1", 3), limit=9, segments=("lang", "label"))
    assert isinstance(found, Inputs)
    together = zip(found.texts, found.segments["lang"], found.segments["label"], strict=True)
    assert sorted(together) == [("a", "de", "x"), ("b", "fr", "z")]
