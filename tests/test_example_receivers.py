"""The example receivers, as processes or apps, against the real sender and the real API of feedback."""

import http.client
import json
import threading
from contextlib import closing
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from ipaddress import ip_network

import httpx2
import pytest
from peers import Receiver, Reply, free_port, until
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
    with Receiver() as service:
        sent = message(service.url)
        assert plain.remember(path, sent.id, sent.body)
        assert not plain.remember(path, sent.id, sent.body)
        assert plain.unfinished(path) == [(sent.id, sent.body)]
        plain.work(path, sent.id, sent.body)
    assert plain.unfinished(path) == []


@pytest.mark.parametrize("status", [401, 500, None])
def test_a_service_that_does_not_hear_keeps_nobody_from_training_and_is_told_again(plain, tmp_path, caplog, status):
    path, sent = str(tmp_path / "runs.sqlite"), message(f"http://127.0.0.1:{free_port()}")
    with Receiver(lambda _: Reply(status or 200, body=b"no")) as service:
        if status is not None:
            sent = message(service.url)
        plain.remember(path, sent.id, sent.body)
        plain.work(path, sent.id, sent.body)
        assert plain.unfinished(path) == []
        assert len(caplog.messages) == 2
        if status is None:
            return
        service.reply = lambda _: Reply()
        plain.report_ends(path)
        plain.report_ends(path)
        assert told(service)[2:] == [{"status": "succeeded", "version": "1-retrained"}]


def test_what_the_service_will_never_take_is_not_told_again(plain, tmp_path):
    path = str(tmp_path / "runs.sqlite")
    with Receiver(lambda _: Reply(409)) as service:
        sent = message(service.url)
        plain.remember(path, sent.id, sent.body)
        plain.work(path, sent.id, sent.body)
        plain.report_ends(path)
        assert len(service.received) == 2


def test_the_service_is_told_with_the_token(plain, monkeypatch):
    with Receiver() as service:
        assert plain.tell(service.url, {"status": "started"})
        monkeypatch.setattr(plain, "TOKEN", "secret")
        assert plain.tell(service.url, {"status": "started"})
    assert [request.headers.get("Authorization") for request in service.received] == [None, "Bearer secret"]


def test_a_start_goes_on_with_what_was_not_done_or_not_told(plain, tmp_path):
    path, stop = str(tmp_path / "runs.sqlite"), threading.Event()
    with Receiver(lambda _: Reply(500)) as service:
        done, open_ = message(service.url, "msg_1"), message(service.url, "msg_2")
        plain.remember(path, done.id, done.body)
        plain.work(path, done.id, done.body)
        plain.remember(path, open_.id, open_.body)
        service.reply = lambda _: Reply()
        plain.resume(path, stop)
        stop.set()
        assert until(lambda: len(service.received) >= 5)
    assert sorted(report["status"] for report in told(service)[2:]) == ["started", "succeeded", "succeeded"]


NO_EVENTS = [b"no JSON", b"[]", b"{}", b'{"type": 1}']


@pytest.mark.parametrize("body", NO_EVENTS)
def test_what_is_signed_and_no_event_is_refused(url, body):
    headers = sign(Message("msg_1", body), [SECRET], now=datetime.now(UTC))
    with httpx2.Client(trust_env=False) as client:
        assert client.post(url, content=body, headers=headers).status_code == 400


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "9" * 5000])
def test_a_length_that_is_none_is_refused(url, length):
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)) as connection:
        connection.putrequest("POST", "/")
        connection.putheader("content-length", length)
        connection.endheaders()
        assert connection.getresponse().status == 400


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


def test_the_receiver_with_fastapi_goes_on_at_its_start(plain, tmp_path, monkeypatch):
    from examples.receivers import with_fastapi

    monkeypatch.setattr(with_fastapi, "RUNS", str(tmp_path / "runs.sqlite"))
    with Receiver() as service:
        sent = message(service.url)
        plain.remember(with_fastapi.RUNS, sent.id, sent.body)
        with TestClient(with_fastapi.app):
            assert until(lambda: len(service.received) >= 2)


@pytest.mark.parametrize("body", NO_EVENTS)
def test_the_receiver_with_fastapi_refuses_what_is_no_event(plain, tmp_path, monkeypatch, body):
    from examples.receivers import with_fastapi

    monkeypatch.setattr(with_fastapi, "RUNS", str(tmp_path / "runs.sqlite"))
    headers = sign(Message("msg_1", body), [SECRET], now=datetime.now(UTC))
    with TestClient(with_fastapi.app) as client:
        assert client.post("/retrain", content=body, headers=headers).status_code == 400
