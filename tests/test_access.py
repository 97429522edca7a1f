"""Who may do what: people by group and name, programs by token; and that nothing is served to strangers unasked."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import START, make_monitor
from starlette.testclient import TestClient
from test_api import service_of
from test_config import LEAST, written  # noqa: F401
from typer.testing import CliRunner

from drift.alert import Alert, AlertKind, AlertState
from drift.api.access import allowed
from drift.api.app import create_app
from drift.cli import app
from drift.config import AccessConfig, OidcConfig, Settings, load
from drift.errors import ConfigError
from drift.records import Role, Visitor, tenant_of
from drift.scheduler import Scheduler
from drift.store import writes
from drift.wiring.strangers import access, require_sign_in, require_tokens

OIDC = (
    "oidc: {metadata_url: https://login.example/.well-known/openid-configuration, client_id: drift, client_secret: s}"
)
TOKENS = {"sender": "sender-sender-sender", "viewer": "viewer-viewer-viewer", "operator": "operator-operator-op"}
ACCESS = AccessConfig.model_validate(
    {"tokens": [{"name": f"the-{role}", "role": role, "token": token} for role, token in TOKENS.items()]}
)
S, V, O = Role.SENDER, Role.VIEWER, Role.OPERATOR  # noqa: E741
PEOPLE = AccessConfig(
    oidc=OidcConfig(metadata_url="https://login.example", client_id="drift", client_secret="s"),
    viewers=("*@example.com", "staff"),
    operators=("sre", "anna@example.com"),
    tenants={"sre": ("*",), "acme-people": ("acme", "acme-*"), "bob@example.com": ("globex",)},
)


@pytest.mark.parametrize(
    ("name", "groups", "role", "tenants"),
    [
        ("anna@example.com", (), O, ()),
        ("carl@elsewhere.net", ("sre",), O, ("*",)),
        ("bob@example.com", ("acme-people",), V, ("acme", "acme-*", "globex")),
        ("dora@elsewhere.net", ("staff",), V, ()),
    ],
)
def test_groups_and_names_say_what_somebody_may_do_and_whose_streams_that_one_sees(name, groups, role, tenants):
    assert PEOPLE.visitor(name, groups) == Visitor(name, role, tenants)


def test_who_is_named_nowhere_may_see_nothing():
    assert PEOPLE.visitor("eve@elsewhere.net", ("others",)) is None


def test_without_tenants_all_streams_are_seen_by_all():
    everybody = PEOPLE.model_copy(update={"tenants": {}})
    assert everybody.visitor("bob@example.com", ()).sees_all


@pytest.mark.parametrize(
    ("tenants", "seen"),
    [(("*",), {"", "acme", "globex"}), (("acme", "x-*"), {"acme"}), (("a*",), {"acme"}), ((), set())],
)
def test_streams_of_no_tenant_are_seen_by_those_alone_who_see_all(tenants, seen):
    who = Visitor("bob", Role.VIEWER, tenants)
    assert {tenant for tenant in ("", "acme", "globex") if who.sees(tenant)} == seen


@pytest.mark.parametrize(
    ("key", "tenant"),
    [("search/tenant=acme", "acme"), ("search/tenant=a/b=c", "a/b=c"), ("search", ""), ("search/lang=de", "")],
)
def test_a_segment_is_of_the_tenant_that_it_names(key, tenant):
    assert (tenant_of(key), tenant_of(key, "all")) == (tenant, tenant or "all")


def test_the_file_says_who_may_do_what(written):  # noqa: F811
    config = written(
        LEAST.replace("  - id: search\n", "  - id: search\n    tenant: acme\n")
        + f"access:\n  {OIDC}\n  operators: [sre]\n  tokens: [{{name: ci, token: {'t' * 20}, role: operator}}]\n"
    )
    assert config.streams[0].tenant == "acme"
    assert config.access.bearer("t" * 20) == Visitor("ci", Role.OPERATOR)
    assert config.access.bearer("t" * 19) is None
    assert "t" * 20 not in repr(config)


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ("operators: [sre]", "`operators` says who people are that nobody asks: add `oidc` or `proxy`"),
        (f"{OIDC}\n  proxy: {{addresses: [10.0.0.7]}}", "people sign in one way"),
        ("proxy: {addresses: []}", "access.proxy.addresses"),
        ("tokens: [{name: ci, token: short-secret}]", "at least 20"),
        (f"tokens: [{{name: a, token: {'t' * 20}}}, {{name: a, token: {'u' * 20}}}]", "name 'a' is used twice"),
        (
            f"tokens: [{{name: a, token: {'t' * 20}}}, {{name: b, token: {'t' * 20}}}]",
            "'a' and 'b' have the same token",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_no_secret_repeated(written, access, words):  # noqa: F811
    with pytest.raises(ConfigError) as refused:
        written(f"{LEAST}access:\n  {access}\n")
    assert words in str(refused.value)
    assert "short-secret" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_on_loopback_nobody_has_to_sign_in(written, host):  # noqa: F811
    config = written(LEAST)
    require_sign_in(config, Settings(host=host))
    require_tokens(config, Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "drift.example"])
def test_elsewhere_it_is_refused_until_somebody_asks_or_it_is_said_to_be_open(written, host):  # noqa: F811
    config, settings = written(LEAST), Settings(host=host)
    for require, remedy in ((require_sign_in, "access.oidc"), (require_tokens, "access.tokens")):
        with pytest.raises(ConfigError, match=remedy) as refused:
            require(config, settings)
        assert f"DRIFT_HOST={host}" in str(refused.value)
        assert "DRIFT_OPEN=true" in str(refused.value)
        require(config, Settings(host=host, open=True))
    asked = written(f"{LEAST}access:\n  {OIDC}\n  tokens: [{{name: ci, token: {'t' * 20}}}]\n")
    require_sign_in(asked, settings)
    require_tokens(asked, settings)


def test_check_says_how_people_and_programs_are_known_and_what_the_provider_lacks(written):  # noqa: F811
    assert access(written(LEAST), Settings()) == (
        "people sign in: nobody has to, on 127.0.0.1 alone; who may use the API: anybody"
    )
    tokens = f"  tokens: [{{name: ci, token: {'t' * 20}, role: operator}}]\n"
    known = access(written(f"{LEAST}access:\n  proxy: {{addresses: [10.0.0.7]}}\n{tokens}"), Settings(host="0.0.0.0"))
    assert known == "people sign in: by a proxy at 10.0.0.7/32; who may use the API: ci (operator)"
    with pytest.raises(ConfigError, match="does not answer as a provider"):
        access(
            written(f"{LEAST}access:\n  {OIDC.replace('https://login.example', 'http://127.0.0.1:1')}\n"), Settings()
        )


@pytest.mark.parametrize("command", ["run", "dashboard"])
def test_a_command_that_would_serve_strangers_ends_before_it_begins(tmp_path: Path, monkeypatch, command):
    (tmp_path / "drift.yaml").write_text(LEAST)
    monkeypatch.setenv("DRIFT_HOST", "0.0.0.0")
    monkeypatch.setenv("DRIFT_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, [command, str(tmp_path / "drift.yaml")])
    assert done.exit_code == 1
    assert "DRIFT_HOST=0.0.0.0 lets others reach the" in done.output
    assert not (tmp_path / "home").exists()


@pytest.fixture
def client(engine):
    service = replace(service_of(engine, make_monitor(engine)), bearer=ACCESS.bearer)
    with TestClient(create_app(service, Scheduler(service))) as client:
        yield client


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


READ = (
    *("alerts", "attributions", "canaries", "diagnoses", "gates", "gates/{id}", "maintenance", "measurements"),
    *("retrains", "status", "streams", "windows/ids"),
)
NEEDED = {
    ("GET", "/healthz"): set(),
    ("GET", "/readyz"): set(),
    ("GET", "/runbook"): set(),
    ("GET", "/runbook/{alert}"): set(),
    ("POST", "/v1/mlflow"): set(),  # signed
    ("GET", "/metrics"): {V, O},
    **{("GET", f"/v1/{what}"): {V, O} for what in READ},
    ("POST", "/v1/streams/{stream}/embeddings"): {S, O},
    ("POST", "/v1/retrains/{id_}/status"): {S, O},
    ("POST", "/v1/streams/{stream}/measure"): {O},
    ("POST", "/v1/streams/{stream}/diagnose"): {O},
    ("POST", "/v1/retrains/{id_}/approve"): {O},
    ("POST", "/v1/retrains/{id_}/reject"): {O},
    ("POST", "/v1/maintenance"): {O},
    ("DELETE", "/v1/maintenance/{id}"): {O},
    ("POST", "/v1/alerts/{id}/acknowledge"): {O},
    ("DELETE", "/v1/alerts/{id}/acknowledge"): {O},
    ("POST", "/v1/alerts/{id}/false"): {O},
    ("DELETE", "/v1/alerts/{id}/false"): {O},
}


def test_every_path_of_the_api_needs_the_role_that_was_meant_for_it(client):
    paths = client.get("/openapi.json").json()["paths"]
    there = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert there == set(NEEDED)  # whoever adds one says here who may send it
    for (method, path), roles in NEEDED.items():
        assert allowed(method, path) == roles


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer nobody"}, {"Authorization": f"Basic {TOKENS['operator']}"}]
)
def test_without_a_token_that_is_known_nothing_is_read_and_nothing_done(client, header):
    for method, path in (
        ("GET", "/v1/streams"),
        ("GET", "/metrics"),
        ("POST", "/v1/alerts/x/false"),
        ("GET", "/nowhere"),
    ):
        answer = client.request(method, path, headers=header)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "access.tokens" in answer.json()["detail"]
    assert client.get("/healthz").status_code == 200
    assert client.get("/runbook").status_code == 200
    assert client.get("/docs").status_code == 200


def test_a_role_may_do_what_is_its_own_and_is_told_what_it_lacks(client):
    assert client.get("/v1/streams", headers=bearer("viewer")).status_code == 200
    assert client.get("/metrics", headers=bearer("viewer")).status_code == 200
    refused = client.post("/v1/maintenance", headers=bearer("viewer"), json={})
    assert refused.status_code == 403
    assert refused.json()["detail"] == "POST /v1/maintenance needs the role operator, the token 'the-viewer' has viewer"
    assert client.get("/v1/streams", headers=bearer("sender")).status_code == 403
    assert client.post("/v1/streams/search/embeddings", headers=bearer("sender"), content=b"").status_code == 415
    assert client.get("/v1/streams", headers=bearer("operator")).status_code == 200


def firing(engine) -> Alert:
    alert = Alert("search", "spread", AlertKind.PAGE, AlertState.FIRING, START, fired_at=START)
    with engine.begin() as conn:
        writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)
    return alert


def test_who_did_something_is_whose_token_it_was(engine, client):
    path = f"/v1/alerts/{firing(engine).id}"
    done = client.post(f"{path}/acknowledge", headers=bearer("operator"), json={"by": "anna", "note": "on it"}).json()
    assert (done["acknowledged_by"], done["acknowledged_note"]) == ("anna (token the-operator)", "on it")
    assert client.post(f"{path}/false", headers=bearer("operator")).json()["false_by"] == "the-operator"


def test_a_file_that_names_a_token_by_the_environment_is_checked_with_it(tmp_path):
    (tmp_path / "drift.yaml").write_text(f"{LEAST}access:\n  tokens: [{{name: ci, token: '${{CI_TOKEN}}'}}]\n")
    assert load(tmp_path / "drift.yaml", {"CI_TOKEN": "c" * 24}).access.bearer("c" * 24).name == "ci"
    with pytest.raises(ConfigError, match="CI_TOKEN is not set"):
        load(tmp_path / "drift.yaml", {})
