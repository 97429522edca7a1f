"""Bodies in every format become the same rows."""

from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from senders import ARROW, DIM, SEGMENTS, STREAM, VECTORS, arrow, assert_whole, good, ipc, json, npy, reasons, same

from collectors.bodies import parse_body
from drift.records import RowReason

texts = st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
rows_as_sent = st.fixed_dictionaries(
    {
        "vector": st.none()
        | st.lists(st.sampled_from([0.0, 1.0, -2.5, 1e-3, 65504.0]), min_size=DIM, max_size=DIM)
        | st.lists(st.just(1.0), max_size=6),
        "id": texts,
        "time": st.none() | st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 2), timezones=st.just(UTC)),
        "input": texts,
        "label": texts,
        "encoder_version": texts,
        "session": texts,
        "tenant": texts,
    }
)


def as_table(
    rows: list[dict[str, object]], vector: pa.DataType, text: pa.DataType, unit: str, zone: str | None
) -> pa.Table:
    columns = {"vector": pa.array([row["vector"] for row in rows], vector)}
    for name in ("id", "session", "input", "label", "encoder_version", "tenant"):
        columns[name] = pa.array([row[name] for row in rows], pa.string()).cast(text)
    times = pa.array([row["time"] for row in rows], pa.timestamp("us", "UTC"))
    columns["time"] = times.cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit, zone))
    return pa.table(columns | {"unknown": pa.array([{"a": [1]}] * len(rows))})


@settings(deadline=None, max_examples=40)
@given(st.lists(rows_as_sent, max_size=7))
def test_every_format_gives_the_same_rows(rows):
    parse = partial(parse_body, stream=STREAM, segments=SEGMENTS)
    text = [row | {"time": row["time"] and row["time"].isoformat()} for row in rows]
    expected = parse("application/json", orjson.dumps(text))
    assert_whole(expected)
    naive = [row | {"time": row["time"] and row["time"].replace(tzinfo=None).isoformat()} for row in rows]
    abroad = timezone(timedelta(hours=-9, minutes=30))
    shifted = [row | {"time": row["time"] and row["time"].astimezone(abroad).isoformat()} for row in rows]
    others = [
        parse("application/json; charset=utf-8", orjson.dumps({"rows": naive, "sent_by": "me"})),
        parse("Application/X-NDJSON", b"\n".join(orjson.dumps(row) for row in shifted) + b"\n\n"),
        parse(ARROW, ipc(as_table(rows, pa.list_(pa.float32()), pa.string(), "us", "UTC"))),
        parse(ARROW, ipc(as_table(rows, pa.large_list(pa.float64()), pa.large_string(), "ns", None))),
        parse(
            ARROW,
            ipc(as_table(rows, pa.list_(pa.float32()), pa.dictionary(pa.int8(), pa.string()), "us", "Asia/Tokyo")),
        ),
        parse(ARROW, ipc(as_table(rows, pa.list_(pa.float64()), pa.string_view(), "us", "UTC"))),
    ]
    for other in others:
        assert same(other.rows, expected.rows)
        assert (other.faults, other.received) == (expected.faults, expected.received)
        assert np.array_equal(other.index, expected.index)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4", np.int8, ">i4"])
def test_bare_vectors_are_the_same_from_npy_json_and_every_arrow_type(kind):
    matrix = np.array(good(6), kind)
    expected = json([{"vector": row} for row in matrix.astype(np.float64).tolist()]).rows
    assert np.array_equal(expected.vectors, matrix.astype(np.float32))
    flat = pa.array(matrix.astype(matrix.dtype.newbyteorder("=")).reshape(-1))
    fixed = pa.FixedSizeListArray.from_arrays(flat, DIM)
    bodies = [
        ("application/x-npy", npy(matrix)),
        ("application/octet-stream", npy(np.asfortranarray(matrix))),
        (ARROW, ipc(pa.table({"vector": fixed}))),
        (ARROW, ipc(pa.table({"vector": fixed.cast(pa.list_(fixed.type.value_type))}))),
        (ARROW, ipc(pa.table({"vector": pa.FixedShapeTensorArray.from_numpy_ndarray(matrix.astype(np.float32))}))),
    ]
    for content_type, body in bodies:
        batch = parse_body(content_type, body, STREAM, SEGMENTS)
        assert same(batch.rows, expected)
        assert batch.rows.vectors.flags.writeable
        assert batch.rows.vectors.base is None or batch.rows.vectors.base.flags.owndata


def test_a_batch_of_no_rows_is_a_batch():
    empty = {"vector": pa.array([], VECTORS), "id": pa.array([], pa.string())}
    batches = [json([]), arrow(empty), parse_body("application/x-npy", npy(np.empty((0, DIM))), STREAM, SEGMENTS)]
    for batch in [*batches, parse_body("application/x-ndjson", b"\n", STREAM, SEGMENTS)]:
        assert batch.received == len(batch.rows) == 0
        assert batch.rows.vectors.shape == (0, DIM)
        assert batch.rows.segments == {"tenant": ()}


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.none() | st.lists(st.none() | st.just(1.0), min_size=DIM, max_size=DIM), min_size=2, max_size=12),
    st.data(),
)
def test_slices_and_nulls_of_fixed_size_lists_do_not_shift_rows(vectors, data):
    low = data.draw(st.integers(0, len(vectors)))
    high = data.draw(st.integers(low, len(vectors)))
    marked = [v and [x if x is None else x + i for x in v] for i, v in enumerate(vectors)]
    for kind in (VECTORS, pa.list_(pa.float32()), pa.list_(pa.float16(), DIM)):
        whole = pa.table({"vector": pa.array(marked, kind), "id": [str(i) for i in range(len(marked))]})
        batch = parse_body(ARROW, ipc(whole.slice(low, high - low)), STREAM, ())
        assert reasons(batch) == {i: RowReason.MALFORMED for i, v in enumerate(marked[low:high]) if v is None}
        for row, text in zip(batch.rows.vectors, batch.rows.ids, strict=True):
            sent = [np.nan if x is None else x for x in marked[int(text)]]
            assert np.array_equal(row, np.array(sent, np.float32), equal_nan=True)


def test_integers_and_booleans_become_text():
    for batch in (
        json([{"vector": v, "id": 7, "label": -3, "tenant": True, "encoder_version": 2} for v in good(2)]),
        arrow(
            {
                "vector": pa.array(good(2), VECTORS),
                "id": pa.array([7, 7], pa.uint8()),
                "label": pa.array([-3, -3]).dictionary_encode(),
                "tenant": [True, True],
                "encoder_version": pa.array([2, 2], pa.int64()),
            }
        ),
    ):
        assert batch.rows.ids == ("7", "7")
        assert batch.rows.labels == ("-3", "-3")
        assert batch.rows.segments == {"tenant": ("true", "true")}
        assert batch.rows.encoder_versions == ("2", "2")
