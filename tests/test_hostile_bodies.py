"""No body, however broken or malicious, does worse than being refused."""

import io
import struct

import numpy as np
import orjson
import pyarrow as pa
import pytest
from senders import ARROW, DIM, SEGMENTS, STREAM, VECTORS, good, ipc, npy

from collectors.bodies import PARSERS, parse_body
from collectors.columns import read_batches
from collectors.rows import Limits
from drift.errors import PayloadError


def refused(content_type: str, body: bytes, /, **limits: int) -> str:
    with pytest.raises(PayloadError) as caught:
        parse_body(content_type, body, STREAM, SEGMENTS, limits=Limits(**limits))
    return str(caught.value)


# Bodies that cannot be read say what was found and what would be right.

VECTOR = pa.array(good(2), VECTORS)
PLAIN = {"vector": VECTOR}


def test_text_that_utf8_cannot_hold_is_a_fault_of_its_row():
    body = rb'[{"vector":[NaN,1,1,1],"id":"a"},{"vector":[1,1,1,1],"id":"\ud800"},{"vector":[1,1,1,1],"id":"b"}]'
    batch = parse_body("application/json", body, STREAM, ())
    assert [(fault.row, fault.reason) for fault in batch.faults] == [(1, "malformed")]
    assert "surrogate" in batch.faults[0].detail


@pytest.mark.parametrize(
    ("content_type", "body", "found", "right"),
    [
        ("text/csv", b"1,2", "text/csv", "application/json"),
        ("", b"[]", "''", ARROW),
        ("application/json", b"", "not JSON", "array of row objects"),
        ("application/json", b"[1e999]", "not JSON", "array of row objects"),
        ("application/json", b"[" * 100_000, "not JSON", "array of row objects"),
        ("application/json", b"[NaN," + b"[" * 100_000, "nested too deep", "array of row objects"),
        ("application/json", b"3", "int", "array of row objects"),
        ("application/json", b'{"vector": [1]}', "['vector']", '{"rows": [...]}'),
        ("application/json", b'{"rows": {}}', "['rows']", '{"rows": [...]}'),
        ("application/x-ndjson", b"id,vector\n1,2\n", "none of the 2 lines", "one row object per line"),
        ("application/octet-stream", b"\xff\xff\xff\xff", "starts with", "application/x-npy"),
        ("application/x-npy", b"", "starts with b''", "numpy.save"),
        ("application/x-npy", b"\x93NUMPY\x01", "7 bytes", "numpy.save"),
        ("application/x-npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "4294967295 bytes", "numpy.save"),
        ("application/x-npy", npy(np.ones(4, np.float32)), "'shape': (4,)", "2-d array"),
        ("application/x-npy", npy(np.ones((2, 2, 2), np.float32)), "(2, 2, 2)", "2-d array"),
        ("application/x-npy", npy(np.ones((2, 0), np.float32)), "2 rows of no elements", "2-d array"),
        ("application/x-npy", npy(np.ones((2, 4), bool)), "|b1", "floats or whole numbers"),
        ("application/x-npy", npy(np.ones((2, 4), np.complex64)), "<c8", "floats or whole numbers"),
        ("application/x-npy", npy(np.ones((2, 4), [("a", "<f4")])), "('a', '<f4')", "floats or whole numbers"),
        ("application/x-npy", npy(np.ones((2, 4), np.float32))[:-1], "31", "32 bytes"),
        ("application/x-npy", npy(np.ones((2, 4), np.float32)) + b"\0", "33", "32 bytes"),
        (ARROW, b"", "cannot be read", "pyarrow.ipc.new_stream"),
        (ARROW, b"ARROW1\0\0", "cannot be read", "pyarrow.ipc.new_stream"),
        (ARROW, ipc(pa.table(PLAIN))[:-60], "cannot be read", "pyarrow.ipc.new_stream"),
        (ARROW, ipc(pa.table({"embedding": VECTOR})), "['embedding']", "'vector'"),
        (ARROW, ipc(pa.table({"vector": ["1,2"]})), "string", "list or fixed_size_list"),
        (ARROW, ipc(pa.table({"vector": [[True, False]]})), "list<item: bool>", "whole numbers"),
        (ARROW, ipc(pa.table({"vector": [[[1.0]]]})), "list<item: list", "whole numbers"),
        (
            ARROW,
            ipc(pa.table({"vector": pa.array(good(2), pa.list_view(pa.float32()))})),
            "list_view",
            "fixed_size_list",
        ),
        (ARROW, ipc(pa.table([VECTOR, VECTOR], ["vector", "vector"])), "2 times", "once"),
        (ARROW, ipc(pa.table(PLAIN | {"id": [1.5, 2.5]})), "double", "text or an integer"),
        (ARROW, ipc(pa.table(PLAIN | {"tenant": [["a"], ["b"]]})), "list<item: string>", "text or an integer"),
        (ARROW, ipc(pa.table(PLAIN | {"time": [True, False]})), "bool", "timestamp"),
    ],
)
def test_a_body_that_cannot_be_read_says_what_was_found_and_what_would_be_right(content_type, body, found, right):
    message = refused(content_type, body)
    assert found in message
    assert right in message


def test_an_unpickler_is_never_reached():
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    trap = np.empty((2, DIM), object)
    trap[:] = Trap()
    sink = io.BytesIO()
    np.save(sink, trap, allow_pickle=True)
    assert "|O" in refused("application/x-npy", sink.getvalue())


# Bounds hold before anything is decoded.


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("tenant", [["a", "a"], pa.array(["a", "a"]).dictionary_encode()], ids=["plain", "dictionary"])
def test_compressed_buffers_are_refused(codec, tenant):
    body = ipc(pa.table(PLAIN | {"tenant": tenant}), compression=codec)
    assert "compression=None" in refused(ARROW, body)


def test_a_compressed_dictionary_is_refused_among_plain_batches():
    table = pa.table(PLAIN | {"tenant": pa.array(["a" * 1000] * 2).dictionary_encode()})
    plain, packed = (list(pa.ipc.MessageReader.open_stream(ipc(table, compression=c))) for c in (None, "zstd"))
    assert [m.type for m in plain] == ["schema", "dictionary", "record batch"]
    assert len(parse_body(ARROW, b"".join(m.serialize() for m in plain), STREAM, SEGMENTS).rows) == 2
    mixed = b"".join(m.serialize() for m in (plain[0], packed[1], plain[2]))
    assert "compression=None" in refused(ARROW, mixed)


def test_dictionary_deltas_are_refused_and_replacements_are_read():
    first = pa.record_batch({"vector": VECTOR, "tenant": pa.array(["a", "b"]).dictionary_encode()})
    second = first.set_column(
        1, "tenant", pa.DictionaryArray.from_arrays(pa.array([2, 0], pa.int32()), ["a", "b", "c"])
    )
    bodies = []
    for deltas in (True, False):
        sink, options = io.BytesIO(), pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with pa.ipc.new_stream(sink, first.schema, options=options) as writer:
            writer.write_batch(first)
            writer.write_batch(second)
        bodies.append(sink.getvalue())
    assert "emit_dictionary_deltas=False" in refused(ARROW, bodies[0])
    assert parse_body(ARROW, bodies[1], STREAM, SEGMENTS).rows.segments == {"tenant": ("a", "b", "c", "a")}


def test_a_small_body_cannot_expand_into_a_large_one():
    zeros = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(200_000 * DIM, np.float32)), DIM)
    bomb = ipc(pa.table({"vector": zeros}), rows_per_batch=200_000, compression="zstd")
    del zeros
    assert len(bomb) < 2000
    before = pa.default_memory_pool().max_memory()
    assert "compression=None" in refused(ARROW, bomb)
    assert pa.default_memory_pool().max_memory() == before


def long_views(text: bytes, rows: int) -> pa.Array:
    """A string_view array of which each row names the same long text."""
    view = struct.pack("<i4sii", len(text), text[:4], 0, 0)
    return pa.Array.from_buffers(pa.string_view(), rows, [None, pa.py_buffer(view * rows), pa.py_buffer(text)])


def test_views_are_measured_whatever_surrounds_them():
    views = struct.pack("<i12si12s", 3, b"abc", 1, b"d")
    padded = pa.Array.from_buffers(pa.string_view(), 2, [None, pa.py_buffer(views + b"\0")])
    rows = pa.RecordBatch.from_pydict({"vector": VECTOR, "tenant": padded})
    for sent, size in ((rows, 2 * DIM * 4 + 4), (rows.slice(1), DIM * 4 + 1)):
        assert len(read_batches([sent], STREAM, SEGMENTS, limits=Limits(decoded=size)).rows) == len(sent)
        with pytest.raises(PayloadError, match=f"take {size} bytes"):
            read_batches([sent], STREAM, SEGMENTS, limits=Limits(decoded=size - 1))


@pytest.mark.parametrize("name", ["input", "tenant"])
def test_one_long_text_named_often_is_refused(name):
    rows, text = 1000, "x" * 10_000
    column = {"vector": pa.array(good(rows), VECTORS)}
    dictionary = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), [text])
    for bomb in (dictionary, long_views(text.encode(), rows)):
        body = ipc(pa.table(column | {name: bomb}), rows_per_batch=100)
        assert len(body) < 500_000
        assert "bytes once decoded" in refused(ARROW, body, decoded=9_000_000)


def test_a_batch_over_a_limit_is_refused_in_every_format():
    rows = [{"vector": v} for v in good(5)]
    bodies = {
        "application/json": orjson.dumps(rows),
        "application/x-ndjson": b"\n".join(map(orjson.dumps, rows)),
        ARROW: ipc(pa.table({"vector": pa.array(good(5), VECTORS)}), rows_per_batch=1),
        "application/x-npy": npy(np.array(good(5))),
        "application/octet-stream": npy(np.array(good(5), np.float16)),
    }
    assert bodies.keys() == PARSERS.keys()
    for content_type, body in bodies.items():
        exact = Limits(body=len(body), rows=5, decoded=5 * DIM * 4)
        assert len(parse_body(content_type, body, STREAM, SEGMENTS, limits=exact).rows) == 5
        assert "smaller batches" in refused(content_type, body, rows=4)
        assert "smaller batches" in refused(content_type, body, body=len(body) - 1)
        assert "smaller batches" in refused(content_type, body, decoded=5 * DIM * 4 - 1)


def test_many_rows_in_few_bytes_are_refused():
    table = pa.table({"id": pa.nulls(10**7), "vector": pa.nulls(10**7)})
    body = ipc(table, rows_per_batch=10**7)
    assert len(body) < 2000
    assert "rows" in refused(ARROW, body)


def test_offsets_that_point_outside_are_refused():
    right = struct.pack("<3i", 0, DIM, 2 * DIM)
    body = ipc(pa.table({"vector": pa.array(good(2), pa.list_(pa.float32()))}))
    assert body.count(right) == 1
    for wrong in ((0, DIM, 2**30), (0, -DIM, 2 * DIM), (2**30, 2**30 + DIM, 2**30 + 2 * DIM)):
        assert "Arrow" in refused(ARROW, body.replace(right, struct.pack("<3i", *wrong)))
