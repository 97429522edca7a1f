"""Rows of one session, which depend on one another: one of them is drawn, on its way through the inbox too."""

import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, STREAM, healthy, make_monitor, register, send

from drift.pipeline.intake import Sieve
from drift.records import Span
from drift.store import tables

WINDOW = Span(START, START + LENGTH)


@pytest.fixture
def monitor(engine):
    monitor = make_monitor(engine)
    register(engine, monitor)
    return monitor


def test_one_row_of_each_session_is_drawn_and_all_are_counted(engine, monitor):
    sessions = tuple(f"s{i % 10}" for i in range(60))
    send(engine, monitor, healthy(60), key="a", ids=tuple(f"r{i}" for i in range(60)), sessions=sessions)
    send(engine, monitor, healthy(60, 1), key="b", ids=tuple(f"q{i}" for i in range(60)), sessions=sessions)
    window = monitor.collector.collect(STREAM, WINDOW, limit=100)
    assert window.received == 120
    assert {int(name[1:]) % 10 for name in window.rows.ids} == set(range(10))
    assert len(window.rows) == 10


def test_the_row_of_a_session_does_not_depend_on_processes_restarts_and_the_order_of_batches(engine, server):
    drawn, numbers = [], range(12)
    for order, sieves in ((numbers, 1), (numbers, 12), (reversed(numbers), 1), (numbers, 2)):
        monitor = make_monitor(engine, sample=6)
        with engine.begin() as conn:
            conn.execute(sa.delete(tables.inbox))
            conn.execute(sa.delete(tables.batch))
        register(engine, monitor)
        processes = [Sieve() for _ in range(sieves)]
        for i in order:
            ids, sessions = tuple(f"{i}-{j}" for j in range(20)), tuple(f"s{j % 10}" for j in range(20))
            given = {"ids": ids, "sessions": sessions, "sieve": processes[i % sieves]}
            send(engine, monitor, healthy(20, i), key=str(i), **given)
        drawn.append(monitor.collector.collect(STREAM, WINDOW, limit=6).rows.ids)
    assert drawn[0] == drawn[1] == drawn[2] == drawn[3]
    assert len(drawn[0]) == 6


def test_long_sessions_are_not_stored_whole(engine, monitor):
    sieve = Sieve()
    for i in range(100):
        send(engine, monitor, healthy(20, i), key=str(i), sieve=sieve, sessions=tuple(f"s{j % 2}" for j in range(20)))
    with engine.connect() as conn:
        stored = sum(len(row.priorities) // 8 for row in conn.execute(sa.select(tables.inbox)))
    # Of each session the row that is the lowest so far: 1 + 1/2 + 1/3 ... = 5.2 of a hundred batches.
    assert stored < 30
