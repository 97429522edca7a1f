"""The way of a window, on a real Postgres."""

from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import fakes
import numpy as np
import orjson
import pytest
import sqlalchemy as sa
from fakes import (
    LENGTH,
    REFERENCE,
    START,
    STREAM,
    FakeCollector,
    FakeEncoder,
    healthy,
    make_monitor,
    register,
    spans,
    variance_slo,
)

from drift.alert import AlertKind, AlertState
from drift.pipeline import measure
from drift.records import GapReason, Rows, Window
from drift.slo import Outcome
from drift.store import jobs, reads, tables
from drift.wiring.build import muted

BAD = healthy(128) * 5


def windows(pattern: str) -> FakeCollector:
    """G a healthy window, B one whose norms are five times too large, M an empty one, I one of three rows."""
    kinds = {"G": lambda i: healthy(128, i), "B": lambda i: healthy(128, i) * 5, "I": lambda i: healthy(3, i)}
    given = {START + i * LENGTH: kinds[letter](i) for i, letter in enumerate(pattern) if letter != "M"}
    return FakeCollector(given)


def play(engine, pattern: str, **changes):
    monitor = make_monitor(engine, collector=windows(pattern), **changes)
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(len(pattern)))
    return monitor


def outcomes(engine) -> str:
    with engine.connect() as conn:
        rows = reads.budgets(conn, "search", START, START + timedelta(days=9))
    return "".join(row.outcome.value[0].upper() for row in rows)


def outbox(engine) -> list[sa.Row]:
    with engine.connect() as conn:
        return list(conn.execute(sa.select(tables.outbox).order_by(tables.outbox.c.created_at, tables.outbox.c.kind)))


def test_each_window_becomes_measurements_and_a_slot(engine):
    play(engine, "GB")
    with engine.connect() as conn:
        found = reads.measurements(conn, "search", START, START + 2 * LENGTH, detector="variance_ratio")
    assert [m.span.start for m in found] == [START, START + LENGTH]
    assert found[0].value == pytest.approx(1, abs=0.2)
    assert found[1].value == pytest.approx(25, rel=0.2)
    assert outcomes(engine) == "GB"


def test_windows_without_a_measurement_are_kept_with_their_reason(engine):
    play(engine, "GMI")
    with engine.connect() as conn:
        gaps = reads.gaps(conn, "search", START, START + 3 * LENGTH)
    assert [(g.detector, g.reason) for g in gaps] == [
        ("", GapReason.NO_DATA),
        ("variance_ratio", GapReason.TOO_FEW_ROWS),
    ]
    assert outcomes(engine) == "GMI"


def test_a_window_is_measured_once_however_often_it_is_tried(engine):
    monitor = play(engine, "GB")
    with engine.begin() as conn:
        assert measure.measure_spans(conn, monitor, spans(2)) == 0
    with engine.connect() as conn:
        assert fakes.verdicts(conn) == {("search", "spread"): (2, 1)}


def test_a_failed_transaction_leaves_nothing_behind(engine):
    monitor = make_monitor(engine, collector=windows("BBBBBBBBBB"))
    register(engine, monitor)
    with engine.connect() as conn:
        measure.measure_spans(conn, monitor, spans(10))
        conn.rollback()
    assert outcomes(engine) == ""
    assert outbox(engine) == []


def test_a_page_is_written_down_for_every_receiver_in_the_same_transaction(engine):
    play(engine, "G" + "B" * 9)
    rows = outbox(engine)
    assert [(row.kind, row.receiver, row.state) for row in rows] == [
        ("alert", "http://am", "due"),
        ("retrain", "retrain", "due"),
    ]
    told = orjson.loads(rows[0].body)[0]
    assert told["labels"] == {
        "alertname": "ErrorBudgetBurn",
        "model_id": "encoder",
        "job_id": "search",
        "slo": "spread",
        "severity": "page",
        "team": "search",
        "service": "drift",
    }
    said = told["annotations"]
    assert said["value"].startswith(("24", "25", "26"))
    assert said["threshold"] == "variance_ratio >= 0.5 and <= 2"
    assert said["since"] == (START + LENGTH).isoformat()
    assert said["runbook_url"] == "https://runbooks/search"
    with engine.connect() as conn:
        (row,) = reads.alerts(conn, states=(AlertState.FIRING,), stream="search", limit=1)
    link = urlsplit(said["dashboard_url"])
    assert (link.netloc, link.path) == ("dash", "/incident")
    named = {"stream": "search", "slo": "spread", "kind": "page", "since": row.alert.started_at.isoformat()}
    assert dict(parse_qsl(link.query)) == named
    assert {"burn_rate_long", "burn_rate_short", "budget_remaining_ratio", "exhausts_in"} <= said.keys()
    assert (said["window_long"], said["window_short"]) == ("1h", "10m")
    left = datetime.fromisoformat(said["exhausts_at"]) - (START + 10 * LENGTH)
    assert timedelta(hours=46) < left < timedelta(hours=48)
    assert said["moved_most"].startswith("variance_ratio 2")


def test_an_alert_remembers_by_which_rule_it_fired_when_another_is_true(engine):
    play(engine, "B" * 30 + "GGG")
    with engine.connect() as conn:
        (page,) = (row for row in reads.alerts(conn, stream="search") if row.alert.kind == "page")
    assert page.alert.state is AlertState.FIRING
    assert (page.annotations["fired_by"], page.annotations["rule"], page.alert.rule) == ("fast", "slow", "slow")


@pytest.mark.parametrize(
    ("segment", "more"),
    [("lang=de", {"segment": "lang=de"}), ("tenant=acme", {"segment": "tenant=acme", "tenant": "acme"})],
)
def test_the_alerts_of_a_segment_say_which_and_whose_it_is(engine, segment, more):
    part = STREAM.part(segment)
    slos, references = {part.key: (variance_slo(part.key),)}, {part.key: REFERENCE}
    of = {"stream": part, "parts": (part,), "slos": slos, "references": references}
    monitor = make_monitor(engine, collector=windows("B" * 9), **of)
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(9))
    labels = orjson.loads(outbox(engine)[0].body)[0]["labels"]
    assert labels["job_id"] == f"search/{segment}"
    assert more.items() <= labels.items()


def test_the_retrain_request_is_a_cloud_event_that_says_why(engine):
    play(engine, "B" * 9)
    event = orjson.loads(outbox(engine)[1].body)
    assert {"specversion": "1.0", "type": "io.drift.retrain.requested"}.items() <= event.items()
    assert event["id"] == outbox(engine)[1].id
    assert event["data"]["detector"] == "variance_ratio"
    assert event["data"]["value"] == pytest.approx(25, rel=0.2)
    assert datetime.fromisoformat(event["data"]["since"]) == START


def test_the_same_incident_replayed_asks_for_the_same_retraining(engine, server):
    play(engine, "B" * 9)
    first = outbox(engine)[1].id
    with engine.begin() as conn:
        for table in reversed(tables.metadata.sorted_tables):
            conn.execute(sa.delete(table))
    play(engine, "B" * 9)
    assert outbox(engine)[1].id == first


def test_an_alert_resolves_in_the_store_and_is_told(engine):
    play(engine, "B" * 9 + "GG")
    with engine.connect() as conn:
        (page,) = reads.alerts(conn)
    assert (page.alert.kind, page.alert.state) == (AlertKind.PAGE, AlertState.RESOLVED)
    assert page.alert.fired_at == START + 9 * LENGTH
    assert page.alert.resolved_at == START + 11 * LENGTH
    assert [row.kind for row in outbox(engine)] == ["alert", "retrain", "alert"]


def test_muted_messages_are_on_record_and_never_due(engine):
    monitor = muted(make_monitor(engine, collector=windows("B" * 9)))
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(9))
    assert {row.state for row in outbox(engine)} == {"muted"}


def test_an_objective_that_does_not_ask_for_retraining_gets_none(engine):
    monitor = make_monitor(engine)
    quiet = {"search": tuple(replace(slo, retrain=False) for slo in monitor.slos["search"])}
    play(engine, "B" * 9, slos=quiet)
    assert [row.kind for row in outbox(engine)] == ["alert"]


def test_a_window_that_keeps_failing_is_stored_and_counts_as_missing(engine):
    monitor = play(engine, "")
    with engine.begin() as conn:
        measure.give_up(conn, monitor, spans(1)[0], error="boom")
    assert outcomes(engine) == "M"
    with engine.connect() as conn:
        (gap,) = reads.gaps(conn, "search", START, START + LENGTH)
    assert (gap.reason, gap.detail) == (GapReason.FAILED, "boom")


def test_rows_with_inputs_are_encoded_again_as_many_as_asked_for(engine):
    monitor = make_monitor(engine, encoder=FakeEncoder(), reencode=4)
    texts = tuple(None if i % 2 else "text " + "x" * (i * 7 % 20) for i in range(20))
    window = Window(STREAM, spans(1)[0], Rows(healthy(20), inputs=texts), 20)
    again = measure.recompute(window, monitor).recomputed
    chosen = [texts[i] for i in again.index]
    assert len(set(again.index)) == 4
    assert {max(texts[::2], key=len), min(texts[::2], key=len)} < set(chosen)
    np.testing.assert_array_equal(again.vectors, FakeEncoder().encode(chosen))


def test_windows_are_queued_once_their_time_and_lateness_are_over(engine):
    monitor = make_monitor(engine)
    register(engine, monitor)
    with engine.begin() as conn:
        assert measure.queue_closed(conn, monitor, now=START + LENGTH + timedelta(seconds=29)) == 0
        assert measure.queue_closed(conn, monitor, now=START + LENGTH + timedelta(seconds=30)) == 1
        assert measure.queue_closed(conn, monitor, now=START + LENGTH + timedelta(seconds=30)) == 0


def test_windows_missed_while_down_are_queued_oldest_first(engine):
    monitor = make_monitor(engine)
    register(engine, monitor)
    with engine.begin() as conn:
        measure.queue_closed(conn, monitor, now=START + 40 * LENGTH)
        job = jobs.claim(conn, streams=["search"], now=START + 40 * LENGTH, most=16)
    assert list(job.spans) == spans(16)


def test_after_a_change_of_interval_windows_go_on_without_a_hole(engine):
    monitor = make_monitor(engine)
    register(engine, monitor, open_from=START + timedelta(minutes=5))
    hourly = replace(monitor, window=timedelta(hours=1), lateness=timedelta(seconds=1))
    with engine.begin() as conn:
        assert measure.queue_closed(conn, hourly, now=START + timedelta(hours=2, minutes=1)) == 2
        job = jobs.claim(conn, streams=["search"], now=START + timedelta(days=1), most=16)
    assert [(s.start - START, s.length) for s in job.spans] == [
        (timedelta(minutes=5), timedelta(minutes=55)),
        (timedelta(hours=1), timedelta(hours=1)),
    ]


def test_verdict_without_any_measurement_is_missing(engine):
    monitor = make_monitor(engine)
    found = measure.measure(Window(STREAM, spans(1)[0], Rows.none(8), 0), monitor)
    assert found.outcome(monitor.slos["search"][0]) is Outcome.MISSING
