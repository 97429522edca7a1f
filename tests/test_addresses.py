"""Where a webhook may go, and what a hostile name server gains: nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_network

import httpx2
import pytest
from peers import resolve_to

from drift.errors import DeliveryError
from drift.notify.addresses import EVERYWHERE, require_allowed
from drift.notify.base import Message
from drift.notify.signature import generate_secret
from drift.notify.webhook import Webhook

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


def send(url: str, client: httpx2.Client) -> None:
    Webhook("retrain", url, (generate_secret(),), client).send(
        Message("a", b"{}"), now=datetime(2026, 1, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1",
        "https://localhost",
        "https://2130706433",
        "https://0x7f.1",
        "https://[::1]",
        "https://[::ffff:169.254.169.254]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://[2002:a9fe:a9fe::1]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://[fec0::1]",
        "https://[ff02::1]",
        "https://[::7f00:1]",
        "https://0.0.0.0",
        "https://10.1.2.3",
        "https://172.16.0.1",
        "https://192.168.1.1",
        "https://100.64.0.1",
        "https://100.100.100.200",
        "https://169.254.169.254/latest/meta-data",
        "https://168.63.129.16",
        "https://224.0.0.1",
        "https://240.0.0.1",
        "https://255.255.255.255",
    ],
)
def test_private_addresses_are_refused_before_anything_is_sent(url):
    refused(url, "allow_networks")


def test_plain_http_is_refused_before_anything_is_sent():
    refused("http://93.184.216.34", "allow_http")


def refused(url, remedy):
    transport = httpx2.MockTransport(lambda _: pytest.fail("sent"))
    with httpx2.Client(transport=transport) as client, pytest.raises(DeliveryError, match=remedy) as caught:
        send(url, client)
    assert (caught.value.status, caught.value.final) == (None, False)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "::ffff:93.184.216.34"])
def test_public_addresses_are_allowed_over_https(address):
    require_allowed(httpx2.URL("https://a.example"), address, ())


@pytest.mark.parametrize("address", ["10.0.0.1", "::1", "::ffff:10.0.0.1", "93.184.216.34", "169.254.169.254"])
def test_trusted_networks_are_allowed_over_plain_http(address):
    require_allowed(httpx2.URL("http://a.example"), address, EVERYWHERE)


def test_trust_in_one_network_is_not_trust_in_another():
    with pytest.raises(DeliveryError, match=r"10\.0\.0\.1"):
        require_allowed(httpx2.URL("https://a.example"), "10.0.0.1", LOOPBACK)


def test_one_private_address_among_public_ones_is_enough_to_refuse(client, monkeypatch):
    resolve_to(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(DeliveryError, match=r"found 10\.0\.0\.1"):
        send("https://a.example", client)


def test_a_name_that_turns_private_after_the_check_gets_a_connection_but_no_byte(client, monkeypatch):
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(TimeoutError):
                peer, _ = server.accept()
                with peer:
                    got.append(peer.recv(100))

        server.settimeout(5)
        thread = threading.Thread(target=accept)
        thread.start()
        resolve_to(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
        with pytest.raises(DeliveryError, match=r"found 127\.0\.0\.1"):
            send(f"https://a.example:{server.getsockname()[1]}", client)
        thread.join()
    assert got == [b""]


def test_a_name_without_address_is_tried_again_later(client, monkeypatch):
    def getaddrinfo(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(DeliveryError, match="lookup") as caught:
        send("https://nowhere.example", client)
    assert (caught.value.status, caught.value.final) == (None, False)
