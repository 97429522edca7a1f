"""Sign-in for real: an OpenID provider, a proxy, the dashboard as a process of its own, and Chromium before it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
import seed
from peers import free_port
from playwright.sync_api import Page, expect
from test_dashboard import seeded_url  # noqa: F401
from test_dashboard_browser import CHROMIUM, _wait, browser  # noqa: F401

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
PATIENCE = 60_000
ANNA = {"sub": "anna", "email": "anna@example.com", "email_verified": True, "groups": ["sre"]}
BOB = {"sub": "bob", "email": "bob@acme.example", "email_verified": True, "groups": ["care-people"]}
WHO = """
  viewers: [sre, care-people]
  operators: [sre]
  tenants: {sre: ["*"], care-people: [care]}
"""


@contextmanager
def process(command: list[str], health: str, log: Path, **environment: str) -> Iterator[None]:
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out) as run,
    ):
        try:
            _wait(health, log)
            yield
        finally:
            run.kill()


@contextmanager
def dashboard(folder: Path, url: str, port: int, access: str) -> Iterator[str]:
    """`drift dashboard` on a configuration that asks who one is."""
    address = f"http://127.0.0.1:{port}"
    config = seed.CONFIG.replace("    team: care\n", "    team: care\n    tenant: care\n")
    (folder / "drift.yaml").write_text(f'{config}dashboard_url: "{address}"\naccess:\n  {access}{WHO}')
    command = [sys.executable, "-m", "drift", "dashboard", str(folder / "drift.yaml")]
    settings = {"DRIFT_DASHBOARD_DATABASE_URL": url, "DRIFT_DASHBOARD_PORT": str(port), "OIDC_SECRET": "not-for-logs"}
    with process(command, f"{address}/_stcore/health", folder / "log", **settings):
        yield address
    assert "Traceback" not in (folder / "log").read_text()
    assert "not-for-logs" not in (folder / "log").read_text()


@pytest.fixture(scope="module")
def signed(seeded_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811
    """A dashboard with a provider that knows anna and bob."""
    folder, provider = tmp_path_factory.mktemp("oidc"), f"http://127.0.0.1:{(port := free_port())}"
    users = [part for user in (ANNA, BOB) for part in ("--user-claims", json.dumps(user))]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *users]
    metadata = f"{provider}/.well-known/openid-configuration"
    access = f'oidc: {{metadata_url: "{metadata}", client_id: drift, client_secret: "${{OIDC_SECRET}}"}}'
    with ExitStack() as running:
        running.enter_context(process(command, metadata, folder / "provider.log"))
        yield running.enter_context(dashboard(folder, seeded_url, free_port(), access))


@pytest.fixture
def tab(browser) -> Iterator[Page]:  # noqa: F811
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def sign_in(tab: Page, name: str) -> None:
    tab.get_by_role("button", name="Sign in", exact=True).click(timeout=PATIENCE)
    tab.get_by_role("button", name=name, exact=True).click(timeout=PATIENCE)


def test_a_link_leads_through_sign_in_to_its_page_and_out_again(tab, signed):
    tab.goto(f"{signed}/stream?stream=docs-search")
    expect(tab.locator(".drift").first).to_contain_text("This dashboard asks who you are.", timeout=PATIENCE)
    expect(tab.get_by_text("docs-search")).to_have_count(0)
    sign_in(tab, "anna")
    expect(tab.locator(".drift .verdict").first).to_have_text("docs-search", timeout=PATIENCE)
    assert "stream=docs-search" in tab.url
    expect(tab.get_by_text("Signed in as anna@example.com, operator")).to_be_visible(timeout=PATIENCE)
    tab.goto(f"{signed}/executive")
    tab.get_by_role("button", name="Sign out").click(timeout=PATIENCE)
    tab.wait_for_url(lambda url: "executive" not in url, timeout=PATIENCE)
    tab.goto(signed)
    expect(tab.locator(".drift").first).to_contain_text("This dashboard asks who you are.", timeout=PATIENCE)


def test_a_viewer_of_one_tenant_sees_its_streams_alone(tab, signed):
    tab.goto(signed)
    sign_in(tab, "bob")
    expect(tab.get_by_text("Signed in as bob@acme.example, viewer, streams of care")).to_be_visible(timeout=PATIENCE)
    expect(tab.locator("tbody tr").first).to_contain_text("support-tickets")
    expect(tab.get_by_text("docs-search")).to_have_count(0)
    expect(tab.get_by_role("link", name="Operations")).to_have_count(0)


def test_who_is_in_no_group_that_may_look_is_told_so(tab, signed):
    tab.goto(signed)
    tab.get_by_role("button", name="Sign in", exact=True).click(timeout=PATIENCE)
    tab.get_by_placeholder("sub").fill("eve@elsewhere.example")
    tab.get_by_role("button", name="Authorize").click()
    expect(tab.locator(".drift").first).to_contain_text("You are eve@elsewhere.example, who may not", timeout=PATIENCE)
    expect(tab.get_by_role("button", name="Sign in as somebody else")).to_be_visible()


class Proxy:
    """A reverse proxy that says who somebody is: it adds headers to the first request of each connection."""

    def __init__(self, source: str, target: int, headers: bytes) -> None:
        self.source, self.target, self.headers = source, target, headers
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.door.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), source_address=(self.source, 0))
            except ConnectionRefusedError:  # the dashboard has stopped, and an open page asks for it again
                client.close()
                continue
            first = client.recv(65_536)
            line, _, rest = first.partition(b"\r\n")
            server.sendall(line + b"\r\n" + self.headers + rest)
            for one, other in ((client, server), (server, client)):
                Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65_536):
            other.sendall(data)
    except OSError:
        pass
    finally:
        for each in (one, other):
            each.close()


def test_a_proxy_that_is_known_says_who_it_is_and_nobody_else_can(tab, seeded_url, tmp_path):  # noqa: F811
    said = b"X-Forwarded-User: anna\r\nX-Forwarded-Groups: sre\r\nX-Forwarded-For: 127.0.0.2\r\n"
    with dashboard(tmp_path, seeded_url, (port := free_port()), "proxy: {addresses: [127.0.0.2]}") as address:
        known, forged = Proxy("127.0.0.2", port, said), Proxy("127.0.0.1", port, said)
        tab.goto(f"http://127.0.0.1:{known.port}")
        expect(tab.get_by_text("Signed in as anna, operator")).to_be_visible(timeout=PATIENCE)
        for other in (f"http://127.0.0.1:{forged.port}", address):
            tab.goto(other)
            expect(tab.locator(".drift").first).to_contain_text("for a proxy at 127.0.0.2/32", timeout=PATIENCE)
            expect(tab.get_by_text("docs-search")).to_have_count(0)
