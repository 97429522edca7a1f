"""Retraining over HTTP, on a real Postgres."""

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, make_monitor
from starlette.testclient import TestClient
from test_retrains import FREE, INCIDENT, TWO, asked, intents, play

from drift.api.app import create_app
from drift.scheduler import Scheduler, Service

NOW = START + timedelta(hours=2)
ANNA = {"by": "anna", "reason": "looked at it"}


@pytest.fixture
def client(engine):
    day = timedelta(days=1)
    service = Service(engine, {"search": make_monitor(engine)}, {}, {}, day, day, day, lambda: NOW)
    with TestClient(create_app(service, Scheduler(service))) as client:
        yield client


def test_intents_are_listed_with_those_that_asked_nobody(engine, client):
    play(engine, "B" * 9, slos={"search": TWO})
    found = client.get("/v1/retrains").json()
    assert sorted(one["state"] for one in found) == ["joined", "requested"]
    (joined,) = client.get("/v1/retrains", params={"state": "joined"}).json()
    assert joined["because"] in {one["id"] for one in found}
    assert client.get("/v1/retrains", params={"model": "other"}).json() == []


def test_a_button_approves(engine, client):
    play(engine, "B" * 9, replace(FREE, approval=True))
    (waiting,) = client.get("/v1/retrains").json()
    assert asked(engine) == []
    done = client.post(f"/v1/retrains/{waiting['id']}/approve", json=ANNA)
    assert (done.status_code, done.json()["state"], done.json()["by"]) == (200, "requested", "anna")
    assert asked(engine) == [waiting["id"]]


def test_a_button_rejects(engine, client):
    play(engine, "B" * 9)
    id_ = intents(engine)[0].id
    done = client.post(f"/v1/retrains/{id_}/reject", json=ANNA).json()
    assert (done["state"], done["detail"]) == ("rejected", "looked at it")
    assert asked(engine) == []


def test_a_pipeline_tells_how_it_goes_and_the_model_may_be_asked_for_again(engine, client):
    play(engine, INCIDENT)
    path = f"/v1/retrains/{intents(engine)[0].id}/status"
    assert client.post(path, json={"status": "started"}).json()["started_at"] is not None
    done = client.post(path, json={"status": "succeeded", "version": "2"}).json()
    assert (done["state"], done["new_version"], done["time_to_recover_seconds"]) == ("succeeded", "2", 75 * 60)
    assert client.post(path, json={"status": "succeeded", "version": "2"}).json() == done
    play(engine, INCIDENT, start=START + timedelta(days=1))
    assert [intent.state for intent in intents(engine)] == ["succeeded", "requested"]


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({"status": "succeeded"}, 409, "version"),
        ({"status": "done"}, 422, "started"),
        ({"status": "started", "surprise": 1}, 422, "surprise"),
    ],
)
def test_feedback_that_makes_no_sense_is_refused_and_changes_nothing(engine, client, said, status, words):
    play(engine, "B" * 9)
    before = intents(engine)
    answer = client.post(f"/v1/retrains/{before[0].id}/status", json=said)
    assert answer.status_code == status
    assert words in answer.text
    assert intents(engine) == before


def test_an_unknown_retraining_is_not_found(client):
    answer = client.post("/v1/retrains/msg_none/status", json={"status": "started"})
    assert (answer.status_code, "msg_none" in answer.json()["detail"]) == (404, True)
