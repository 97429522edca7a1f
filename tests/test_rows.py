"""A bad row is named, and spoils nothing: the good rows of its batch are kept."""

from datetime import timedelta

import numpy as np
import orjson
import pyarrow as pa
from senders import ALLOWED, DIM, SECONDS, SEGMENTS, START, STREAM, arrow, assert_whole, good, json, npy, reasons, same

from collectors.bodies import parse_body
from collectors.rows import join, screen
from collectors.times import microseconds
from drift.records import RowReason, tally


def test_each_bad_row_is_named_and_the_good_ones_are_kept():
    vector = good(1)[0]
    bad = [
        (7, RowReason.MALFORMED),
        ({"id": "no vector"}, RowReason.MALFORMED),
        ({"vector": "1,2,3,4"}, RowReason.MALFORMED),
        ({"vector": [1, 2, 3, "4"]}, RowReason.MALFORMED),
        ({"vector": [[1, 2, 3, 4]]}, RowReason.MALFORMED),
        ({"vector": {"0": 1}}, RowReason.MALFORMED),
        ({"vector": vector, "id": 1.5}, RowReason.MALFORMED),
        ({"vector": vector, "input": ["a"]}, RowReason.MALFORMED),
        ({"vector": vector, "label": "a\0b"}, RowReason.MALFORMED),
        ({"vector": vector, "tenant": "x" * 1025}, RowReason.MALFORMED),
        ({"vector": [1, 2, 3]}, RowReason.WRONG_DIMENSION),
        ({"vector": []}, RowReason.WRONG_DIMENSION),
        ({"vector": [1, 2, 3, 4, 5]}, RowReason.WRONG_DIMENSION),
        ({"vector": vector, "time": "noon"}, RowReason.BAD_TIME),
        ({"vector": vector, "time": "2026-02-28T23:59:59.999999Z"}, RowReason.TIME_OUT_OF_RANGE),
        ({"vector": vector, "time": "2026-03-02T00:00:00Z"}, RowReason.TIME_OUT_OF_RANGE),
        ({"vector": [1, None, 3, 4]}, RowReason.NOT_FINITE),
        ({"vector": [1, 1e39, 3, 4]}, RowReason.NOT_FINITE),
        ({"vector": [1e38, 1e38, 1e38, 1e38]}, RowReason.NOT_FINITE),
        ({"vector": [0, 0.0, -0.0, 0]}, RowReason.ZERO_VECTOR),
        ({"vector": [1e-300, 0, 0, 0]}, RowReason.ZERO_VECTOR),
        ({"vector": [1e-30, 0, 0, 0]}, RowReason.ZERO_VECTOR),
    ]
    sent = [row for row, _ in bad for row in (row, {"vector": vector, "id": "kept", "time": START.isoformat()})]
    batch = screen(json(sent), STREAM, ALLOWED, arrival=START)
    assert_whole(batch)
    assert reasons(batch) == {2 * i: reason for i, (_, reason) in enumerate(bad)}
    assert batch.rows.ids == ("kept",) * len(bad)
    assert np.array_equal(batch.rows.vectors, np.array([vector] * len(bad), np.float32))
    assert sum(tally(batch.faults).values()) == len(bad) == batch.received - len(batch.rows)


def test_a_row_that_is_no_object_is_told_so():
    assert json([[1, 2, 3, 4]]).faults[0].detail == "the row is of the type list, needed is an object"


def test_a_line_that_is_not_json_is_a_fault_of_its_row():
    body = (
        orjson.dumps({"vector": good(1)[0]})
        + b'\r\n{"vector": [1, oops, 1, 1]}\n \r\n\n'
        + orjson.dumps({"vector": good(1)[0]})
    )
    batch = parse_body("application/x-ndjson", body, STREAM, SEGMENTS)
    assert reasons(batch) == {1: RowReason.MALFORMED}
    assert batch.index.tolist() == [0, 2]


def test_a_fault_says_what_was_found():
    sent = {"vector": pa.array([[1, 2, 3], [np.nan, 1, np.inf, 1], [0] * 4, good(1)[0]], pa.list_(pa.float32()))}
    sent["time"] = pa.array([START, START, START, START + timedelta(days=3)])
    batch = screen(arrow(sent), STREAM, ALLOWED)
    details = [fault.detail for fault in batch.faults]
    assert details == [
        "the vector has 3 elements, needed are 4",
        "element 0 is nan (2 such elements)",
        "all elements are 0",
        "2026-03-04T00:00:00+00:00 is not in [2026-03-01T00:00:00+00:00, 2026-03-02T00:00:00+00:00)",
    ]


def test_an_array_of_the_wrong_width_is_counted_row_by_row():
    for batch in (
        parse_body("application/x-npy", npy(np.ones((3, DIM + 1), np.float32)), STREAM, SEGMENTS),
        arrow({"vector": pa.array([[1.0] * 5] * 3, pa.list_(pa.float32(), 5))}),
    ):
        assert tally(batch.faults) == {RowReason.WRONG_DIMENSION: 3}
        assert batch.received == 3


def test_a_row_without_a_time_takes_its_arrival_or_is_refused_beside_timed_ones():
    arrival = START + timedelta(hours=1)
    mixed = json([{"vector": v, "time": t} for v, t in zip(good(2), [SECONDS, None], strict=True)])
    bare = json([{"vector": v} for v in good(2)])
    assert screen(mixed, STREAM, ALLOWED, arrival=arrival).rows.times.tolist() == [
        SECONDS * 10**6,
        microseconds(arrival),
    ]
    assert screen(bare, STREAM, ALLOWED, arrival=arrival).rows.times.tolist() == [microseconds(arrival)] * 2
    assert reasons(screen(mixed, STREAM, ALLOWED)) == {1: RowReason.BAD_TIME}
    assert screen(bare, STREAM, ALLOWED).rows.times is None


def test_joined_batches_are_as_if_sent_as_one():
    rows = [{"vector": v, "id": str(i)} for i, v in enumerate([*good(2), [1.0], *good(2)])]
    rows[4] |= {"time": SECONDS, "label": "late", "tenant": "acme"}
    joined = join([json(rows[:1]), json(rows[1:3]), json(rows[3:])])
    whole = json(rows)
    assert same(joined.rows, whole.rows)
    assert (joined.faults, joined.received, joined.index.tolist()) == (whole.faults, 5, whole.index.tolist())
