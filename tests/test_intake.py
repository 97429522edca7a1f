"""Rows that are pushed: durable when acknowledged, counted once, drawn fairly."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event

import numpy as np
import pytest
import sqlalchemy as sa
from fakes import DIM, LENGTH, START, STREAM, healthy, make_monitor, register, send

from drift.errors import BatchConflictError, UnknownStreamError
from drift.pipeline import measure
from drift.pipeline.intake import Sieve
from drift.records import EPOCH, RowReason, Span
from drift.store import tables

WINDOW = Span(START, START + LENGTH)


def micros(at) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


@pytest.fixture
def monitor(engine):
    monitor = make_monitor(engine)
    register(engine, monitor)
    return monitor


def test_rows_come_out_of_the_window_that_they_went_into(engine, monitor):
    receipt = send(engine, monitor, healthy(5), key="a", ids=tuple("abcde"), inputs=("x", None, "y", "z", None))
    window = monitor.collector.collect(STREAM, WINDOW, limit=100)
    assert (receipt.received, receipt.accepted, receipt.duplicate) == (5, 5, False)
    order = [window.rows.ids.index(name) for name in "abcde"]
    np.testing.assert_array_equal(window.vectors[order], healthy(5))
    assert [window.rows.inputs[i] for i in order] == ["x", None, "y", "z", None]


def test_a_batch_sent_again_counts_once(engine, monitor):
    assert not send(engine, monitor, healthy(5), key="a").duplicate
    assert send(engine, monitor, healthy(5), key="a").duplicate
    assert monitor.collector.collect(STREAM, WINDOW, limit=100).received == 5


def test_a_batch_sent_again_after_its_window_closed_is_still_known(engine, monitor):
    times = np.full(5, micros(START))
    send(engine, monitor, healthy(5), key="a", times=times)
    later = START + 3 * LENGTH
    with engine.begin() as conn:
        measure.queue_closed(conn, monitor, now=later)
    again = send(engine, monitor, healthy(5), key="a", times=times, now=later)
    assert (again.accepted, again.faults, again.duplicate) == (5, (), True)


def test_the_key_of_another_batch_is_refused_and_not_taken_for_a_retry(engine, monitor):
    send(engine, monitor, healthy(5), key="a")
    with pytest.raises(BatchConflictError, match="'a'"):
        send(engine, monitor, healthy(6), key="a")
    assert monitor.collector.collect(STREAM, WINDOW, limit=100).received == 5


def test_a_window_closes_however_busily_rows_are_pushed(engine, monitor):
    stop = Event()

    def push(number: int) -> None:
        while not stop.is_set():
            send(engine, monitor, healthy(1), key=uuid.uuid4().hex, now=START + LENGTH + monitor.lateness)

    with ThreadPoolExecutor(4) as pool:
        pushers = [pool.submit(push, i) for i in range(4)]
        try:
            with engine.begin() as conn:
                conn.execute(sa.text("SET LOCAL lock_timeout = '3s'"))
                assert measure.queue_closed(conn, monitor, now=START + LENGTH + monitor.lateness) == 1
        finally:
            stop.set()
        for pusher in pushers:
            pusher.result()


def test_a_long_pause_is_made_up_for_in_turns(engine, monitor):
    now = START + 2500 * LENGTH + monitor.lateness
    with engine.begin() as conn:
        assert [measure.queue_closed(conn, monitor, now=now) for _ in range(4)] == [1000, 1000, 500, 0]


def test_the_same_row_sent_in_two_batches_is_drawn_once(engine, monitor):
    send(engine, monitor, healthy(2), key="a", ids=("r1", "r2"))
    send(engine, monitor, healthy(2), key="b", ids=("r2", "r3"))
    window = monitor.collector.collect(STREAM, WINDOW, limit=100)
    assert sorted(window.rows.ids) == ["r1", "r2", "r3"]


def test_an_id_that_is_sent_again_and_again_leaves_room_for_the_others(engine, monitor):
    small, sieve = replace(monitor, sample=20), Sieve()
    for i in range(40):
        send(engine, small, healthy(1), key=f"again {i}", ids=("popular",), sieve=sieve)
    for i in range(40):
        send(engine, small, healthy(1, i), key=f"other {i}", ids=(f"r{i}",), sieve=sieve)
    assert len(monitor.collector.collect(STREAM, WINDOW, limit=20).rows) == 20


def test_bad_rows_are_listed_counted_and_cost_no_good_one(engine, monitor):
    vectors = healthy(4)
    vectors[1], vectors[2] = np.nan, 0
    receipt = send(engine, monitor, vectors, key="a")
    assert [(fault.row, fault.reason) for fault in receipt.faults] == [
        (1, RowReason.NOT_FINITE),
        (2, RowReason.ZERO_VECTOR),
    ]
    window = monitor.collector.collect(STREAM, WINDOW, limit=100)
    assert (window.received, len(window.rows)) == (4, 2)
    assert window.rejected == {RowReason.NOT_FINITE: 1, RowReason.ZERO_VECTOR: 1}


def test_rows_go_to_the_windows_of_their_times(engine, monitor):
    times = np.array([micros(START), micros(START + LENGTH) - 1, micros(START + LENGTH)])
    send(engine, monitor, healthy(3), key="a", times=times)
    second = Span(WINDOW.end, WINDOW.end + LENGTH)
    assert monitor.collector.collect(STREAM, WINDOW, limit=9).received == 2
    assert monitor.collector.collect(STREAM, second, limit=9).received == 1


def test_rows_for_closed_windows_and_for_the_future_are_refused(engine, monitor):
    with engine.begin() as conn:
        measure.queue_closed(conn, monitor, now=START + 2 * LENGTH + monitor.lateness)
    now = START + 2 * LENGTH + timedelta(minutes=1)
    times = np.array([micros(START), micros(now), micros(now + timedelta(minutes=6))])
    receipt = send(engine, monitor, healthy(3), key="a", times=times, now=now)
    assert [(f.row, f.reason) for f in receipt.faults] == [
        (0, RowReason.TIME_OUT_OF_RANGE),
        (2, RowReason.TIME_OUT_OF_RANGE),
    ]


def test_a_window_never_closes_on_a_batch_that_is_being_written(engine, monitor):
    """Whatever the order of commits, a row is either refused as late or seen by the measurement."""
    now = START + LENGTH + monitor.lateness

    def close() -> None:
        with engine.begin() as conn:
            measure.queue_closed(conn, monitor, now=now)

    with ThreadPoolExecutor(9) as pool:
        times = np.full(1, micros(START + LENGTH) - 1)
        sent = [pool.submit(send, engine, monitor, healthy(1, i), key=str(i), now=now, times=times) for i in range(40)]
        pool.submit(close).result()
        accepted = sum(one.result().accepted for one in sent)
    assert monitor.collector.collect(STREAM, WINDOW, limit=999).received == accepted


def test_an_unregistered_stream_is_refused(engine):
    with pytest.raises(UnknownStreamError, match="search"):
        send(engine, make_monitor(engine), healthy(1), key="a")


def test_what_is_stored_is_bounded_whatever_the_traffic(engine, monitor):
    small, sieve = replace(monitor, sample=10), Sieve()
    for i in range(100):
        send(engine, small, healthy(50, i), key=str(i), sieve=sieve)
    with engine.connect() as conn:
        stored = sum(len(row.priorities) // 8 for row in conn.execute(sa.select(tables.inbox)))
    # k (1 + ln(N / k)) rows are expected to be among the k lowest when they come; here 10 (1 + ln 500) = 72.
    assert stored < 150
    window = small.collector.collect(STREAM, WINDOW, limit=10)
    assert (window.received, len(window.rows)) == (5000, 10)


def test_the_sample_does_not_depend_on_batches_or_restarts(engine, server):
    """The rows of lowest priority are drawn, whether one sieve saw all batches or each batch met a new one."""
    drawn = []
    for fresh in (False, True):
        monitor = make_monitor(engine, sample=10)
        with engine.begin() as conn:
            conn.execute(sa.delete(tables.inbox))
        register(engine, monitor)
        sieve = Sieve()
        for i in range(20):
            ids = tuple(f"{i}-{j}" for j in range(30))
            send(engine, monitor, healthy(30, i), key=f"{fresh} {i}", ids=ids, sieve=Sieve() if fresh else sieve)
        drawn.append(monitor.collector.collect(STREAM, WINDOW, limit=10).rows.ids)
    assert drawn[0] == drawn[1]


def test_a_segment_sees_its_own_rows_even_where_they_are_rare(engine):
    part = STREAM.part("tenant=acme")
    monitor = make_monitor(engine, parts=(STREAM, part), sample=10)
    monitor = replace(monitor, slos={**monitor.slos, part.key: ()})
    register(engine, monitor)
    sieve = Sieve()
    for i in range(10):
        tenants = tuple("acme" if j == 0 else "globex" for j in range(100))
        send(engine, monitor, healthy(100, i), key=str(i), sieve=sieve, segments={"tenant": tenants})
    rare = monitor.collector.collect(part, WINDOW, limit=10)
    assert (rare.received, len(rare.rows)) == (10, 10)
    assert monitor.collector.collect(STREAM, WINDOW, limit=10).received == 1000


def test_rows_leave_the_inbox_with_the_window_that_holds_them(engine, monitor):
    send(engine, monitor, healthy(80), key="a")
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, [WINDOW])
    with engine.connect() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(tables.inbox)).scalar_one() == 0
        assert conn.execute(sa.select(tables.window.c.rows)).scalars().all() == [80]


def test_dimension_is_the_streams(engine, monitor):
    with pytest.raises(ValueError, match=str(DIM)):
        send(engine, monitor, healthy(1, dim=DIM + 1), key="a")
