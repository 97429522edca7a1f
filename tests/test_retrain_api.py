"""Retraining over HTTP, on a real Postgres."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, FakeNotifier, make_monitor
from starlette.testclient import TestClient
from test_retrains import FREE, INCIDENT, TWO, asked, intents, play

from drift.api.app import create_app
from drift.notify.mlflow import RegistryKey
from drift.pipeline.gates import Gatekeeper
from drift.records import Role, Visitor
from drift.scheduler import Scheduler, Service
from drift.store import endpoints

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


def test_a_button_needs_no_body(engine, client):
    play(engine, "B" * 9, replace(FREE, approval=True))
    (waiting,) = client.get("/v1/retrains").json()
    for what, state in (("approve", "requested"), ("reject", "rejected")):
        done = client.post(f"/v1/retrains/{waiting['id']}/{what}")
        assert (done.status_code, done.json()["state"], done.json()["by"]) == (200, state, "API, from testclient")


def test_a_button_without_a_body_is_pressed_by_whom_the_token_names(engine):
    play(engine, "B" * 9, replace(FREE, approval=True))
    day = timedelta(days=1)
    bearer = {"x": Visitor("deploys", Role.OPERATOR)}.get
    service = Service(engine, {"search": make_monitor(engine)}, {}, {}, day, day, day, lambda: NOW, bearer=bearer)
    with TestClient(create_app(service, Scheduler(service)), headers={"authorization": "Bearer x"}) as client:
        assert client.post(f"/v1/retrains/{intents(engine)[0].id}/approve").json()["by"] == "deploys"


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
        ({"status": "succeeded", "version": "  "}, 409, "version"),
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


@pytest.mark.parametrize(("id_", "detail"), [("a%00b", "x"), ("a", "\\u0000")], ids=["NUL in the path", "NUL"])
def test_what_postgres_cannot_hold_is_a_fault_of_the_request(engine, client, id_, detail):
    play(engine, "B" * 9)
    intent = intents(engine)[0].id
    body = f'{{"status": "failed", "detail": "{detail}"}}'
    answer = client.post(
        f"/v1/retrains/{intent if id_ == 'a' else id_}/status",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422
    assert "nothing was stored" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("version", "with_gate", "without"),
    [("../../etc", 422, 200), ("a/b", 422, 200), ("a b", 422, 200), ("v2.1", 200, 200), (" ", 409, 409)],
)
def test_a_version_that_the_gate_cannot_use_is_refused_where_there_is_one(engine, version, with_gate, without):
    play(engine, "B" * 9)
    before, day = intents(engine), timedelta(days=1)
    for gatekeepers, status in (({"search": Gatekeeper(lambda *_: None)}, with_gate), ({}, without)):
        service = Service(
            engine, {"search": make_monitor(engine)}, {}, {}, day, day, day, lambda: NOW, gatekeepers=gatekeepers
        )
        with TestClient(create_app(service, Scheduler(service))) as client:
            path = f"/v1/retrains/{before[0].id}/status"
            answer = client.post(path, json={"status": "succeeded", "version": version})
        assert answer.status_code == status
        if status == 422:
            assert "letters, digits and . _ + - are wanted" in answer.json()["detail"]
            assert intents(engine) == before


@pytest.mark.parametrize("status", ["started", "failed"])
def test_a_gate_asks_nothing_of_a_version_that_is_no_success(engine, status):
    play(engine, "B" * 9)
    day = timedelta(days=1)
    keepers = {"search": Gatekeeper(lambda *_: None)}
    service = Service(engine, {"search": make_monitor(engine)}, {}, {}, day, day, day, lambda: NOW, gatekeepers=keepers)
    with TestClient(create_app(service, Scheduler(service))) as client:
        path = f"/v1/retrains/{intents(engine)[0].id}/status"
        answer = client.post(path, json={"status": status, "version": "runs/7"})
    assert (answer.status_code, intents(engine)[0].state) == (200, status)


def test_an_unknown_retraining_is_not_found(client):
    answer = client.post("/v1/retrains/msg_none/status", json={"status": "started"})
    assert (answer.status_code, "msg_none" in answer.json()["detail"]) == (404, True)


def test_metrics_tell_of_open_requests_and_of_disabled_receivers(engine):
    play(engine, "B" * 9)
    with engine.begin() as conn:
        endpoints.disable(conn, "retrain", why="gone", now=NOW)
    day, hooks = timedelta(days=1), {"retrain": FakeNotifier(), "other": FakeNotifier()}
    service = Service(engine, {"search": make_monitor(engine)}, {}, hooks, day, day, day, lambda: NOW)
    with TestClient(create_app(service, Scheduler(service))) as client:
        text = client.get("/metrics").text
    assert 'drift_retrains_open{state="requested"} 1.0' in text
    assert 'drift_retrains_open{state="waiting"} 0.0' in text
    assert 'drift_receiver_disabled{receiver="retrain"} 1.0' in text
    assert 'drift_receiver_disabled{receiver="other"} 0.0' in text


KEY = RegistryKey("a secret of MLflow's own")


def registry_event(version: str, *, model: str = "encoder", action: str = "created") -> bytes:
    """As MLflow 3 writes it."""
    data = {
        "name": model,
        "version": version,
        "source": "runs:/1/model",
        "run_id": "1",
        "tags": {},
        "description": None,
    }
    return json.dumps(
        {"entity": "model_version", "action": action, "timestamp": NOW.isoformat(), "data": data}
    ).encode()


def from_registry(client, body: bytes, *, key: RegistryKey = KEY, at=NOW):
    stamp = str(int(at.timestamp()))
    headers = {"x-mlflow-delivery-id": "d1", "x-mlflow-timestamp": stamp}
    headers["x-mlflow-signature"] = key.signature("d1", stamp, body)
    return client.post("/v1/mlflow", content=body, headers=headers)


@pytest.fixture
def registry(engine):
    day = timedelta(days=1)
    quiet = Service(engine, {"search": make_monitor(engine)}, {}, {}, day, day, day, lambda: NOW)
    service = replace(quiet, registry=KEY)
    with TestClient(create_app(service, Scheduler(service))) as client:
        yield client


def test_a_version_in_the_registry_is_the_success_of_its_request(engine, registry):
    play(engine, "B" * 9)
    assert from_registry(registry, registry_event("7", model="other")).json() is None
    done = from_registry(registry, registry_event("7")).json()
    assert (done["state"], done["new_version"], done["detail"]) == ("succeeded", "7", "registered in MLflow")
    assert from_registry(registry, registry_event("7")).json() is None


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"key": RegistryKey("another secret of somebody")}, 401),
        ({"at": NOW - timedelta(seconds=301)}, 401),
        ({"body": b"{}"}, 422),
        ({"body": b"\xff"}, 422),
        ({"body": registry_event("7", action="deleted")}, 200),
    ],
)
def test_what_the_registry_did_not_say_changes_nothing(engine, registry, said, status):
    play(engine, "B" * 9)
    before = intents(engine)
    assert from_registry(registry, **{"body": registry_event("7"), **said}).status_code == status
    assert registry.post("/v1/mlflow", content=registry_event("7")).status_code == 401
    assert intents(engine) == before


def test_without_a_secret_no_registry_is_believed(engine, client):
    assert from_registry(client, registry_event("7")).status_code == 404
