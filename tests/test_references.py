"""Files of healthy rows become references: vectors where there are some, else inputs for the encoder.

Copies that nothing explains are left out of them, on the way to the store as well.
"""

import os
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from fakes import STREAM as PUSHED
from fakes import FakeEncoder, healthy
from structlog.testing import capture_logs

from collectors.references import Inputs, read_reference
from drift.errors import BadReferenceError, SourceError
from drift.pipeline.references import Source, ensure_reference, make_reference
from drift.records import EPOCH, Rows, Stream
from drift.store import references

STREAM = Stream("search", "encoder", "1", 3)
LATER = EPOCH + timedelta(days=1)


class Turned(FakeEncoder):
    """The fake encoder with its dimensions in another order."""

    def encode(self, inputs):
        return np.ascontiguousarray(super().encode(inputs)[:, ::-1])


@pytest.fixture
def write(tmp_path):
    def put(columns: dict[str, object], name: str = "rows.parquet"):
        pa.parquet.write_table(pa.table(columns), tmp_path / name, row_group_size=10)
        return tmp_path / name

    return put


def vectors(n: int) -> pa.Array:
    flat = np.stack([np.arange(n), np.ones(n), np.ones(n)], axis=1).astype(np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), 3)


def test_vectors_come_with_their_inputs_and_labels_in_random_order(write):
    n = 200
    texts = [f"text {i}" for i in range(n)]
    path = write({"vector": vectors(n), "input": texts, "label": ["odd" if i % 2 else "even" for i in range(n)]})
    rows = read_reference(path, STREAM, limit=50)
    assert isinstance(rows, Rows)
    assert len(rows) == 50
    for vector, text, label in zip(rows.vectors, rows.inputs, rows.labels, strict=True):
        assert text == f"text {int(vector[0])}"
        assert label == ("odd" if vector[0] % 2 else "even")
    order = rows.vectors[:, 0]
    assert abs(np.corrcoef(order, np.arange(50))[0, 1]) < 0.5
    assert np.array_equal(read_reference(path, STREAM, limit=50).vectors, rows.vectors)
    assert sorted(read_reference(path, STREAM, limit=1000).vectors[:, 0]) == list(range(n))


def test_inputs_alone_are_kept_with_their_labels(write):
    texts = [None if i % 10 == 0 else f"text {i}" for i in range(100)]
    path = write({"input": texts, "label": pa.array([i % 3 for i in range(100)])})
    inputs = read_reference(path, STREAM, limit=1000)
    assert isinstance(inputs, Inputs)
    assert len(inputs) == 90
    assert sorted(inputs.texts) == sorted(t for t in texts if t)
    assert all(label == str(int(text.split()[1]) % 3) for text, label in zip(inputs.texts, inputs.labels, strict=True))
    assert read_reference(path, STREAM, limit=20) == Inputs(inputs.texts[:20], inputs.labels[:20])
    assert read_reference(write({"input": ["a", "b"]}), STREAM, limit=9).labels == ()


@pytest.mark.parametrize("column", ["vector", "input"])
def test_the_sample_is_the_same_for_any_row_groups(tmp_path, column):
    values = [None if i % 7 == 3 else ([i + 1.0] * 3 if column == "vector" else f"text {i}") for i in range(300)]
    samples = []
    for size in (7, 64, 300):
        (tmp_path / str(size)).mkdir()
        path = tmp_path / str(size) / "rows.parquet"
        pa.parquet.write_table(pa.table({column: values}), path, row_group_size=size)
        found = read_reference(path, STREAM, limit=20)
        samples.append(found.texts if isinstance(found, Inputs) else found.vectors.tolist())
    assert len(samples[0]) == 20
    assert samples[0] == samples[1] == samples[2]


def test_a_sample_is_uniform_over_the_files(write, tmp_path):
    counts = np.zeros(40)
    for name, low, high in (("a.parquet", 0, 10), ("b.parquet", 10, 40)):
        write({"input": [str(i) for i in range(low, high)]}, name)
    for trial in range(100):
        stream = Stream(f"stream {trial}", "encoder", "1", 3)
        counts[[int(text) for text in read_reference(tmp_path, stream, limit=10).texts]] += 1
    # Each is binomial with p = 1/4: mean 25, deviation 4.3.
    assert abs(counts - 25).max() < 4 * 4.3


def test_times_are_not_needed_and_not_read(write):
    path = write({"vector": vectors(5), "time": ["never"] * 5})
    assert read_reference(path, STREAM, limit=9).times is None


def test_a_segment_has_its_own_reference(write):
    path = write({"vector": vectors(6), "tenant": ["a", "b"] * 3})
    assert sorted(read_reference(path, STREAM.part("tenant=b"), limit=9).vectors[:, 0]) == [1, 3, 5]


@pytest.mark.parametrize("column", ["vector", "input"])
def test_one_row_of_each_session_is_taken(write, column):
    values = vectors(30) if column == "vector" else [f"text {i}" for i in range(30)]
    found = read_reference(write({column: values, "session": [i // 5 for i in range(30)]}), STREAM, limit=99)
    taken = found.vectors[:, 0] if isinstance(found, Rows) else [int(text.split()[1]) for text in found.texts]
    assert sorted(int(row) // 5 for row in taken) == list(range(6))
    assert any(int(row) % 5 for row in taken)  # not the first of each


def test_rows_that_no_window_would_hold_are_left_out(write):
    bad = pa.array([[1.0, 1, 1], [np.nan, 1, 1], [0.0, 0, 0], [1.0], None], pa.list_(pa.float32()))
    assert len(read_reference(write({"vector": bad}), STREAM, limit=9)) == 1
    with pytest.raises(SourceError, match=r"rows\.parquet needs valid rows .* found: 1 zero_vector, 1 malformed"):
        read_reference(write({"vector": pa.array([[0.0] * 3, None], pa.list_(pa.float32()))}), STREAM, limit=9)


def test_a_file_with_neither_vectors_nor_inputs_says_what_it_needs(write, tmp_path):
    with pytest.raises(SourceError, match=r"needs a column 'vector'.*`input`.*it has \['text'\]"):
        read_reference(write({"text": ["a"]}), STREAM, limit=9)
    write({"vector": vectors(2)}, "a.parquet")
    with pytest.raises(SourceError, match="needs a column 'vector'"):
        read_reference(tmp_path, STREAM, limit=9)


# Copies.


def test_of_a_file_that_was_exported_twice_each_row_is_taken_once(write, engine):
    x = np.tile(healthy(100), (2, 1))
    path = write({"vector": x.tolist()})
    with capture_logs() as logs, engine.begin() as conn:
        first = ensure_reference(conn, PUSHED, Source(path, None, 1000), now=EPOCH)
        again = ensure_reference(conn, PUSHED, Source(path, None, 1000), now=EPOCH)
    assert len(first.rows) == len(np.unique(first.vectors, axis=0)) == 100
    assert again.version == first.version
    assert [(log["event"], log["copies"]) for log in logs] == [("copies left out of a reference", 100)]


def test_popular_inputs_stay_in_a_reference_whether_they_are_encoded_here_or_not(write):
    texts = [f"text {i}" for i in range(20)] + ["hello"] * 5 + ["text 0"]
    made = make_reference(PUSHED, Source(write({"input": texts}), FakeEncoder(), 1000), now=EPOCH)
    assert made.lineage.copies == 1
    assert sorted(made.rows.inputs) == sorted(texts[:-1])
    vectors = FakeEncoder().encode(texts)
    served = make_reference(PUSHED, Source(write({"vector": vectors.tolist()}), None, 1000), now=EPOCH)
    assert (served.lineage.copies, len(served.rows)) == (1, 25)


# When a reference is made again, and when it is not.


def test_a_file_that_was_only_copied_gives_no_new_reference(write, engine):
    path = write({"vector": healthy(60).tolist()})
    with engine.begin() as conn:
        first = ensure_reference(conn, PUSHED, Source(path, None, 1000), now=EPOCH)
        os.utime(path, (1, 1))
        assert ensure_reference(conn, PUSHED, Source(path, None, 1000), now=LATER).created_at == first.created_at
        write({"vector": healthy(60, 2).tolist()})
        assert ensure_reference(conn, PUSHED, Source(path, None, 1000), now=LATER).version != first.version
        assert len(references.references(conn)) == 2


def test_another_declared_encoder_makes_the_reference_anew_and_the_log_says_what_changed(write, engine):
    path = write({"input": [f"text {i}" for i in range(30)]})
    with capture_logs() as logs, engine.begin() as conn:
        one = Source(path, FakeEncoder(), 1000, declared="model a")
        two = Source(path, Turned(described={"weights": "turned", "torch": "1"}), 1000, declared="model b")
        first = ensure_reference(conn, PUSHED, one, now=EPOCH)
        second = ensure_reference(conn, PUSHED, two, now=LATER)
    assert (first.version == second.version, first.rows.inputs == second.rows.inputs) == (False, True)
    (told,) = [log for log in logs if log["event"] == "reference made anew"]
    assert (told["was"], told["encoder_changed"]) == (first.version[:12], "weights fake -> turned")


def test_an_encoder_that_changes_by_itself_does_not_touch_the_reference(write, engine):
    path = write({"input": [f"text {i}" for i in range(30)]})
    with engine.begin() as conn:
        first = ensure_reference(conn, PUSHED, Source(path, FakeEncoder(), 1000), now=EPOCH)
        again = ensure_reference(conn, PUSHED, Source(path, Turned(fingerprint="turned"), 1000), now=LATER)
    assert again.version == first.version


def test_a_pinned_reference_stays_whatever_the_file_becomes(write, engine):
    path = write({"vector": healthy(60).tolist()})
    with engine.begin() as conn:
        first = ensure_reference(conn, PUSHED, Source(path, None, 1000), now=EPOCH)
        references.pin(conn, PUSHED.key, first.version)
        write({"vector": healthy(60, 2).tolist()})
        assert ensure_reference(conn, PUSHED, Source(path, None, 1000), now=LATER).version == first.version
        references.unpin(conn, PUSHED.key)
        assert ensure_reference(conn, PUSHED, Source(path, None, 1000), now=LATER).version != first.version


def test_a_pinned_reference_of_another_dimension_is_refused_by_name(write, engine):
    path = write({"vector": healthy(60).tolist()})
    with engine.begin() as conn:
        first = ensure_reference(conn, PUSHED, Source(path, None, 1000), now=EPOCH)
        references.pin(conn, PUSHED.key, first.version)
        with pytest.raises(BadReferenceError, match=r"has 8 dimensions, stream 'search' declares 9: .* --none"):
            ensure_reference(conn, replace(PUSHED, dim=9), Source(path, None, 1000), now=LATER)
