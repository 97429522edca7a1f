"""Webhooks against a receiver that enforces the contract, and against ones that mean no good."""

import base64
import hashlib
import hmac
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import httpx2
import pytest
from peers import Received, Receiver, Reply, find_or_skip, free_port, resolve_to, until

from drift import __version__
from drift.errors import DeliveryError, SignatureError
from drift.notify.addresses import EVERYWHERE
from drift.notify.base import Message
from drift.notify.connection import Connection
from drift.notify.signature import generate_secret, verify
from drift.notify.webhook import Webhook

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = generate_secret()
LOOPBACK = (ip_network("127.0.0.0/8"),)
MESSAGE = Message("retrain_1", '{"type": "io.drift.retrain.requested", "id": "retrain_1", "why": "größer"}'.encode())


@pytest.fixture(scope="module")
def hook() -> Iterator[Webhook]:
    with httpx2.Client(trust_env=False) as client:
        yield Webhook("retrain", "http://unset", (SECRET,), client, LOOPBACK)


def contract(now: datetime = NOW):
    """A receiver that accepts nothing but a signed CloudEvent; it also computes the signature by itself."""

    def reply(request: Received) -> Reply:
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
        key = base64.b64decode(SECRET.text.removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        try:
            verify(request.headers, request.body, [SECRET], now=now)
        except SignatureError as error:
            return Reply(401, body=str(error).encode())
        right = expected in headers["webhook-signature"].split(" ")
        right &= headers["content-type"] == "application/cloudevents+json"
        right &= headers["user-agent"] == f"drift/{__version__}"
        return Reply(204 if right else 400)

    return reply


def fail(hook: Webhook, reply: Reply, now: datetime = NOW) -> DeliveryError:
    with Receiver(lambda _: reply) as receiver, pytest.raises(DeliveryError) as caught:
        replace(hook, url=receiver.url).send(MESSAGE, now=now)
    assert len(receiver.received) == 1
    return caught.value


def test_the_receiver_gets_the_exact_bytes_signed(hook):
    with Receiver(contract()) as receiver:
        assert replace(hook, url=f"{receiver.url}/hooks?a=b").send(MESSAGE, now=NOW) == 204
    (request,) = receiver.received
    assert (request.path, request.body) == ("/hooks?a=b", MESSAGE.body)
    # A connection that stayed open would escape the check of its peer, a compressed answer the limit on its size.
    assert (request.headers["connection"], request.headers["accept-encoding"]) == ("close", "identity")


def test_nothing_is_left_running_after_an_attempt(hook):
    before = threading.active_count()
    with Receiver() as receiver:
        replace(hook, url=receiver.url).send(MESSAGE, now=NOW)
    assert until(lambda: threading.active_count() == before, within=2)


def test_a_retry_keeps_the_id_and_changes_timestamp_and_signature(hook):
    with Receiver(contract(NOW)) as receiver:
        for seconds in (0, 5):
            replace(hook, url=receiver.url).send(MESSAGE, now=NOW + timedelta(seconds=seconds))
    first, second = (r.headers for r in receiver.received)
    assert first["webhook-id"] == second["webhook-id"] == "retrain_1"
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 5
    assert first["webhook-signature"] != second["webhook-signature"]


def test_both_secrets_sign_while_they_are_rotated(hook):
    with Receiver(contract()) as receiver:
        both = replace(hook, url=receiver.url, secrets=(generate_secret(), SECRET))
        assert both.send(MESSAGE, now=NOW) == 204


def test_a_receiver_with_another_secret_says_why(hook):
    with Receiver(contract()) as receiver, pytest.raises(DeliveryError, match="compare the secrets") as caught:
        replace(hook, url=receiver.url, secrets=(generate_secret(),)).send(MESSAGE, now=NOW)
    assert (caught.value.status, caught.value.final) == (401, False)


@pytest.mark.parametrize("status", [200, 202, 299])
def test_any_2xx_is_success(hook, status):
    with Receiver(lambda _: Reply(status, body=b"x" * 100_000)) as receiver:
        assert replace(hook, url=receiver.url).send(MESSAGE, now=NOW) == status


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 400, 404, 409, 422, 429, 500, 502, 503])
def test_any_other_status_is_a_failure_worth_another_attempt(hook, status):
    error = fail(hook, Reply(status))
    assert (error.status, error.retry_after, error.final) == (status, None, False)


def test_410_is_final(hook):
    error = fail(hook, Reply(410))
    assert (error.status, error.final) == (410, True)


def test_a_redirect_is_not_followed(hook):
    with Receiver() as elsewhere:
        error = fail(hook, Reply(302, {"location": elsewhere.url}))
    assert "redirect" in str(error)
    assert elsewhere.received == []


@pytest.mark.parametrize("status", [302, 429, 503])
def test_retry_after_is_honoured_whatever_the_status(hook, status):
    assert fail(hook, Reply(status, {"retry-after": "120"})).retry_after == timedelta(seconds=120)


def test_a_kilobyte_of_the_answer_is_kept_printable(hook):
    text = str(fail(hook, Reply(500, body=b"no\0 disk\r\n\xff" + b"x" * 100_000)))
    assert "no disk \N{REPLACEMENT CHARACTER}xxx" in text
    assert 1000 < len(text) < 1200
    assert text.isprintable()


def test_without_an_answer_there_is_no_status(hook):
    port = free_port()
    with pytest.raises(DeliveryError, match=r"ConnectError") as caught:
        replace(hook, url=f"http://127.0.0.1:{port}").send(MESSAGE, now=NOW)
    assert (caught.value.status, caught.value.final) == (None, False)


def test_a_receiver_that_drips_is_cut_at_the_deadline(hook):
    start = time.monotonic()
    with Receiver(lambda _: Reply(500, drip=0.05)) as receiver, pytest.raises(DeliveryError, match=r"no answer within"):
        replace(hook, url=receiver.url, timeout=timedelta(seconds=0.4)).send(MESSAGE, now=NOW)
    assert time.monotonic() - start < 2


def test_a_peer_that_is_gone_as_soon_as_it_was_there_is_one_that_does_not_answer():
    """A stand-in: whether the kernel has forgotten the peer by the time that it is asked for is a race."""

    class Gone:
        def get_extra_info(self, info):
            raise OSError(107, "Transport endpoint is not connected")

        def close(self):
            pass

    step = ("connection.connect_tcp.complete", {"return_value": Gone()})
    with Connection(pytest.fail, deadline=timedelta(seconds=1)) as one, pytest.raises(httpx2.ConnectError, match="107"):
        one.trace(*step)


def test_a_success_whose_body_drips_is_a_success(hook):
    with Receiver(lambda _: Reply(200, {"content-length": "99999"}, b"accepted")) as receiver:
        assert replace(hook, url=receiver.url, timeout=timedelta(seconds=1)).send(MESSAGE, now=NOW) == 200


@pytest.mark.parametrize("message", [Message("a.b", b"{}"), Message("a", b"\xff")])
def test_what_cannot_be_signed_is_never_sent(hook, message):
    with pytest.raises(DeliveryError) as caught:
        hook.send(message, now=NOW)
    assert caught.value.final


def test_no_secret_shows(hook):
    assert SECRET.text.removeprefix("whsec_") not in repr(hook)


@pytest.mark.parametrize("url", ["https://[", "https://a:b", "https://" + "a" * 64 + ".example", "ftp://127.0.0.1", ""])
def test_an_unusable_url_is_a_delivery_error(hook, url):
    with pytest.raises(DeliveryError):
        replace(hook, url=url, networks=EVERYWHERE).send(MESSAGE, now=NOW)


@pytest.fixture(scope="module")
def tls(tmp_path_factory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `a.example`, and a client's that trusts it."""
    directory = tmp_path_factory.mktemp("tls")
    key, cert = directory / "key.pem", directory / "cert.pem"
    command = [
        find_or_skip("openssl", "openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]
    command += ["-nodes", "-days", "2", "-subj", "/CN=a.example", "-addext", "subjectAltName=DNS:a.example"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))


def test_https_is_held_to_the_name_of_the_host(hook, monkeypatch, tls):
    resolve_to(monkeypatch, ["127.0.0.1"])
    server, trusting = tls
    with httpx2.Client(trust_env=False, verify=trusting) as client, Receiver(contract(), server) as receiver:
        right = replace(hook, url=f"https://a.example:{receiver.port}", client=client)
        assert right.send(MESSAGE, now=NOW) == 204
        with pytest.raises(DeliveryError, match=r"[Hh]ostname mismatch"):
            replace(right, url=f"https://b.example:{receiver.port}").send(MESSAGE, now=NOW)
        with pytest.raises(DeliveryError, match=r"self.signed"):
            replace(right, client=hook.client).send(MESSAGE, now=NOW)
    assert len(receiver.received) == 1


def test_dripping_over_tls_is_cut_too(hook, monkeypatch, tls):
    resolve_to(monkeypatch, ["127.0.0.1"])
    server, trusting = tls
    start = time.monotonic()
    slow = Receiver(lambda _: Reply(500, drip=0.05), server)
    with slow, httpx2.Client(trust_env=False, verify=trusting) as client:
        mine = replace(hook, url=f"https://a.example:{slow.port}", client=client, timeout=timedelta(seconds=0.4))
        with pytest.raises(DeliveryError, match="within"):
            mine.send(MESSAGE, now=NOW)
    assert time.monotonic() - start < 2
