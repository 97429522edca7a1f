"""A provider that is away, or no provider: who signs in is told which address did what."""

import socket

import pytest
from peers import Receiver, Reply, free_port
from playwright.sync_api import expect
from test_dashboard import seeded_url  # noqa: F401
from test_dashboard_browser import CHROMIUM, browser  # noqa: F401
from test_sign_in_browser import PATIENCE, dashboard, tab  # noqa: F401

from dashboard import provider
from dashboard.provider import ProviderError

METADATA = b'{"authorization_endpoint": "https://login.example/in", "token_endpoint": "https://login.example/token"}'


def test_what_is_no_metadata_of_a_provider_is_named_with_its_address():
    with Receiver(lambda _: Reply(body=METADATA)) as peer:
        provider.require(peer.url)
        for reply, told in ((503, "answered 503"), (302, "answered 302"), (b"<html>", "else"), (b"{}", "else")):
            peer.reply = lambda _, reply=reply: Reply(body=reply) if isinstance(reply, bytes) else Reply(reply)
            with pytest.raises(ProviderError, match=f"The provider at {peer.url} .*{told}"):
                provider.require(peer.url)


def test_a_provider_that_keeps_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(provider, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes the connection, and nobody answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ProviderError, match=f"The provider at {url} does not answer within 0.2 s"):
            provider.require(url)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_who_signs_in_while_the_provider_is_away_reads_so_and_can_try_again(tab, seeded_url, tmp_path):  # noqa: F811
    metadata = f"http://127.0.0.1:{free_port()}/.well-known/openid-configuration"
    access = f'oidc: {{metadata_url: "{metadata}", client_id: drift, client_secret: "${{OIDC_SECRET}}"}}'
    with dashboard(tmp_path, seeded_url, free_port(), access) as address:
        tab.goto(address)
        button = tab.get_by_role("button", name="Sign in", exact=True)
        button.click(timeout=PATIENCE)
        said = tab.get_by_test_id("stAlert")
        expect(said).to_contain_text(f"The provider at {metadata} does not answer", timeout=PATIENCE)
        expect(said).to_contain_text("access.oidc.metadata_url")
        expect(button).to_be_visible()
        assert tab.url.rstrip("/") == address
