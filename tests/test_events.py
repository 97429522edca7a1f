"""Events as receivers get them: held against their published schemas, and to what the API describes."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import orjson
import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, FakeCollector, FakeNotifier, healthy, make_monitor, register, spans
from starlette.testclient import TestClient

from drift.api.app import create_app
from drift.diagnosis import cause_of
from drift.notify import announce
from drift.notify.events import EVENTS, LONGEST_TEXT
from drift.pipeline import count, measure
from drift.pipeline.monitor import Outlet
from drift.records import Diagnosed, Diagnosis, Rows
from drift.scheduler import Scheduler, Service
from drift.store import outbox, outgoing, reads, tables
from drift.store.outbox import Draft, MessageKind, MessageState

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "schemas"
TYPES = [kind.model_fields["type"].default for kind in EVENTS]
SECRET_ROW = "my diagnosis and my address"


def valid(event: dict) -> dict:
    schema = json.loads((SCHEMAS / f"{event['type']}.json").read_text())
    jsonschema.validate(event, schema, format_checker=jsonschema.FormatChecker())
    return event


@pytest.mark.parametrize("kind", EVENTS)
def test_the_published_schemas_are_those_of_what_is_sent(kind):
    """To publish a change: write what the left side gives into the file."""
    made = json.dumps(kind.model_json_schema(mode="serialization"), indent=2) + "\n"
    assert made == (SCHEMAS / f"{kind.model_fields['type'].default}.json").read_text()


@pytest.fixture
def monitor(engine):
    inputs = (SECRET_ROW,) * 80
    given = {START + i * LENGTH: healthy(80, i) * (5 if i < 9 else 1) for i in range(40)}

    class Speaking(FakeCollector):
        def collect(self, stream, span, *, limit):
            window = super().collect(stream, span, limit=limit)
            ids = tuple(f"row-{i}" for i in range(len(window.rows)))
            return replace(window, rows=Rows(window.vectors, ids=ids, inputs=inputs[: len(ids)]))

    outlet = Outlet(("http://am",), ("retrain",), "http://dash", listeners=("hub",), api_url="http://api")
    monitor = make_monitor(engine, collector=Speaking(given), outlet=outlet)
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(40))
    return monitor


def sent(engine, receiver: str) -> list[dict]:
    with engine.connect() as conn:
        t = tables.outbox
        rows = conn.execute(sa.select(t.c.body).where(t.c.receiver == receiver).order_by(t.c.created_at)).scalars()
        return [valid(orjson.loads(body)) for body in rows]


def test_a_request_to_retrain_keeps_to_its_schema_and_has_no_input_in_it(engine, monitor):
    (event,) = sent(engine, "retrain")
    data = event["data"]
    assert (data["model"], data["slo"], data["stream"]) == ("encoder", "spread", "search")
    assert data["reference"] == monitor.references["search"].version
    assert data["links"]["status"] == f"http://api/v1/retrains/{event['id']}/status"
    assert SECRET_ROW not in json.dumps(event)


def test_the_links_of_a_request_lead_to_the_ids_of_its_rows(engine, monitor):
    day = 60 * LENGTH
    service = Service(engine, {"search": monitor}, {"http://am": FakeNotifier()}, {}, day, day, day, lambda: START)
    (event,) = sent(engine, "retrain")
    with TestClient(create_app(service, Scheduler(service))) as client:
        ids = client.get(event["data"]["links"]["window_ids"].removeprefix("http://api")).json()
        none = client.get("/v1/windows/ids", params={"stream": "search", "at": "2020-01-01T00:00:00Z"})
    assert sorted(ids) == sorted(f"row-{i}" for i in range(80))
    assert none.status_code == 404


def test_who_listens_to_alerts_is_told_that_they_fire_and_that_they_are_over(engine, monitor):
    first, last = sent(engine, "hub")
    assert [event["type"] for event in (first, last)] == ["io.drift.alert.firing", "io.drift.alert.resolved"]
    assert first["id"] != last["id"]
    assert first["data"]["labels"]["severity"] == "page"
    assert last["data"]["resolved_at"] == (START + 11 * LENGTH).isoformat().replace("+00:00", "Z")
    assert SECRET_ROW not in json.dumps([first, last])


def test_who_was_told_of_an_episode_is_known_for_webhooks_too_and_after_its_team_has_changed(engine, monitor):
    with engine.begin() as conn:
        conn.execute(sa.update(tables.alert).values(labels={"team": "another"}))
        for i in range(600):
            later = START + (100 + i) * LENGTH
            outbox.put(conn, Draft(f"x{i}", "hub", MessageKind.EVENT, b'"search"'), state=MessageState.DUE, now=later)
        (row,) = reads.alerts(conn)
        told = outgoing.of_alerts(conn, [row.alert])[row.alert.id]
    who = [(message.delivery.receiver, message.delivery.kind) for message in told]
    assert who == [
        *(("http://am", "alert"), ("hub", "event"), ("retrain", "retrain")),  # it fires
        *(("http://am", "alert"), ("hub", "event")),  # it is over
    ]
    assert {(message.stream, message.slo) for message in told} == {("search", "spread")}


def test_an_event_stays_under_twenty_kilobytes_whatever_people_write(engine, monkeypatch):
    contexts = []
    monkeypatch.setattr(count.retrains, "ask", lambda _, __, alert, context: contexts.append((alert, context)))
    given = {START + i * LENGTH: healthy(80, i) * 5 for i in range(9)}
    monitor = make_monitor(engine, collector=FakeCollector(given))
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(9))
    ((alert, context),) = contexts
    long = "größer " * 10_000
    cause = replace(cause_of("truncation", 0.9, SECRET_ROW), next_step=long)
    diagnosed = Diagnosed("search", "spread", context.measurement.span, START, Diagnosis((cause,), ()))
    context = replace(context, meaning=long, diagnosed=diagnosed)
    requested = announce.retrain_requested(alert, context, context.measurement).body()
    annotations = dict.fromkeys(("summary", "description", "next_step", "threshold", "diagnosis"), long)
    told = announce.alert_changed(alert, context, {}, annotations)
    assert max(len(requested), len(told.body())) < 20_000
    event = valid(orjson.loads(requested))
    assert (event["data"]["cause"]["slug"], len(event["data"]["why"])) == ("truncation", LONGEST_TEXT)
    assert SECRET_ROW not in requested.decode()
    assert "diagnosis" not in valid(orjson.loads(told.body()))["data"]["annotations"]


def test_the_api_describes_every_event(engine, monitor):
    day = 60 * LENGTH
    service = Service(engine, {"search": monitor}, {}, {}, day, day, day, lambda: START)
    with TestClient(create_app(service, Scheduler(service))) as client:
        described = client.get("/openapi.json").json()
    assert sorted(described["webhooks"]) == sorted(TYPES)
    assert "/io.drift.test" not in described["paths"]
