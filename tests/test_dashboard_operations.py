"""The page of the service about itself."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape

import numpy as np
import pytest
import streamlit as st
from fakes import START, FakeEncoder, healthy, make_monitor, register, spans
from starlette.testclient import TestClient
from test_api import service_of
from test_dashboard import config_file, html, page, seeded_url, text  # noqa: F401

from dashboard import service, upkeep
from dashboard.service import Operations
from drift.api.app import create_app
from drift.encoder.cache import CachedEncoder
from drift.encoder.meter import Meter
from drift.errors import DeliveryError
from drift.records import Gap, GapReason, RowReason, Rows, Span, Stream, Window
from drift.scheduler import Scheduler
from drift.store import encoders, endpoints, jobs, operations, outbox, writes
from drift.store.connect import Connection, connect
from drift.store.operations import Intake
from drift.store.outbox import MessageKind, MessageState

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STREAM = Stream("search", "encoder", "1", 4)


def plain(shown: str) -> str:
    return shown.replace("\u202f", " ").replace("\u00a0", " ")


def tile(shown: str, name: str) -> int:
    return int(re.search(rf"([\d ]+) {name}", plain(shown))[1].replace(" ", ""))


def test_a_service_that_keeps_up_says_what_it_could_not_measure_nor_deliver(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "operations")
    shown = plain(text(app))
    assert "◆ retrain has not taken 1 message" in shown
    assert "keeps up" not in shown
    assert "nothing arrived products/lang=de all" in shown
    assert "alertmanager 1 0 0 half within 1 s" in shown
    assert "answered 503 Service Unavailable" in shown
    assert re.search(r"Database: [\d.]+ MB", shown)


def stopped(postgres_url: str, ago: timedelta) -> str:
    """The URL of a database whose service, of streams of five seconds and of hours, last closed a window then."""
    engine = connect(postgres_url)
    with engine.begin() as conn:
        for name, length in (("docs-search", timedelta()), ("legal-clauses", HOUR)):
            stream = Stream(name, "encoder", "1", 4)
            writes.register(conn, stream, team="", open_from=datetime.now(UTC) - ago - length)
    engine.dispose()
    return postgres_url


@pytest.mark.parametrize("view", ["operations", "fleet"])
def test_a_service_that_runs_no_more_is_told_first(page, postgres_url, view):  # noqa: F811
    app = page(stopped(postgres_url, timedelta(minutes=9, seconds=5)), view)
    shown = plain(text(app)).casefold()
    assert re.search(r"◆ no window was closed for 9 min( \d+ s)?: where no service runs, no alert goes out", shown)
    assert "keeps up" not in shown


@pytest.mark.parametrize("view", ["operations", "fleet"])
def test_a_service_that_waits_for_late_rows_runs(page, postgres_url, view):  # noqa: F811
    app = page(stopped(postgres_url, timedelta(seconds=36)), view)
    assert "no window was closed" not in plain(text(app)).casefold()


@pytest.fixture
def troubled_url(postgres_url):
    """A service whose queue stands still, one of whose receivers has refused a message."""
    at = datetime.now(UTC) - timedelta(minutes=20)
    engine = connect(postgres_url)
    with engine.begin() as conn:
        writes.register(conn, STREAM, team="search", open_from=at)
        waits = [Span.containing(at - HOUR, HOUR), Span.containing(at - 2 * HOUR, HOUR)]
        jobs.add(conn, STREAM.key, waits, now=at)
        outbox.put(conn, outbox.Draft("m1", "pager", MessageKind.ALERT, b"[]"), state=MessageState.DUE, now=at)
        refused = DeliveryError("pager answered <400>", status=400)
        message = outbox.Delivery("m1", "pager", MessageKind.ALERT, b"[]", 0, at, at)
        outbox.failed(conn, message, refused, again_at=None)
    engine.dispose()
    return postgres_url


def test_a_service_that_is_behind_says_by_how_much_and_what_was_given_up(page, troubled_url):  # noqa: F811
    app = page(troubled_url, "operations")
    shown = plain(text(app))
    assert re.search(r"◆ 2 windows wait, the oldest for 2 h|◆ 2 windows wait, the oldest for 1 h", shown)
    assert "1 message given up" in shown
    assert escape("pager answered <400>") in html(app)


def test_the_first_page_that_no_alertmanager_takes_is_told_first(page, postgres_url):  # noqa: F811
    at, engine = datetime.now(UTC), connect(postgres_url)

    def put(conn: Connection, name: str) -> None:
        outbox.put(conn, outbox.Draft(name, "alertmanager", MessageKind.ALERT, b"[]"), state=MessageState.DUE, now=at)

    with engine.begin() as conn:
        writes.register(conn, STREAM, team="search", open_from=at)
        put(conn, "waits")
    assert "✓ The service keeps up" in plain(text(page(postgres_url, "operations")))
    with engine.begin() as conn:
        put(conn, "refused")
        tried = outbox.Delivery("refused", "alertmanager", MessageKind.ALERT, b"[]", 0, at, at)
        outbox.failed(conn, tried, DeliveryError("Connection refused"), again_at=at + DAY, held=True)
    engine.dispose()
    st.cache_resource.clear()
    shown = plain(text(page(postgres_url, "operations")))
    assert "◆ alertmanager has not taken 1 message" in shown
    assert "keeps up" not in shown


@pytest.fixture
def disabled_url(postgres_url):
    """A service with a webhook that is disabled, for which a message waits that was never tried."""
    at = datetime.now(UTC) - timedelta(minutes=20)
    engine = connect(postgres_url)
    with engine.begin() as conn:
        writes.register(conn, STREAM, team="search", open_from=datetime.now(UTC))
        endpoints.disable(conn, "hook", why="hook answered 410 Gone", now=at)
        endpoints.pause(conn, "busy", until=datetime.now(UTC) + HOUR)
        body = b'{"data": {"stream": "search"}}'
        outbox.put(conn, outbox.Draft("m1", "hook", MessageKind.EVENT, body), state=MessageState.DUE, now=at)
    engine.dispose()
    return postgres_url


def test_a_receiver_that_is_disabled_is_told_with_what_waits_for_it(page, disabled_url):  # noqa: F811
    shown = plain(text(page(disabled_url, "operations")))
    assert "◆ receiver hook is disabled" in shown
    assert "hook answered 410 Gone. What is written to it waits for: drift webhook enable hook" in shown
    assert "busy asked to be left alone until" in shown
    assert "1 message not delivered" in plain(text(page(disabled_url, "incidents")))
    assert "1 message undelivered" in plain(text(page(disabled_url, "fleet")))


def test_where_no_message_was_written_none_was_delivered(page, postgres_url):  # noqa: F811
    shown = plain(text(page(postgres_url, "incidents")))
    assert "No message was written" in shown
    assert "delivered" not in shown


def test_its_numbers_are_those_of_the_metrics(page, engine):  # noqa: F811
    monitor = make_monitor(engine)
    register(engine, monitor)
    with engine.begin() as conn:
        jobs.add(conn, "search", spans(3), now=START)
        for i, state in enumerate((MessageState.DUE, MessageState.DUE, MessageState.DEAD)):
            draft = outbox.Draft(f"m{i}", "pager", MessageKind.ALERT, b"[]")
            outbox.put(conn, draft, state=state, now=datetime.now(UTC))
    service = service_of(engine, monitor)
    with TestClient(create_app(service, Scheduler(service))) as client:
        metrics = client.get("/metrics").text
    shown = text(page(engine.url.render_as_string(hide_password=False), "operations"))
    waiting = sum(float(n) for n in re.findall(r"^drift_windows_waiting\{.*\} (\S+)$", metrics, re.M))
    assert tile(shown, "windows waiting") == waiting == 3
    for name, state in (("messages waiting", "due"), ("messages given up", "dead")):
        told = re.search(rf'^drift_messages{{receiver="pager",state="{state}"}} (\S+)$', metrics, re.M)
        assert tile(shown, name) == float(told[1])


def test_rows_are_counted_once_however_the_stream_is_split(engine):
    span = Span.containing(datetime(2026, 3, 2, tzinfo=UTC), HOUR)
    refused = {RowReason.WRONG_DIMENSION: 3, RowReason.NOT_FINITE: 2}
    with engine.begin() as conn:
        for stream, received in ((STREAM, 10), (STREAM.part("lang=de"), 4)):
            rows = Rows(np.ones((2, 4), np.float32))
            writes.save_window(conn, Window(stream, span, rows, received, rejected=refused))
        (hour,) = operations.intake(conn, since=span.start)
        assert (hour.start, hour.received, hour.kept, hour.refused, hour.encoded) == (span.start, 10, 2, 5, 0)
        assert operations.intake(conn, since=span.end) == []


def test_hours_that_are_not_in_the_chart_as_a_whole_end_where_it_does():
    at = datetime(2026, 3, 2, 12, 20, tzinfo=UTC)
    hours = tuple(Intake(at.replace(minute=0) - i * HOUR, 9, 6, 1, 0) for i in (24, 3, 0))
    chart = upkeep.taken_in(Operations(at, (), (), (), 0, (), {}, hours, (), 0, ()))
    for bars in chart.marks:
        assert (bars.x[0], bars.end[-1]) == (chart.x.start, chart.x.end)
        assert chart.x.start < bars.end[0] < bars.x[1] < bars.end[1] < bars.x[-1]


def test_gaps_are_counted_by_reason_and_old_ones_left_out(engine):
    start = datetime(2026, 3, 2, tzinfo=UTC)
    with engine.begin() as conn:
        for i in range(4):
            span = Span(start + i * HOUR, start + (i + 1) * HOUR)
            writes.record_gaps(conn, [Gap("search", span, "probe", GapReason.NO_LABELS, "no labels")])
        (found,) = operations.gap_counts(conn, since=start + 3 * HOUR)
    assert (found.windows, found.reason, found.newest) == (2, GapReason.NO_LABELS, start + 4 * HOUR)


def test_what_was_not_measured_is_all_of_it_however_many_streams_it_is_of(engine):
    span = Span.containing(datetime.now(UTC) - HOUR, HOUR)
    with engine.begin() as conn:
        for i in range(60):
            writes.record_gaps(conn, [Gap(f"search-{i}", span, "probe", GapReason.NO_LABELS, "no labels")])
        found = service.read(conn)
    assert (found.unmeasured, len(found.gaps)) == (60, 50)
    assert "Of 60 windows these are 50" in plain(upkeep.gaps(found))


def test_partitions_count_for_their_table(engine):
    with engine.begin() as conn:
        span = Span.containing(datetime(2026, 3, 2, tzinfo=UTC), HOUR)
        before = {row.name: row.bytes for row in operations.sizes(conn)[1]}
        rows = Rows(healthy(2000, 1).astype(np.float32))
        dim = rows.vectors.shape[1]
        writes.save_window(conn, Window(Stream("search", "m", "1", dim), span, rows, 2000))
        whole, after = operations.sizes(conn)
    assert {row.name: row.bytes for row in after}["window"] > before["window"] + 10_000
    assert not [row.name for row in after if "2026" in row.name]
    assert whole > sum(row.bytes for row in after)


def test_what_encoding_takes_in_each_process_is_told_each_minute(page, engine):  # noqa: F811
    encoder = CachedEncoder(FakeEncoder(), meter=Meter("bundled", load_seconds=2.5, price=3.6, inputs=200, seconds=4.0))
    monitor = make_monitor(engine, encoder=encoder)
    register(engine, monitor)
    service = replace(service_of(engine, monitor), process="gpu-7 42", clock=lambda: datetime.now(UTC))
    clocks = Scheduler(service)
    clocks._tell_encoders()
    encoder.meter.inputs += 200
    clocks._tell_encoders()
    url = engine.url.render_as_string(hide_password=False)
    shown = plain(text(page(url, "operations")))
    assert "bundled gpu-7 42 2.5 s 400 100.0 4 s 10 on the CPU" in shown
    with engine.connect() as conn:
        assert encoders.recent(conn, since=datetime.now(UTC) + HOUR) == []
        ((done,),) = encoders.by_quarter(conn, since=datetime.now(UTC).date() - 2 * DAY).values()
    assert (done.name, done.inputs, done.seconds) == (
        "bundled",
        400,
        4.0,
    )  # each minute adds what is new since the last


def test_an_empty_database_says_what_to_do(page, postgres_url):  # noqa: F811
    assert "drift run" in page(postgres_url, "operations").info[0].value


def test_a_database_that_is_away_is_named(page):  # noqa: F811
    app = page("postgresql://me@127.0.0.1:1/nowhere", "operations")
    assert "does not answer" in app.error[0].value
