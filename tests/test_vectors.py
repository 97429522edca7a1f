"""Files of embeddings are read as they are: every format gives the same rows, and what cannot be used is counted."""

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from collectors.vectors import read_vectors
from drift.errors import SourceError
from drift.records import RowReason


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((20_000, 5)).astype(np.float32)


def column(x, *, fixed=True):
    flat = pa.array(x.reshape(-1))
    if fixed:
        return pa.FixedSizeListArray.from_arrays(flat, x.shape[1])
    return pa.ListArray.from_arrays(np.arange(len(x) + 1, dtype=np.int32) * x.shape[1], flat)


def write(path, x):
    """The rows of `x` in the format that the name of `path` says."""
    match path.suffix:
        case ".npy":
            np.save(path, x)
        case ".parquet":
            pa.parquet.write_table(pa.table({"vector": column(x, fixed=False)}), path)
        case ".feather":
            pa.feather.write_feather(pa.table({"vector": column(x)}), path)
    return path


@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "x.feather"])
def test_all_rows_are_read_from_every_format(tmp_path, x, name):
    found = read_vectors(write(tmp_path / name, x), limit=30_000)
    assert (found.received, found.rejected) == (20_000, {})
    assert np.array_equal(np.sort(found.rows.vectors, axis=0), np.sort(x, axis=0))


@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "x.feather"])
def test_a_sample_is_uniform_in_random_order_and_always_the_same(tmp_path, x, name):
    x[:, 0] = np.arange(len(x)) + 1
    path = write(tmp_path / name, x)
    drawn = read_vectors(path, limit=2000).rows.vectors[:, 0]
    assert np.histogram(drawn, bins=4, range=(0, 20_000))[0] == pytest.approx([500] * 4, abs=80)
    assert abs(np.corrcoef(drawn, np.arange(2000))[0, 1]) < 0.1
    assert np.array_equal(read_vectors(path, limit=2000).rows.vectors[:, 0], drawn)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_float_are_read(tmp_path, x, dtype, order):
    np.save(tmp_path / "x.npy", np.asarray(x[:100].astype(dtype), order=order))
    found = read_vectors(tmp_path / "x.npy", limit=100).rows.vectors
    assert np.sort(found, axis=0) == pytest.approx(np.sort(x[:100], axis=0), rel=1e-3)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32])
@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "x.feather"])
def test_quantised_embeddings_are_read_as_they_are(tmp_path, x, name, kind):
    rows = (20 * x[:50] + 60).clip(1, 120).astype(kind)
    found = read_vectors(write(tmp_path / name, rows), limit=100).rows.vectors
    assert found.dtype == np.float32
    assert sorted(found.tolist()) == sorted(rows.tolist())


def test_rows_that_cannot_be_used_are_counted(tmp_path, x):
    x[3, 1], x[5] = np.nan, 0
    found = read_vectors(write(tmp_path / "x.npy", x), limit=30_000)
    assert (found.received, len(found.rows)) == (20_000, 19_998)
    assert found.rejected == {RowReason.NOT_FINITE: 1, RowReason.ZERO_VECTOR: 1}


def test_ids_inputs_and_labels_come_along(tmp_path, x):
    ids = [str(i) for i in range(50)]
    table = pa.table({"vector": column(x[:50]), "id": ids, "label": ["a", "b"] * 25, "price": [1.0] * 50})
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    rows = read_vectors(tmp_path / "x.parquet", limit=50).rows
    for i, label, vector in zip(rows.ids, rows.labels, rows.vectors, strict=True):
        assert (label, vector.tolist()) == ("ab"[int(i) % 2], x[int(i)].tolist())


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.ones(3), r"float64 of shape \(3,\)"),
        (np.ones((3, 3), bool), "bool"),
        (np.ones((3, 0)), r"float64 of shape \(3, 0\)"),
    ],
)
def test_another_array_is_refused(tmp_path, array, found):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(SourceError, match=rf"x\.npy holds {found}.*needed is a 2-d array"):
        read_vectors(tmp_path / "x.npy", limit=10)


def test_a_pickle_is_never_loaded(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(SourceError, match=r"x\.npy cannot be read"):
        read_vectors(tmp_path / "x.npy", limit=10)


def test_a_file_that_is_cut_is_refused(tmp_path, x):
    path = write(tmp_path / "x.npy", x)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"x\.npy cannot be read"):
        read_vectors(path, limit=10)


def test_another_dimension_than_needed_names_both(tmp_path, x):
    with pytest.raises(SourceError, match=r"needs rows with vectors of 7 dimensions, found: 20000 wrong_dimension"):
        read_vectors(write(tmp_path / "x.parquet", x), limit=10, dim=7)
    with pytest.raises(SourceError, match=r"7"):
        read_vectors(write(tmp_path / "x.npy", x), limit=10, dim=7)


def test_what_is_no_file_of_embeddings_is_told_of_every_format(tmp_path):
    (tmp_path / "x.csv").write_text("id,vector")
    (tmp_path / "empty").write_text("")
    for name, found in (("x.csv", "starts with b'id,v'"), ("empty", "starts with b''"), ("none", "does not exist")):
        with pytest.raises(SourceError, match=rf"{name} .*{found}.* \.npy.* Parquet or Arrow"):
            read_vectors(tmp_path / name, limit=10)


def test_no_vectors_is_said(tmp_path):
    pa.parquet.write_table(pa.table({"embedding": [[1.0]]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"needs a column 'vector', it has \['embedding'\]"):
        read_vectors(tmp_path / "x.parquet", limit=10)
    with pytest.raises(SourceError, match="does not exist"):
        read_vectors(tmp_path / "none.npy", limit=10)
