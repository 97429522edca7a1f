"""Forgetting by kind, on a real Postgres."""

from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, FakeCollector, healthy, make_monitor, register, spans

from drift.pipeline import measure
from drift.records import Rows
from drift.store import inbox, jobs, reads, retention, tables, writes
from drift.store.partitions import ensure_month

DAY = timedelta(days=1)


def play(engine, count=12):
    given = {START + i * LENGTH: healthy(80, i) * 5 for i in range(count)}
    monitor = make_monitor(engine, collector=FakeCollector(given))
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(count))
    return monitor


def forget(engine, **changes):
    bounds = {"vectors": START - DAY, "history": START - DAY, "now": START, **changes}
    with engine.begin() as conn:
        retention.forget(conn, **bounds)


def count(engine, table) -> int:
    with engine.connect() as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_vectors_go_first_and_the_numbers_stay(engine):
    monitor = play(engine)
    forget(engine, vectors=START + 2 * LENGTH)
    with engine.connect() as conn:
        kept = [len(row.vectors) > 0 for row in conn.execute(sa.select(tables.window).order_by("start"))]
    assert kept == [False] * 2 + [True] * 10
    assert count(engine, tables.measurement) == 24
    with engine.begin() as conn:
        assert measure.measure_spans(conn, monitor, spans(2)) == 0  # a window without its vectors is measured still


def test_rows_that_are_still_to_be_measured_stay_however_old(engine):
    monitor = make_monitor(engine)
    register(engine, monitor)
    with engine.begin() as conn:
        for i, span in enumerate(spans(3)):
            entry = inbox.Entry(span.start, {}, {}, Rows(healthy(1)), np.zeros(1, np.uint64))
            inbox.add(conn, "search", f"batch {i}", entry)
        writes.close_until(conn, "search", spans(3)[1].end)
        jobs.add(conn, "search", spans(3)[1:2], now=START)
    forget(engine, vectors=START + 60 * DAY)
    with engine.connect() as conn:
        kept = conn.execute(sa.select(tables.inbox.c.start).order_by("start")).scalars().all()
    assert kept == [span.start for span in spans(3)[1:]]  # the first was given up, the second waits, the third is open


def test_what_nobody_takes_care_of_any_more_is_ended(engine):
    play(engine)
    end = START + 12 * LENGTH
    forget(engine, now=end + 3 * DAY)
    with engine.connect() as conn:
        assert {row.alert.state for row in reads.alerts(conn)} == {"firing"}
    forget(engine, now=end + 5 * DAY)
    with engine.connect() as conn:
        assert {row.alert.state for row in reads.alerts(conn)} == {"resolved"}
        assert {row.state for row in reads.deliveries(conn)} == {"dead"}


def test_what_is_young_stays(engine):
    play(engine)
    before = [count(engine, table) for table in tables.metadata.sorted_tables]
    forget(engine)
    assert [count(engine, table) for table in tables.metadata.sorted_tables] == before


def test_old_months_and_slots_go_and_open_alerts_and_due_messages_stay(engine):
    play(engine)
    with engine.begin() as conn:
        ensure_month(conn, START + 40 * DAY)
    forget(engine, vectors=START + 60 * DAY, history=START + 60 * DAY)
    assert count(engine, tables.measurement) == count(engine, tables.window) == count(engine, tables.slot) == 0
    with engine.connect() as conn:
        assert [row.alert.state for row in reads.alerts(conn)] == ["firing"]
    assert count(engine, tables.outbox) == 2


@pytest.mark.parametrize(("objectives", "state"), [([("search", "spread")], "firing"), ([], "resolved")])
def test_an_alert_is_over_where_nobody_counts_its_objective_and_not_for_a_service_that_was_down(
    engine, objectives, state
):
    play(engine)
    forget(engine, now=START + 9 * DAY, objectives=objectives)
    with engine.connect() as conn:
        assert [row.alert.state for row in reads.alerts(conn)] == [state]
