"""The pages, as Streamlit runs them, against a real database."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import pytest
import seed
import sqlalchemy as sa
import streamlit as st
from conftest import Server
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from dashboard import data
from dashboard.words import looks_at
from drift.alert import Alert, AlertKind, AlertState
from drift.config import load
from drift.store import tables, writes
from drift.store.connect import connect

APP = Path(data.__file__).with_name("app.py")
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seed.write_config(tmp_path_factory.mktemp("dashboard"))


@pytest.fixture(scope="module")
def seeded_url(server: Server) -> str:
    """A database with two days behind it and a page that fires."""
    return seed.database(server)


@pytest.fixture
def page(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page of the dashboard on a database, with the query of an address."""
    monkeypatch.setattr(sys, "argv", ["app.py", "--config", str(config_file)])
    monkeypatch.setattr(ContextProxy, "ip_address", None)  # as for whoever is on this machine

    def shown(url: str, view: str = "fleet", **query: str) -> AppTest:
        monkeypatch.setenv("DRIFT_DASHBOARD_DATABASE_URL", url)
        app = AppTest.from_file(APP, default_timeout=20)
        if view != "fleet":
            app.run()
            app.switch_page(f"views/{view}.py")
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    yield shown
    st.cache_resource.clear()


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html") if "<style>" not in element.proto.body)


def text(app: AppTest) -> str:
    """What people read, with ordinary spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html(app)))


def charts(app: AppTest) -> list[dict]:
    """The charts, as the browser is given them."""
    return [chart for mounted in app.get("bidi_component") for chart in json.loads(mounted.proto.json)["charts"]]


def rows(app: AppTest) -> list[str]:
    """The rows of the first table."""
    table = html(app).split("<tbody>")[1].split("</tbody>")[0]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row)).strip() for row in table.split("<tr")[1:]]


def test_fleet_puts_the_page_that_fires_first(page, seeded_url):
    app = page(seeded_url)
    assert "1 page is firing" in text(app)
    first, *rest = rows(app)
    assert "▲ page" in first
    assert "docs-search" in first
    assert "p-value ≥ 0.005" in first
    assert "rule fast fires above 14.4" in first
    assert "search · all-MiniLM-L6-v2 2026-10" in first
    states = [re.search(r"(page|burning|no data|ok)\b", row)[1] for row in (first, *rest)]
    assert states == sorted(states, key=["page", "burning", "no data", "ok"].index)


def test_fleet_counts_and_says_when_it_was_true(page, seeded_url):
    shown = text(page(seeded_url))
    assert "5 streams" in shown
    assert "1 message undelivered" in shown
    assert re.search(r"As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", shown)


def test_fleet_draws_the_newest_windows_of_each_objective_and_dates_its_version(page, seeded_url):
    shown = html(page(seeded_url))
    assert shown.count('<img class="spark"') > len(rows(page(seeded_url))) / 2
    assert re.search(r"MiniLM-L6-v2 2026-10 since \d", shown)


def test_fleet_links_to_the_stream_and_its_objective(page, seeded_url):
    assert 'href="stream?stream=products%2Flang%3Dde&amp;slo=traffic"' in html(page(seeded_url))


def test_fleet_filters_come_from_the_address(page, seeded_url):
    assert all("○ no data" in row for row in rows(page(seeded_url, state="no data")))
    assert all("shop" in row for row in rows(page(seeded_url, team="shop")))
    assert all("legal-clauses" in row for row in rows(page(seeded_url, find="legal")))


def test_stream_page_says_what_fires_how_sure_and_what_next(page, seeded_url):
    app = page(seeded_url, "stream", stream="docs-search")
    shown = text(app)
    assert "▲ page, firing" in shown
    assert seed.MEANING in shown
    assert "bad since" in shown
    assert "3 of 7 objectives bad in the newest window" in shown
    assert "good: duplicates, precision, spread, valid" in shown
    assert escape(seed.WHY.causes[0].next_step) in shown
    assert 'href="https://runbooks.example/docs-search"' in html(app)


def test_stream_page_draws_the_urgent_objective_in_full_and_the_others_briefly(page, seeded_url):
    app = page(seeded_url, "stream", stream="docs-search")
    assert f"traffic: {looks_at('joint')}" in text(app)
    assert app.session_state["range"] == "15 min"
    full, others = charts(app)[:4], charts(app)[4:]
    assert [chart["y"]["title"] for chart in full] == ["p-value", "value", "budget left", "burn / limit"]
    assert len(others) == 6
    assert [chart["heading"] for chart in full][2] == "Error budget"
    assert others[0]["href"] == "stream?stream=docs-search&slo=duplicates"


def test_stream_page_names_the_cause_with_its_evidence_and_what_was_ruled_out(page, seeded_url):
    shown = text(page(seeded_url, "stream", stream="docs-search")).replace("\u202f", " ")
    assert "Cause truncation (82%). 61 of 256 rows fail; that inputs are cut to &lt;64&gt; tokens" in shown
    assert "Why: the window of" in shown
    assert "truncation 82 %" in shown
    assert "traffic-mix 12 %" in shown
    assert "cls-pooling it explains 3% of how far the failing rows are off" in shown
    assert "missing-normalisation, rotated looked for in the vectors, and not seen" in shown
    assert "Why: the window" not in text(page(seeded_url, "stream", stream="products"))


def test_stream_page_says_where_the_newest_change_comes_from(page, seeded_url):
    shown = text(page(seeded_url, "stream", stream="docs-search")).replace("\u202f", " ")
    assert "What moved in the window of" in shown
    assert "Cluster Share in the reference In the window" in shown
    assert "lang=&lt;de&gt; 30 % 50 % 85 % 60 % 25 %" in shown
    assert "query-17 5.5 % 3 17" in shown
    assert "What moved" not in text(page(seeded_url, "stream", stream="products"))


def test_stream_page_takes_objective_and_range_from_the_address(page, seeded_url):
    app = page(seeded_url, "stream", stream="support-tickets", slo="rank", range="30 d")
    assert "rank: directions in use" in text(app)
    assert "nothing is firing on this stream" in text(app)
    assert "resolved page" in text(app)


def test_stream_page_shows_the_time_that_a_link_names(page, seeded_url):
    end = datetime.now(UTC)
    past = {"from": (end - timedelta(days=3)).isoformat(), "to": end.isoformat()}
    app = page(seeded_url, "stream", stream="support-tickets", slo="rank", **past)
    assert f"From {end - timedelta(days=3):%Y-%m-%d %H:%M}" in text(app)
    app.button[0].click().run()
    assert "From " not in text(app)


def test_an_unknown_stream_is_named_with_its_nearest(page, seeded_url):
    app = page(seeded_url, "stream", stream="docs-serch")
    assert "No stream is called `docs-serch`" in app.warning[0].value
    assert "Did you mean `docs-search`?" in app.warning[0].value


def test_fleet_and_stream_page_say_what_suppresses_a_stream(page, seeded_url):
    shown = page(seeded_url)
    assert "suppressed by m-seeded until" in next(row for row in rows(shown) if "support-tickets" in row)
    assert not any("suppressed" in row for row in rows(shown) if "support-tickets" not in row)
    said = text(page(seeded_url, "stream", stream="support-tickets"))
    assert "Maintenance: suppressed by m-seeded until" in said
    assert "Why index &lt;rebuild&gt; (care)" in said
    assert "Maintenance: suppressed" not in text(page(seeded_url, "stream", stream="docs-search"))


def test_stream_page_without_a_stream_offers_all(page, seeded_url):
    assert len(rows(page(seeded_url, "stream"))) == 5


def test_a_stream_that_never_measured_anything_says_so(page, seeded_url):
    app = page(seeded_url, "stream", stream="legal-clauses")
    assert "no window in time for traffic" in text(app)
    assert app.info[0].value == "No window in this range."


def test_incidents_puts_open_ones_first_and_says_who_was_told(page, seeded_url):
    found = rows(page(seeded_url, "incidents"))
    assert [("resolved" in row) for row in found] == sorted("resolved" in row for row in found)
    mine = next(row for row in found if "docs-search" in row)
    assert "alertmanager: told after 1 s" in mine.replace("\u202f", " ")
    assert "retrain: waiting, 1 attempt" in mine


def test_incidents_count_what_was_told_and_name_what_was_replayed(page, postgres_url, monkeypatch):
    at = datetime.now(UTC) - timedelta(hours=3)
    engine = connect(postgres_url)
    with engine.begin() as conn:
        for i in range(3):
            began = at + i * timedelta(minutes=30)
            alert = Alert("docs-search", "rank", AlertKind.PAGE, AlertState.RESOLVED, began, began, began)
            writes.save_alert(conn, alert, labels={}, annotations={}, muted=i > 0)
    engine.dispose()
    shown = page(postgres_url, "incidents")
    assert "No incident is open, 1 resolved in this time 2 more of replayed history" in text(shown)
    monkeypatch.setattr(data, "EPISODES", 2)
    st.cache_resource.clear()
    cut = text(page(postgres_url, "incidents"))
    assert "Of the alerts of this time the newest 2 are counted" in cut
    assert sum("resolved page (replayed)" in row for row in rows(shown)) == 2


def test_incidents_filters_come_from_the_address(page, seeded_url):
    found = rows(page(seeded_url, "incidents", episode="resolved", kind="page"))
    assert found
    assert all("resolved page" in row for row in found)


def test_incidents_lists_messages_that_did_not_arrive(page, seeded_url):
    shown = text(page(seeded_url, "incidents"))
    assert "1 message not delivered" in shown
    assert "answered 503 Service Unavailable" in shown


@pytest.mark.parametrize("view", ["fleet", "stream", "incidents"])
def test_an_empty_database_says_what_to_do(page, postgres_url, view):
    app = page(postgres_url, view)
    expected = "No alert in this time." if view == "incidents" else "drift run"
    assert expected in app.info[0].value


@pytest.mark.parametrize("view", ["fleet", "stream", "incidents"])
def test_a_database_that_never_answered_is_named_without_its_password(page, view):
    app = page("postgresql://me:secret@127.0.0.1:1/nowhere", view)
    assert "127.0.0.1:1/nowhere does not answer" in app.error[0].value
    assert "secret" not in app.error[0].value


def test_a_database_without_tables_asks_for_migration(page, server):
    app = page(server.admin_url)
    assert "drift migrate" in app.error[0].value


def test_what_was_known_stays_while_the_database_is_away(page, server, config_file, monkeypatch):
    monkeypatch.setattr(data, "TTL", timedelta())
    leaving = f"{server.template}_leaving"
    server.run(f"CREATE DATABASE {leaving} TEMPLATE {server.template}")
    engine = connect(server.url(leaving))
    with engine.begin() as conn:
        stream = load(config_file).streams[0].stream
        writes.register(conn, stream, team="search", open_from=datetime.now(UTC))
    engine.dispose()
    app = page(server.url(leaving))
    server.run(f"DROP DATABASE {leaving} WITH (FORCE)")
    app.run()
    assert "The database does not answer" in app.warning[0].value
    assert "docs-search" in text(app)


def test_without_a_configuration_everything_else_is_shown(page, seeded_url, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["app.py"])
    app = page(seeded_url)
    assert "`drift dashboard drift.yaml`" in app.info[0].value
    assert "▲ page" in rows(app)[0]


def test_an_objective_that_left_the_configuration_is_not_called_ok(page, seeded_url, tmp_path, monkeypatch):
    less = tmp_path / "drift.yaml"
    less.write_text(seed.CONFIG.replace("    detectors: [mmd, effective_rank]\n", "    detectors: [mmd]\n"))
    monkeypatch.setattr(sys, "argv", ["app.py", "--config", str(less)])
    (row,) = [row for row in rows(page(seeded_url, find="products")) if " rank " in row and "lang=de" not in row]
    assert "not configured" in row


def test_what_comes_from_outside_is_escaped(page, postgres_url, config_file):
    engine = connect(postgres_url)
    with engine.begin() as conn:
        stream = load(config_file).streams[0].stream
        writes.register(conn, stream, team="<script>alert(1)</script>", open_from=datetime.now(UTC))
    engine.dispose()
    assert "<script>" not in html(page(postgres_url))


def test_the_dashboard_cannot_write(seeded_url):
    with data._reader(seeded_url).connect() as conn, pytest.raises(sa.exc.InternalError, match="read-only"):
        conn.execute(sa.delete(tables.stream))


def test_a_page_that_fires_counts_though_the_file_does_not_name_its_objective(page, seeded_url, tmp_path, monkeypatch):
    less = tmp_path / "drift.yaml"
    named = "name: traffic, detector: joint, p_value_at_least: 0.005"
    other = seed.CONFIG.replace(named, "name: other, detector: effective_rank, value_at_least: 0.5")
    less.write_text(other.replace("    window: 5s\n", "    window: 5s\n    detectors: [effective_rank]\n"))
    monkeypatch.setattr(sys, "argv", ["app.py", "--config", str(less)])
    app = page(seeded_url, find="docs-search")
    assert "1 page is firing" in text(app)
    assert "traffic not configured" in rows(app)[0]
