"""The example receivers, as processes or apps, against the real sender and the real API of feedback."""

import json
import threading
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from ipaddress import ip_network

import httpx2
import pytest
from peers import Receiver, until
from starlette.testclient import TestClient

from drift.errors import DeliveryError
from drift.notify.base import Message
from drift.notify.signature import generate_secret, sign
from drift.notify.webhook import Webhook

SECRET = generate_secret()


@pytest.fixture
def plain(monkeypatch):
    """The module of the plain receiver, with our secret."""
    monkeypatch.setenv("RETRAIN_SECRET", SECRET.text)
    from examples.receivers import plain

    monkeypatch.setattr(plain, "SECRETS", [SECRET.text])
    return plain


def message(status_url: str, id_: str = "msg_1") -> Message:
    data = {"model": "encoder", "version": "1", "links": {"status": status_url}}
    return Message(id_, json.dumps({"id": id_, "type": "io.drift.retrain.requested", "data": data}).encode())


@pytest.fixture
def url(plain, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), plain.Handler)
    server.daemon_threads = False
    server.runs = str(tmp_path / "runs.sqlite")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def told(service: Receiver) -> list[dict]:
    return [json.loads(request.body) for request in service.received]


def test_a_request_is_worked_on_once_and_told_of(url):
    with httpx2.Client(trust_env=False) as client, Receiver() as service:
        hook = Webhook("retrain", url, (SECRET,), client, (ip_network("127.0.0.0/8"),))
        for _ in range(3):
            assert hook.send(message(service.url), now=datetime.now(UTC)) == 202
        assert until(lambda: len(service.received) >= 2)
    assert told(service) == [{"status": "started"}, {"status": "succeeded", "version": "1-retrained"}]


def test_what_drift_did_not_send_is_refused(url):
    with httpx2.Client(trust_env=False) as client, Receiver() as service:
        forger = Webhook("retrain", url, (generate_secret(),), client, (ip_network("127.0.0.0/8"),))
        with pytest.raises(DeliveryError, match="401"):
            forger.send(message(service.url), now=datetime.now(UTC))
    assert service.received == []


def test_a_training_that_fails_is_told_of(url, plain, monkeypatch):
    def broken(data):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(plain, "train", broken)
    with httpx2.Client(trust_env=False) as client, Receiver() as service:
        hook = Webhook("retrain", url, (SECRET,), client, (ip_network("127.0.0.0/8"),))
        hook.send(message(service.url), now=datetime.now(UTC))
        assert until(lambda: len(service.received) >= 2)
    assert told(service)[1] == {"status": "failed", "detail": "out of memory"}


def test_what_was_taken_before_a_stop_is_found_again(plain, tmp_path):
    path = str(tmp_path / "runs.sqlite")
    assert plain.remember(path, "msg_1", b"{}")
    assert not plain.remember(path, "msg_1", b"{}")
    assert plain.unfinished(path) == [("msg_1", b"{}")]
    with plain.opened(path) as db:
        db.execute("UPDATE run SET state = 'succeeded'")
    assert plain.unfinished(path) == []


def test_the_receiver_with_fastapi_works_on_a_signed_request_once_and_on_no_other(plain, tmp_path, monkeypatch):
    from examples.receivers import with_fastapi

    monkeypatch.setattr(with_fastapi, "RUNS", str(tmp_path / "runs.sqlite"))
    with TestClient(with_fastapi.app) as client, Receiver() as service:
        sent = message(service.url)
        signed = sign(sent, [SECRET], now=datetime.now(UTC))
        for _ in range(2):
            assert client.post("/retrain", content=sent.body, headers=signed).status_code == 202
        assert [told["status"] for told in map(json.loads, (r.body for r in service.received))] == [
            "started",
            "succeeded",
        ]
        assert client.post("/retrain", content=b"\xff", headers={"webhook-id": "x"}).status_code == 401
