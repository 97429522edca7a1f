"""Maintenance as people and programs ask for it: the command line and the API."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fakes import START, STREAM, make_monitor, register
from starlette.testclient import TestClient
from test_api import NOW, service_of
from typer.testing import CliRunner

from drift.api.app import create_app
from drift.cli import app
from drift.pipeline import maintenance, measure
from drift.records import Span
from drift.scheduler import Scheduler
from drift.store import maintenance as kept
from drift.store.fleet import standings
from drift.wiring.status import as_rows
from drift.wiring.who import whoami

WHY = ("--owner", "search team", "--reason", "index rebuild")
ASKED = {"stream": "search", "owner": "search team", "reason": "index rebuild", "length": "1h"}


@pytest.fixture
def search(engine, postgres_url, monkeypatch):
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    monitor = make_monitor(engine)
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, [Span(START, START + timedelta(minutes=5))])
    return engine


@pytest.fixture
def client(search):
    service = service_of(search, make_monitor(search))
    with TestClient(create_app(service, Scheduler(service))) as client:
        yield client


def drift(*words: str):
    return CliRunner().invoke(app, ["maintenance", *words])


def told(*words: str):
    done = drift(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_window_is_added_listed_and_cancelled(search):
    made = told("add", "search", "--for", "2h", *WHY)
    assert (made["state"], made["stream"], made["created_by"]) == ("active", "search", whoami())
    (listed,) = told("list")
    assert listed == made
    ended = told("cancel", made["id"])
    assert (ended["state"], ended["cancelled_by"]) == ("cancelled", whoami())
    assert [one["state"] for one in told("list")] == ["cancelled"]


def test_a_dry_run_writes_nothing_and_says_the_same(search):
    said = drift("add", "search", "--for", "2h", "--dry-run", *WHY).output
    assert "would be planned: search" in said
    with search.connect() as conn:
        assert kept.planned(conn) == []
    made = told("add", "search", "--for", "2h", *WHY)
    assert "would be cancelled" in drift("cancel", made["id"], "--dry-run").output
    assert [one["state"] for one in told("list")] == ["active"]


def test_a_rule_is_shown_with_its_zone_and_its_last_time(search):
    start = (datetime.now(UTC) + timedelta(days=1)).replace(hour=9, minute=0, second=0)
    words = ("--start", f"{start:%Y-%m-%dT%H:%M}", "--for", "30m", "--rrule", "FREQ=DAILY;COUNT=4", *WHY)
    said = drift("add", "--all", *words).output
    assert f"all streams, {start:%Y-%m-%d} 09:00 to 09:30 UTC: index rebuild (search team)" in said
    assert f"4 times by FREQ=DAILY;COUNT=4 in UTC, last {start + timedelta(days=3):%Y-%m-%d} 09:00" in said


def test_what_is_on_is_listed_first_and_what_is_over_last(search):
    monday = datetime.now(UTC) + timedelta(days=1)
    told("add", "search", "--start", monday.isoformat(), "--for", "2h", *WHY)
    over = told("add", "search", "--for", "1h", *WHY)
    told("add", "search", "--for", "1h", *WHY)
    told("cancel", over["id"])
    assert [one["state"] for one in told("list")] == ["active", "coming", "cancelled"]
    shown = drift("list").output
    assert shown.index("active") < shown.index("coming") < shown.index("cancelled")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "--for", "1h", *WHY), "a STREAM or --all: neither is given"),
        (("add", "search", "--all", "--for", "1h", *WHY), "both are given"),
        (("add", "search", "--for", "soon", *WHY), "--for 'soon' is not a duration"),
        (("add", "search", "--for", "1h", "--start", "noon", *WHY), "--start 'noon' is no time"),
        (("add", "search", "--for", "8d", *WHY), "at most 7d are allowed"),
        (("add", "search", "--for", "1h"), "owner '': say it"),
        (("add", "serch", "--for", "1h", *WHY), "did you mean 'search'"),
        (("add", "search", "--for", "1h", "--dry-run", "--model", "x", *WHY), "model 'x' is not that of search"),
        (("cancel", "m-0"), "no maintenance has the id 'm-0'"),
    ],
)
def test_what_cannot_be_done_says_what_would_be_right(search, words, says):
    done = drift(*words)
    assert done.exit_code == 1
    assert says in " ".join(done.output.split())
    with search.connect() as conn:
        assert kept.planned(conn) == []


def test_the_api_plans_lists_and_ends_it(client):
    made = client.post("/v1/maintenance", json=ASKED)
    assert made.status_code == 201
    window = made.json()
    assert (window["state"], window["created_by"]) == ("active", "API, from testclient")
    assert datetime.fromisoformat(window["times"][0]["start"]) == NOW
    assert client.get("/v1/maintenance").json() == [window]
    assert client.get("/v1/maintenance", params={"state": "coming"}).json() == []
    ended = client.delete(f"/v1/maintenance/{window['id']}")
    assert (ended.status_code, ended.json()["state"]) == (200, "cancelled")
    assert client.delete(f"/v1/maintenance/{window['id']}").status_code == 409
    assert client.delete("/v1/maintenance/m-0").status_code == 404


def test_the_command_line_and_the_api_say_the_same(client):
    made = client.post("/v1/maintenance", json=ASKED | {"rrule": "FREQ=DAILY;COUNT=366"}).json()
    (listed,) = told("list")

    def moments(found: dict) -> dict:
        times = [{name: datetime.fromisoformat(at) for name, at in one.items()} for one in found["times"]]
        return found | {"times": times, "created_at": datetime.fromisoformat(found["created_at"])}

    assert made["state"] in {"active", "coming"}
    assert moments(listed) | {"state": made["state"]} == moments(made)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stream": ""}, "either a `stream`, or `all: true`"),
        ({"all": True}, "either a `stream`, or `all: true`"),
        ({"length": None}, "needs either an end or a length"),
        ({"length": "soon"}, "'soon' is not a duration"),
        ({"stream": "serch"}, "did you mean 'search'"),
        ({"ownr": "x"}, "ownr"),
        ({"rrule": "FREQ=DAILY"}, "needs one end"),
    ],
)
def test_the_api_refuses_what_cannot_be_planned(client, changes, says):
    refused = client.post("/v1/maintenance", json=ASKED | changes)
    assert refused.status_code == 422
    assert says in json.dumps(refused.json()["detail"], ensure_ascii=False)
    assert client.get("/v1/maintenance").json() == []


def test_status_says_what_suppresses_a_stream_and_only_while_it_does(client, search):
    register(search, make_monitor(search, parts=(replace(STREAM, name="ads"),)))
    made = client.post("/v1/maintenance", json=ASKED).json()
    (status,) = client.get("/v1/status").json()
    assert status["suppressed_by"] == made["id"]
    for now, by in ((NOW, made["id"]), (NOW + timedelta(hours=1), "")):
        with search.connect() as conn:
            (row,) = as_rows(standings(conn, now=now, lateness={}))
        assert row["suppressed_by"] == by
    with search.begin() as conn:
        maintenance.cancel(conn, made["id"], maintenance.Author("anna", NOW))
    assert client.get("/v1/status").json()[0]["suppressed_by"] == ""


def test_the_terminal_names_the_window_that_is_on(search):
    made = told("add", "search", "--for", "1h", *WHY)
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status"]).output
    assert f"suppressed by {made['id']}" in shown


def test_a_time_at_the_end_of_time_is_an_error_and_not_a_traceback(search):
    done = drift("add", "search", "--for", "1h", "--start", "9999-12-31T23:59", *WHY)
    assert done.exit_code == 1
    assert "out of range" in done.stderr
    far = drift("add", "search", "--for", "99999999999999999d", *WHY)
    assert (far.exit_code, "too long for a duration" in far.stderr) == (1, True)


def test_what_is_too_long_to_keep_is_not_sent_back(client):
    long = client.post("/v1/maintenance", json=ASKED | {"reason": "x" * 100_000})
    assert (long.status_code, "at most 500 are kept" in long.text, len(long.text) < 200) == (422, True, True)
    also = client.post("/v1/maintenance", json=ASKED | {"reason": "x" * 100_000, "all": True, "length": "y" * 100_000})
    assert (also.status_code, "is not a duration" in also.text, len(also.text) < 500) == (422, True, True)
