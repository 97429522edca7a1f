"""What a file gives a stream, and what is said of a file that cannot give it."""

import struct
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from parquet_files import HOUR, START, STREAM, collect, fault, numbers, table, write

from collectors.parquet import ParquetCollector
from drift.errors import SourceError
from drift.records import RowReason

# Segments.


@pytest.mark.parametrize("name", ["rows.parquet", "rows.feather"])
def test_a_segment_has_the_rows_of_its_value(tmp_path, name):
    path = write(tmp_path / name, table(20))
    window = collect(path, stream=STREAM.part("tenant=zeta"), segments=["tenant"])
    assert sorted(numbers(window.vectors)) == list(range(1, 20, 2))
    assert window.received == 10
    assert window.rows.segments == {"tenant": ("zeta",) * 10}
    assert collect(path, stream=STREAM.part("tenant=nobody")).received == 0
    numbered = write(tmp_path / f"numbered-{name}", table(20).append_column("shard", pa.array([0, 7] * 10, pa.int16())))
    assert collect(numbered, stream=STREAM.part("shard=7")).received == 10


def test_directories_named_like_columns_are_columns(tmp_path):
    bare = table(10).drop_columns("tenant")
    write(tmp_path / "tenant=007" / "rows.parquet", bare)
    write(tmp_path / "tenant=a%20b" / "rows.feather", bare.drop_columns("id"))
    window = collect(tmp_path, segments=["tenant"])
    assert sorted(window.rows.segments["tenant"]) == ["007"] * 10 + ["a b"] * 10
    assert collect(tmp_path, stream=STREAM.part("tenant=007")).received == 10
    assert collect(tmp_path, stream=STREAM.part("tenant=7")).received == 0


# What a source cannot give.


def test_a_source_that_is_not_there_says_so(tmp_path):
    assert f"{tmp_path / 'none'} does not exist" in fault(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("no rows")
    (tmp_path / ".hidden.parquet").write_text("being written")
    message = fault(tmp_path)
    assert str(tmp_path) in message
    assert "*.parquet" in message


def test_a_damaged_file_is_named(tmp_path):
    whole = write(tmp_path / "rows.parquet", table(50)).read_bytes()
    for body, found in (
        (whole[:-100], "cannot be read"),
        (b"id,vector\n", "b'id,v'"),
        (b"", "b''"),
        (b"PAR1", "cannot"),
    ):
        (tmp_path / "rows.parquet").write_bytes(body)
        message = fault(tmp_path)
        assert str(tmp_path / "rows.parquet") in message
        assert found in message
        assert "needed is a whole Parquet or Arrow IPC" in message


def test_an_arrow_stream_has_the_rows_of_a_file(tmp_path):
    (tmp_path / "stream").mkdir()
    with pa.ipc.new_stream(tmp_path / "stream" / "rows.arrow", table(20).schema) as stream:
        stream.write_table(table(20), max_chunksize=7)
    file, stream = (
        collect(path, stream=STREAM.part("tenant=zeta"), segments=["tenant"])
        for path in (write(tmp_path / "file" / "rows.arrow", table(20)), tmp_path / "stream" / "rows.arrow")
    )
    assert sorted(numbers(stream.vectors)) == sorted(numbers(file.vectors)) == list(range(1, 20, 2))
    whole = (tmp_path / "stream" / "rows.arrow").read_bytes()
    (tmp_path / "stream" / "rows.arrow").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in fault(tmp_path / "stream" / "rows.arrow")


@pytest.mark.parametrize("name", ["rows.parquet", "rows.feather"])
def test_damage_inside_a_file_is_never_worse_than_an_error(tmp_path, name):
    rng = np.random.default_rng(0)
    options = {"compression": "uncompressed"} if name.endswith("feather") else {}
    path = write(tmp_path / name, table(30), **options)
    whole = path.read_bytes()
    for _ in range(150):
        body = bytearray(whole)
        for at in rng.integers(4, len(body), size=3):
            body[at] = rng.integers(256)
        path.write_bytes(body)
        with suppress(SourceError):
            window = collect(path)
            assert window.received == len(window.rows) + sum(window.rejected.values())


def test_offsets_that_point_outside_are_refused_before_a_value_is_compared(tmp_path):
    path = write(tmp_path / "rows.feather", table(3), compression="uncompressed")
    whole, right = path.read_bytes(), struct.pack("<4i", 0, 4, 8, 12)
    assert whole.count(right) == 1
    path.write_bytes(whole.replace(right, struct.pack("<4i", 0, 4, 2**30, 2**30 + 4)))
    assert "contradict themselves" in fault(path, stream=STREAM.part("tenant=zeta"))


@pytest.mark.parametrize("column", ["time", "vector"])
def test_a_missing_column_is_named_with_the_columns_there_are(tmp_path, column):
    rows = table(3)
    message = fault(
        write(tmp_path / "rows.parquet", rows.rename_columns(["x" if c == column else c for c in rows.column_names]))
    )
    assert f"needs a column '{column}'" in message
    assert "'x'" in message


def test_a_segment_needs_its_column(tmp_path):
    message = fault(write(tmp_path / "rows.parquet", table(3)), stream=STREAM.part("region=eu"))
    assert "needs a column 'region'" in message
    assert "search/region=eu" in message


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("vector", ["1,2"] * 3, "string"),
        ("vector", [[True, False]] * 3, "bool"),
        ("time", [True] * 3, "bool"),
        ("time", ["03/01/2026"] * 3, "03/01/2026"),
        ("time", [1_772_368_496_000] * 3, "milliseconds"),
        ("tenant", [1.5] * 3, "double"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(tmp_path, column, values, found):
    rows = table(3)
    path = write(tmp_path / "rows.parquet", rows.set_column(rows.column_names.index(column), column, pa.array(values)))
    with pytest.raises(SourceError) as caught:
        collect(path, segments=["tenant"])
    assert str(path) in str(caught.value)
    assert f"'{column}'" in str(caught.value)
    assert found in str(caught.value)


def test_other_columns_may_be_anything(tmp_path):
    odd = table(3).append_column("vectors", pa.array([{"a": [1]}] * 3)).append_column("vector.x", pa.array([1.5] * 3))
    for name in ("rows.parquet", "rows.feather"):
        assert collect(write(tmp_path / name, odd)).received == 3


# History.


def test_the_span_runs_from_the_first_row_to_the_last(tmp_path):
    write(tmp_path / "b.parquet", table(10, start=5))
    write(tmp_path / "a.feather", table(10, start=40))
    assert ParquetCollector(tmp_path).span() == (START + 5 * HOUR, START + 49 * HOUR)
    write(tmp_path / "none" / "empty.parquet", table(0))
    with pytest.raises(SourceError, match="no row with a readable time"):
        ParquetCollector(tmp_path / "none").span()


def test_a_window_of_another_stream_is_refused_row_by_row(tmp_path):
    path = write(tmp_path / "rows.parquet", table(5))
    window = collect(path, stream=replace(STREAM, dim=8))
    assert window.rejected == {RowReason.WRONG_DIMENSION: 5}
    assert window.vectors.shape == (0, 8)
