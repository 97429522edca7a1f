"""Files become windows: half-open, uniform, bounded, and the same whatever order the files come in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from parquet_files import EVER, HOUR, START, VECTORS, collect, numbers, table, write

from collectors import COLLECTORS
from collectors.base import Collector
from collectors.parquet import ParquetCollector
from drift.records import RowReason, Span


def test_it_is_found_by_its_name():
    assert dict(COLLECTORS) == {ParquetCollector.name: ParquetCollector}
    collector: Collector = ParquetCollector(Path("somewhere"))
    assert collector == ParquetCollector(Path("somewhere"), ())


# Windows.


@pytest.mark.parametrize("name", ["rows.parquet", "rows.feather"])
def test_windows_are_half_open_and_cover_each_row_once(tmp_path, name):
    path = write(tmp_path / name, table(48))
    windows = [collect(path, Span(START + i * 12 * HOUR, START + (i + 1) * 12 * HOUR)) for i in range(4)]
    assert [sorted(numbers(w.vectors)) for w in windows] == [list(range(12 * i, 12 * i + 12)) for i in range(4)]
    assert [w.received for w in windows] == [12] * 4
    first = windows[0].rows
    assert first.times[first.ids.index("doc-7")] == (START + 7 * HOUR).timestamp() * 1e6
    assert len(collect(path, Span(START - HOUR, START)).vectors) == 0


ZONES = (None, "Asia/Kolkata")
KINDS = [*(pa.timestamp(u, z) for u in ("s", "ms", "us", "ns") for z in ZONES), pa.int64(), pa.int32(), pa.uint64()]


@pytest.mark.parametrize("kind", [*KINDS, pa.float64(), pa.float32(), pa.string()], ids=str)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
@given(
    st.lists(st.none() | st.integers(-60, 60), min_size=1, max_size=12),
    st.integers(-20_000_000, 20_000_000),
    st.integers(1, 20_000_000),
)
@example([2, None, 5, 6, 7], 1_000_001, 2_699_999)
def test_skipping_row_groups_loses_no_row(tmp_path, kind, halves, low, length):
    """Times of any type, in half seconds where it has them, at the edges of spans that are not whole in its unit."""
    base = 0 if kind == pa.float32() else int(START.timestamp())
    fine = not (pa.types.is_integer(kind) or kind.equals(pa.timestamp("s")) or kind.equals(pa.timestamp("s", ZONES[1])))
    micros = [None if h is None else (base * 2 + h) * 500_000 if fine else (base + h) * 1_000_000 for h in halves]
    if pa.types.is_timestamp(kind):
        times = pa.array(micros, pa.timestamp("us")).cast(kind)
    elif kind == pa.string():
        times = pa.array([m if m is None else datetime.fromtimestamp(m / 1e6, UTC).isoformat() for m in micros])
    else:
        times = pa.array([m if m is None else m / 1e6 for m in micros], pa.float64()).cast(kind)
    rows = table(len(halves)).set_column(1, "time", times)
    path = write(tmp_path / "rows.parquet", rows, row_group_size=2)
    origin = datetime.fromtimestamp(base, UTC)
    span = Span(origin + timedelta(microseconds=low), origin + timedelta(microseconds=low + length))
    expected = [i for i, m in enumerate(micros) if m is not None and low <= m - base * 1_000_000 < low + length]
    assert sorted(numbers(collect(path, span).vectors)) == expected


def test_row_groups_outside_the_span_are_not_read(tmp_path, monkeypatch):
    path = write(tmp_path / "rows.parquet", table(100), row_group_size=10)
    read = []
    original = pa.parquet.ParquetFile.iter_batches

    def spy(self, size, *, row_groups, **options):
        read.extend(row_groups)
        return original(self, size, row_groups=row_groups, **options)

    monkeypatch.setattr(pa.parquet.ParquetFile, "iter_batches", spy)
    window = collect(path, Span(START + 35 * HOUR, START + 45 * HOUR))
    assert read == [3, 4]
    assert window.received == 10


def test_all_rows_of_the_span_are_counted_and_the_bad_ones_by_reason(tmp_path):
    vectors = [[1.0, 1, 1, 1], None, [1.0], [0.0] * 4, [np.nan] * 4, [2.0, 1, 1, 1], [3.0, 1, 1, 1]]
    rows = pa.table(
        {
            "vector": pa.array(vectors, pa.list_(pa.float64())),
            "time": [START + i * HOUR for i in range(7)],
            "label": ["a", "a", "a", "a", "a", "b\0", None],
        }
    )
    window = collect(write(tmp_path / "rows.parquet", rows), Span(START, START + 7 * HOUR), limit=1)
    assert window.received == 7
    assert len(window.vectors) == 1
    assert window.rejected == {
        RowReason.MALFORMED: 2,
        RowReason.WRONG_DIMENSION: 1,
        RowReason.ZERO_VECTOR: 1,
        RowReason.NOT_FINITE: 1,
    }


# Samples.


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "no ids"])
def test_the_sample_is_the_same_for_any_row_groups_batches_and_format(tmp_path, monkeypatch, ids):
    rows = table(500, ids=ids)
    bad = pa.array([None if i % 7 == 3 else v for i, v in enumerate(rows["vector"].to_pylist())], VECTORS)
    rows = rows.set_column(0, "vector", bad)
    paths = [
        write(tmp_path / "a" / "rows.parquet", rows),
        write(tmp_path / "b" / "rows.parquet", rows, row_group_size=7),
        write(tmp_path / "c" / "rows.parquet", rows, use_dictionary=False, row_group_size=150),
    ]
    samples = [collect(path, limit=40).rows for path in paths]
    monkeypatch.setattr("collectors.files._BATCH_ROWS", 13)
    samples += [collect(path, limit=40).rows for path in paths]
    feather = write(tmp_path / "d" / "rows.feather", rows, chunksize=90)
    samples += [collect(feather.rename(feather.with_name("rows.parquet")), limit=40).rows]
    samples += [collect(tmp_path / "a", limit=40).rows]
    for sample in samples:
        assert np.array_equal(sample.vectors, samples[0].vectors)
        assert len(sample) == 40


def test_rows_with_ids_are_sampled_alike_in_any_files_and_order(tmp_path):
    whole = write(tmp_path / "whole.parquet", table(300))
    order = np.random.default_rng(0).permutation(300)
    shuffled = table(300).take(order)
    for i, (name, low, high) in enumerate((("z.parquet", 0, 50), ("x/y.feather", 50, 220), ("a.pq", 220, 300))):
        write(tmp_path / "parts" / name, shuffled.slice(low, high - low))
        assert len(collect(tmp_path / "parts", limit=1000).rows) == [50, 220, 300][i]
    expected = collect(whole, limit=25)
    found = collect(tmp_path / "parts", limit=25)
    assert found.rows.ids == expected.rows.ids
    assert np.array_equal(found.vectors, expected.vectors)
    assert (found.received, expected.received) == (300, 300)


def test_of_rows_with_the_same_id_the_first_file_has_precedence(tmp_path):
    for name, start in (("b.parquet", 1), ("a.parquet", 2), ("c.parquet", 3)):
        write(tmp_path / name, table(1, start=start).set_column(3, "id", pa.array(["same"])))
    assert numbers(collect(tmp_path, limit=1).vectors) == [2]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "no ids"])
def test_one_row_of_each_session_is_sampled_whatever_the_row_groups(tmp_path, monkeypatch, ids):
    rows = table(300, ids=ids).append_column("session", pa.array([i // 5 for i in range(300)]))
    whole = collect(write(tmp_path / "a" / "rows.parquet", rows), limit=40)
    assert (whole.received, len(whole.rows)) == (300, 40)
    assert len({number // 5 for number in numbers(whole.vectors)}) == 40
    monkeypatch.setattr("collectors.files._BATCH_ROWS", 13)
    pieces = collect(write(tmp_path / "b" / "rows.parquet", rows, row_group_size=7), limit=40)
    assert numbers(pieces.vectors) == numbers(whole.vectors)


def test_a_sample_is_drawn_anew_for_each_span_and_the_same_for_a_retry(tmp_path):
    path = write(tmp_path / "rows.parquet", table(300, ids=False))
    again = collect(path, limit=30)
    assert numbers(collect(path, limit=30).vectors) == numbers(again.vectors)
    longer = Span(EVER.start, EVER.end + HOUR)
    assert set(numbers(collect(path, longer, limit=30).vectors)) != set(numbers(again.vectors))


def test_each_row_is_sampled_equally_often(tmp_path):
    write(tmp_path / "a.parquet", table(10, ids=False))
    write(tmp_path / "b.parquet", table(15, start=10))
    counts = np.zeros(25)
    for i in range(150):
        counts[numbers(collect(tmp_path, Span(EVER.start, EVER.end + i * HOUR), limit=5).vectors)] += 1
    # Each is binomial with p = 1/5: mean 30, deviation 4.9.
    assert abs(counts - 30).max() < 4 * 4.9
