"""The HTTP API on a real Postgres."""

import io
import json
import re
import subprocess
from datetime import timedelta

import numpy as np
import orjson
import pyarrow as pa
import pytest
from fakes import (
    DIM,
    LENGTH,
    START,
    STREAM,
    FakeCollector,
    FakeEncoder,
    FakeNotifier,
    healthy,
    make_monitor,
    register,
    spans,
)
from peers import find_or_skip
from starlette.testclient import TestClient

from collectors.rows import DEFAULT_LIMITS
from drift.api.app import create_app
from drift.encoder.cache import CachedEncoder
from drift.encoder.meter import Meter
from drift.errors import DeliveryError
from drift.notify.base import Look, Notice
from drift.notify.peer import Peer
from drift.pipeline import measure
from drift.records import Rows, Span, Window
from drift.scheduler import Scheduler, Service, diagnose_one
from drift.store import writes
from drift.store.connect import connect

NOW = START + timedelta(minutes=1)
ARROW = "application/vnd.apache.arrow.stream"


def service_of(engine, monitor) -> Service:
    day = timedelta(days=1)
    return Service(engine, {"search": monitor}, {"http://am": Peer(FakeNotifier())}, {}, day, day, day, lambda: NOW)


@pytest.fixture
def monitor(engine):
    monitor = make_monitor(engine)
    register(engine, monitor)
    return monitor


@pytest.fixture
def service(engine, monitor):
    return service_of(engine, monitor)


@pytest.fixture
def client(service):
    with TestClient(create_app(service, Scheduler(service))) as client:
        yield client


def arrow(vectors: np.ndarray, **columns: list) -> bytes:
    vector = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    sink = pa.BufferOutputStream()
    table = pa.table({"vector": vector, **columns})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def npy(vectors: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, vectors)
    return file.getvalue()


def push(client, body, kind=ARROW, stream="search", **headers):
    return client.post(f"/v1/streams/{stream}/embeddings", content=body, headers={"content-type": kind, **headers})


@pytest.mark.parametrize(
    ("kind", "encode"),
    [
        (ARROW, arrow),
        ("application/json", lambda x: orjson.dumps([{"vector": row} for row in x.tolist()])),
        ("application/x-ndjson", lambda x: b"\n".join(orjson.dumps({"vector": row}) for row in x.tolist())),
        ("application/x-npy", npy),
    ],
)
def test_each_format_is_taken_in_whole(client, monitor, kind, encode):
    answer = push(client, encode(healthy(3)), kind)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)
    window = monitor.collector.collect(monitor.stream, Span(START, START + LENGTH), limit=9)
    np.testing.assert_allclose(sorted(window.vectors.tolist()), sorted(healthy(3).tolist()), rtol=1e-6)


def test_the_key_of_another_batch_is_a_conflict(client):
    push(client, arrow(healthy(2)), **{"idempotency-key": "k"})
    answer = push(client, arrow(healthy(3)), **{"idempotency-key": "k"})
    assert (answer.status_code, "'k'" in answer.json()["detail"]) == (409, True)


def test_nan_in_json_is_a_fault_of_its_row_alone(client):
    rows = json.dumps([{"vector": [float("nan")] * DIM}, {"vector": [1.0] * DIM}])
    said = push(client, rows, "application/json").json()
    assert (said["accepted"], said["rejected_by_reason"]) == (1, {"not_finite": 1})


def test_bad_rows_are_reported_one_by_one_and_the_others_kept(client):
    vectors = healthy(3)
    vectors[1, 0] = np.inf
    said = push(client, arrow(vectors)).json()
    assert (said["received"], said["accepted"], said["rejected_by_reason"]) == (3, 2, {"not_finite": 1})
    assert said["faults"][0]["row"] == 1


def test_a_batch_of_bad_rows_alone_is_not_a_success(client):
    assert push(client, arrow(np.zeros((2, DIM), np.float32))).status_code == 422


def test_a_retried_batch_is_recognised_by_its_key(client):
    first, again = (push(client, arrow(healthy(2)), **{"idempotency-key": "k"}).json() for _ in range(2))
    assert (first["duplicate"], again["duplicate"]) == (False, True)


@pytest.mark.parametrize(
    ("body", "kind", "stream", "status", "said"),
    [
        (b"x", ARROW, "search", 400, "Arrow"),
        (b"[", "application/json", "search", 400, "JSON"),
        (b"[]", "text/html", "search", 415, "text/html"),
        (b"[]", "application/json", "serch", 404, "search"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(client, body, kind, stream, status, said):
    answer = push(client, body, kind, stream)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_refused_batches_are_counted(client):
    push(client, b"x")
    push(client, b"[]", "application/json", "serch")
    text = client.get("/metrics").text
    assert 'drift_batches_refused_total{reason="unreadable"} 1.0' in text
    assert 'drift_batches_refused_total{reason="unknown_stream"} 1.0' in text


def test_notifications_are_counted_by_peer_from_the_start(client, service):
    counts = [
        f'drift_notifications_{name}_total{{peer="http://am"}}' for name in ("sent", "failed", "dropped", "invalid")
    ]
    text = client.get("/metrics").text
    assert all(f"{count} 0.0" in text for count in counts)
    assert 'drift_notifications_queue_length{peer="http://am"} 0.0' in text
    peer = service.alertmanagers["http://am"]
    peer.receiver.failures += [DeliveryError("away")]
    peer.receiver.looks = Look(timedelta(seconds=-40))
    peer.offer([Notice({"alertname": "A"}, {}, NOW)], read_at=NOW)
    peer.tell_next(now=NOW, resend=timedelta(minutes=1))
    text = client_without_cache(service).get("/metrics").text
    assert f"{counts[1]} 1.0" in text
    assert 'drift_notifications_queue_length{peer="http://am"} 1.0' in text
    assert 'drift_notifications_clock_skew_seconds{peer="http://am"} -40.0' in text


def client_without_cache(service):
    return TestClient(create_app(service, Scheduler(service)))


def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(client):
    answer = push(client, b"x" * (DEFAULT_LIMITS.body + 1))
    assert answer.status_code == 413


def test_the_runbooks_are_served(client):
    assert "ErrorBudgetBurn" in client.get("/runbook").text
    assert "First checks" in client.get("/runbook/EvaluationMissing").text


def test_nothing_is_acknowledged_while_the_database_is_away(monitor):
    service = service_of(connect("postgresql://nobody@127.0.0.1:1/none"), monitor)
    with TestClient(create_app(service, Scheduler(service)), raise_server_exceptions=False) as client:
        answer = push(client, arrow(healthy(1)))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert "drift_up 0.0" in client.get("/metrics").text


@pytest.fixture
def measured(engine, monitor):
    given = {START + i * LENGTH: healthy(80, i) * 5 for i in range(9)}
    loud = make_monitor(engine, collector=FakeCollector(given))
    with engine.begin() as conn:
        measure.measure_spans(conn, loud, spans(9))


def test_reads_show_what_was_measured(client, measured):
    until = (START + timedelta(days=1)).isoformat()
    found = client.get("/v1/measurements", params={"stream": "search", "detector": "variance_ratio", "until": until})
    assert [m["start"] for m in found.json()] == [span.start.isoformat().replace("+00:00", "Z") for span in spans(9)]
    (status,) = client.get("/v1/status").json()
    assert (status["stream"], status["slo"], status["state"]) == ("search", "spread", "page")
    (alert,) = client.get("/v1/alerts").json()
    assert (alert["kind"], alert["state"], alert["labels"]["severity"]) == ("page", "firing", "page")
    assert client.get("/v1/alerts", params={"state": "resolved"}).json() == []
    assert [s["key"] for s in client.get("/v1/streams").json()] == ["search"]


def test_windows_can_be_queued_without_waiting_for_late_rows(client):
    assert client.post("/v1/streams/search/measure").json() == {"queued": 0}
    assert client.post("/v1/streams/nothing/measure").status_code == 404


def test_metrics_tell_prometheus_the_state_of_each_objective(client, measured):
    text = client.get("/metrics").text
    names = 'job_id="search",model_id="encoder",slo="spread"'
    assert f"drift_evaluations_bad_total{{{names}}} 9.0" in text
    assert f"drift_evaluation_interval_seconds{{{names}}} 300.0" in text
    assert f"drift_missing_windows{{{names}}} 0.0" in text
    assert f"drift_insufficient_windows{{{names}}} 0.0" in text
    assert 'drift_alerts_firing{severity="page"} 1.0' in text
    assert "drift_up 1.0" in text
    assert "drift_error_budget_remaining_ratio" in text


def test_metrics_have_what_is_measured_the_bound_that_it_is_held_to_and_the_verdict(client, service, measured):
    text = client.get("/metrics").text
    (slo,) = service.monitors["search"].slos["search"]
    (value,) = re.findall(rf'drift_sli_value{{detector="{slo.sli.detector}",job_id="search".*?}} (.+)', text)
    found = re.findall(r'drift_sli_threshold{bound="(\w+)",.*?job_id="search",.*?,quantity="value",.*?} (.+)', text)
    bounds = {"at_least": slo.sli.at_least, "at_most": slo.sli.at_most}
    assert {side: float(bound) for side, bound in found} == bounds
    assert not bounds["at_least"] <= float(value) <= bounds["at_most"]
    outcomes = re.findall(r'drift_evaluation_outcome{.*?outcome="(\w+)",slo="spread"} (.+)', text)
    assert {name: float(is_) for name, is_ in outcomes} == {
        "good": 0, "bad": 1, "missing": 0, "insufficient": 0, "excluded": 0
    }  # fmt: skip


def test_metrics_are_clean_by_promtool(client, measured):
    promtool = find_or_skip("promtool", "prometheus")
    text = client.get("/metrics").text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_compressed_body_is_refused_by_name(client):
    answer = client.post("/v1/streams/search/embeddings", content=b"x", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert "gzip" in answer.json()["detail"]


def test_the_schema_documents_every_path(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert ARROW in paths["/v1/streams/{stream}/embeddings"]["post"]["requestBody"]["content"]


def test_the_documentation_page_needs_no_other_host(client):
    page = client.get("/docs").text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) >= 2
    assert [(asset, client.get(asset).status_code) for asset in assets] == [(asset, 200) for asset in assets]
    assert "//" not in "".join(assets)


def keep_bad_window(engine, span):
    vectors = healthy(64) * np.linspace(2, 4, 64, dtype=np.float32)[:, None]
    with engine.begin() as conn:
        writes.save_window(conn, Window(STREAM, span, Rows(vectors), 64))


def test_a_diagnosis_can_be_asked_for_and_read(engine, monitor, client):
    assert client.post("/v1/streams/search/diagnose").status_code == 404
    for span in spans(2):
        keep_bad_window(engine, span)
    assert client.post("/v1/streams/search/diagnose", params={"at": START.isoformat()}).json()["queued"]
    asked = client.post("/v1/streams/search/diagnose")
    assert (asked.status_code, asked.json()["queued"]) == (202, True)
    assert not client.post("/v1/streams/search/diagnose").json()["queued"]
    assert client.get("/v1/diagnoses", params={"stream": "search"}).json() == []
    service = service_of(engine, monitor)
    while diagnose_one(service, lambda _: None):
        pass
    newest, older = client.get("/v1/diagnoses", params={"stream": "search"}).json()
    assert newest["causes"][0]["cause"] == "missing-normalisation"
    assert set(newest["causes"][0]) == {"cause", "score", "evidence", "next_step"}
    assert "rotated" not in newest["ruled_out"]  # vectors alone cannot tell
    assert newest["slo"] == ""
    assert (older["start"], newest["start"]) == tuple(
        json.loads(orjson.dumps(span.start)).replace("+00:00", "Z") for span in spans(2)
    )


def test_a_segment_that_is_not_there_cannot_be_diagnosed(client):
    refused = client.post("/v1/streams/search/diagnose", params={"segment": "lang=de"})
    assert refused.status_code == 404
    assert "it has: none" in refused.json()["detail"]


def test_metrics_tell_what_encoding_costs(engine):
    encoder = CachedEncoder(FakeEncoder(), meter=Meter("bundled", 2.0, price=36.0))
    monitor = make_monitor(engine, encoder=encoder)
    register(engine, monitor)
    encoder.encode(["a", "b"])
    service = service_of(engine, monitor)
    with TestClient(create_app(service, Scheduler(service))) as client:
        text = client.get("/metrics").text
    assert 'drift_encoder_inputs_total{encoder="bundled"} 2.0' in text
    assert 'drift_encoder_load_seconds{encoder="bundled"} 2.0' in text
    cost = float(re.search(r'drift_encoder_cost_total{encoder="bundled"} (\S+)', text)[1])
    assert cost == pytest.approx(encoder.meter.seconds / 100)


def test_an_alert_is_marked_as_false_by_its_id(client, measured):
    page = next(alert for alert in client.get("/v1/alerts").json() if alert["kind"] == "page")
    assert page["false_by"] is None
    assert client.post(f"/v1/alerts/{page['id']}/false").json()["false_by"].startswith("API, from")
    assert [alert["id"] for alert in client.get("/v1/alerts").json() if alert["false_by"]] == [page["id"]]
    assert client.delete(f"/v1/alerts/{page['id']}/false").json()["false_by"] is None
    refused = client.post("/v1/alerts/nobody/false")
    assert (refused.status_code, "lists them with their ids" in refused.json()["detail"]) == (404, True)
