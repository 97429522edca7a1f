"""An alert that somebody looks after: said once, shown wherever the alert is, and taken back."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, make_monitor
from starlette.testclient import TestClient
from test_api import service_of
from typer.testing import CliRunner

from drift.alert import Acknowledgement, Alert, AlertKind, AlertState
from drift.api.app import create_app
from drift.cli import app
from drift.scheduler import Scheduler
from drift.store import acknowledgements, reads, writes

ANNA = Acknowledgement("anna", START + timedelta(minutes=4), "on it")
FIRES = Alert("search", "spread", AlertKind.PAGE, AlertState.FIRING, START, fired_at=START)


def keep(engine, *alerts: Alert) -> None:
    with engine.begin() as conn:
        for alert in alerts:
            writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)


def kept(engine) -> reads.AlertRow:
    with engine.connect() as conn:
        return next(row for row in reads.alerts(conn) if row.alert.kind is AlertKind.PAGE)


def test_the_first_who_says_so_stays_and_what_the_alert_does_next_changes_nothing_of_it(engine):
    keep(engine, FIRES, replace(FIRES, kind=AlertKind.TICKET))
    with engine.begin() as conn:
        assert acknowledgements.acknowledge(conn, FIRES.id, ANNA).acknowledged == ANNA
        again = acknowledgements.acknowledge(conn, FIRES.id, replace(ANNA, by="bob"))
        assert again.acknowledged == ANNA
        assert [row.acknowledged for row in reads.alerts(conn) if row.alert.kind is AlertKind.TICKET] == [None]
    keep(engine, replace(FIRES, state=AlertState.RESOLVED, resolved_at=START + timedelta(hours=1)))
    assert kept(engine).acknowledged == ANNA


def test_it_is_taken_back(engine):
    keep(engine, FIRES)
    with engine.begin() as conn:
        acknowledgements.acknowledge(conn, FIRES.id, ANNA)
        assert acknowledgements.acknowledge(conn, FIRES.id, None).acknowledged is None


@pytest.mark.parametrize("state", [AlertState.PENDING, AlertState.RESOLVED])
def test_only_what_fires_is_acknowledged(engine, state):
    keep(engine, replace(FIRES, state=state))
    with engine.begin() as conn:
        assert acknowledgements.acknowledge(conn, FIRES.id, ANNA) is None


def test_by_command_with_who_runs_it_or_whom_it_names(engine, postgres_url, monkeypatch):
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    keep(engine, FIRES)
    done = CliRunner().invoke(app, ["alert", "acknowledge", FIRES.id, "--by", "anna", "--note", "on it"])
    assert (done.exit_code, "acknowledged by anna after" in done.output) == (0, True)
    (row,) = json.loads(CliRunner().invoke(app, ["alert", "list", "--json"]).output)
    assert (row["acknowledged_by"], row["acknowledged_note"], row["false_by"]) == ("anna", "on it", None)
    assert "anna after" in CliRunner().invoke(app, ["alert", "list"]).output
    assert "not acknowledged" in CliRunner().invoke(app, ["alert", "acknowledge", FIRES.id, "--undo"]).output
    wrong = CliRunner().invoke(app, ["alert", "acknowledge", "nobody"])
    assert (wrong.exit_code, "no alert 'nobody' fires: `drift alert list`" in wrong.output) == (1, True)
    CliRunner().invoke(app, ["alert", "acknowledge", FIRES.id])
    assert "@" in kept(engine).acknowledged.by


def test_over_http_without_a_body_too(engine):
    keep(engine, FIRES)
    service = service_of(engine, make_monitor(engine))
    with TestClient(create_app(service, Scheduler(service))) as client:
        done = client.post(f"/v1/alerts/{FIRES.id}/acknowledge").json()
        assert (done["acknowledged_by"], done["acknowledged_note"]) == ("API, from testclient", "")
        assert [one["acknowledged_by"] for one in client.get("/v1/alerts").json()] == ["API, from testclient"]
        assert client.delete(f"/v1/alerts/{FIRES.id}/acknowledge").json()["acknowledged_by"] is None
        refused = client.post("/v1/alerts/nobody/acknowledge")
        assert (refused.status_code, "state=firing" in refused.json()["detail"]) == (404, True)
