"""A time is the same moment however it is written, and never another one."""

import time

import numpy as np
import pyarrow as pa
import pytest
from senders import SECONDS, VECTORS, arrow, good, json, reasons

from collectors.times import NO_TIME, read_time
from drift.records import RowReason


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.timestamp("s"), SECONDS),
        (pa.timestamp("ms", "UTC"), SECONDS * 10**3),
        (pa.timestamp("us", "Europe/Berlin"), SECONDS * 10**6),
        (pa.timestamp("ns"), SECONDS * 10**9 + 999),
        (pa.int64(), SECONDS),
        (pa.uint32(), SECONDS),
        (pa.float64(), float(SECONDS)),
        (pa.string(), "2026-03-01T12:34:56"),
        (pa.string(), "2026-03-01T12:34:56.000000999Z"),
        (pa.large_string(), "2026-03-01 13:34:56+01:00"),
        (pa.dictionary(pa.int8(), pa.string()), "20260301T123456Z"),
    ],
    ids=str,
)
def test_every_way_to_write_a_time_is_read_as_the_same_moment(kind, value):
    time = pa.array([value, None], kind) if not pa.types.is_dictionary(kind) else pa.array([value, None]).cast(kind)
    batch = arrow({"vector": pa.array(good(2), VECTORS), "time": time})
    assert batch.rows.times.tolist() == [SECONDS * 10**6, NO_TIME]
    if isinstance(value, str | float) or kind == pa.int64():
        assert json([{"vector": good(1)[0], "time": value}]).rows.times.tolist() == [SECONDS * 10**6]


@pytest.mark.parametrize(
    "bad", ["yesterday", "", "2026-13-01", True, [], {}, 1.7e12, -1e300, 10**17, "0001-01-01T00:00+01:00"]
)
def test_an_unreadable_time_is_a_fault_of_its_row(bad):
    batch = json([{"vector": good(1)[0], "time": SECONDS}, {"vector": good(1)[0], "time": bad}])
    assert reasons(batch) == {1: RowReason.BAD_TIME}
    assert batch.rows.times.tolist() == [SECONDS * 10**6]


@pytest.mark.parametrize(
    "time",
    [
        pa.array([SECONDS * 1000, SECONDS]),
        pa.array([np.nan, SECONDS]),
        pa.array([np.inf, SECONDS]),
        pa.array([2**64 - 1, SECONDS], pa.uint64()),
        pa.array(["?", "2026-03-01T12:34:56Z"]),
        # As microseconds this product wraps around to 1970, a plausible time.
        pa.array([2**63 // 10**6 * 2, SECONDS]).cast(pa.timestamp("s")),
        pa.array([-(2**62), SECONDS * 1000]).cast(pa.timestamp("ms")),
    ],
    ids=str,
)
def test_a_time_that_cannot_be_held_never_wraps_into_another(time):
    batch = arrow({"vector": pa.array(good(2), VECTORS), "time": time})
    assert reasons(batch) == {0: RowReason.BAD_TIME}
    assert batch.rows.times.tolist() == [SECONDS * 10**6]


def test_a_naive_time_is_utc_wherever_the_service_runs(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert read_time("2026-03-01T12:34:56") == SECONDS * 10**6
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_no_number_is_no_time(number):
    with pytest.raises(ValueError, match="is not a time"):
        read_time(number)


def test_milliseconds_are_recognised():
    batch = json([{"vector": good(1)[0], "time": SECONDS * 1000}])
    assert "milliseconds" in batch.faults[0].detail
