"""Who the dashboard takes somebody for, and what it then shows: pages as Streamlit runs them, on a real database."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
import seed
from streamlit.runtime.context import ContextProxy
from test_dashboard import config_file, html, page, rows, seeded_url, text  # noqa: F401
from test_dashboard_incident import commands, episode, found, link, reader  # noqa: F401
from test_dashboard_pages import VIEWS, said

from dashboard import data, door, incident, looks
from dashboard.answers import Registered
from dashboard.door import HiddenError, SignInError, by_claims, by_headers
from drift.config import OidcConfig, ProxyConfig
from drift.records import Stream
from drift.slo import Sli, Slo
from drift.store import incidents
from drift.store.reads import StreamRow

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
OIDC = OidcConfig(metadata_url="https://login.example", client_id="drift", client_secret="s")
PROXY = ProxyConfig(addresses=["10.0.0.0/24", "127.0.0.1"])
CLAIMS = {"is_logged_in": True, "iat": NOW.timestamp() - 60, "email": "anna@example.com", "groups": ["sre", "ml"]}
ACCESS = """
access:
  proxy: {addresses: [127.0.0.1]}
  operators: [sre]
  tenants: {sre: ["*"], care-people: [care]}
"""
CARE, DOCS = "support-tickets", "docs-search"


def test_a_token_says_the_name_and_the_groups():
    assert by_claims(CLAIMS, OIDC, NOW) == ("anna@example.com", ("sre", "ml"))
    assert by_claims(CLAIMS | {"email_verified": "true"}, OIDC, NOW) == by_claims(CLAIMS, OIDC, NOW)
    assert by_claims(CLAIMS | {"groups": "sre ml"}, OIDC, NOW)[1] == ("sre", "ml")
    assert by_claims({name: CLAIMS[name] for name in CLAIMS if name != "groups"}, OIDC, NOW)[1] == ()


@pytest.mark.parametrize(
    ("changes", "words", "helps"),
    [
        ({"is_logged_in": False}, "asks who you are", True),
        ({"iat": NOW.timestamp() - 86_401}, "some time ago", True),
        ({"iat": None}, "some time ago", True),
        ({"email": None}, "no claim 'email'", False),
        ({"email_verified": False}, "has not verified", False),
        ({"email_verified": "false"}, "has not verified", False),
        ({"email_verified": None}, "has not verified", False),
    ],
)
def test_a_token_that_does_not_say_who_it_is_lets_nobody_in(changes, words, helps):
    with pytest.raises(SignInError, match=words) as refused:
        by_claims(CLAIMS | changes, OIDC, NOW)
    assert refused.value.can_sign_in is helps


def headers(**found: list[str]):
    return lambda name: found.get(name.replace("X-Forwarded-", "").lower(), [])


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1"])
def test_a_proxy_that_is_known_says_the_name_and_the_groups(address):
    found = by_headers(headers(user=["anna"], groups=["sre, ml", "staff"]), PROXY, [address])
    assert found == ("anna", ("sre", "ml", "staff"))


@pytest.mark.parametrize(
    ("address", "found", "words"),
    [
        ("10.0.1.7", {"user": ["anna"]}, "you come from 10.0.1.7"),
        ("10.0.0.7", {}, "X-Forwarded-User .* is missing"),
        ("10.0.0.7", {"user": [" "]}, "is empty"),
        ("10.0.0.7", {"user": ["eve", "anna"]}, "is there twice"),
    ],
)
def test_headers_of_others_or_of_more_than_one_are_not_believed(address, found, words):
    with pytest.raises(SignInError, match=words):
        by_headers(headers(**found), PROXY, [address])


@pytest.fixture
def scoped(tmp_path, monkeypatch, page):  # noqa: F811
    """Opens pages for somebody in a group; the stream of support tickets is the tenant care's."""
    path = tmp_path / "drift.yaml"
    path.write_text(
        seed.CONFIG.replace("    team: care\n", "    team: care\n    tenant: care\n    show_inputs: true\n") + ACCESS
    )
    monkeypatch.setattr("sys.argv", ["app.py", "--config", str(path)])

    def shown(group: str, *arguments: str, **query: str):
        monkeypatch.setattr(door, "by_headers", lambda *_: ("bob", (group,)))
        return page(*arguments, **query)

    shown.path = path
    return shown


@pytest.mark.parametrize("view", sorted(set(VIEWS) - {"operations", "gate"}))
def test_who_sees_one_tenant_finds_no_other_stream_on_any_page(scoped, seeded_url, reader, view):  # noqa: F811
    others = (DOCS, "products", "legal")
    asked = link(episode(reader, DOCS)) if view == "incident" else {"stream": DOCS} if view == "stream" else {}
    app = scoped("care-people", seeded_url, view, **asked)
    shown = html(app) + said(app).replace(f"`{DOCS}`", "") + str([box.options for box in app.selectbox])
    assert not [name for name in others if name in shown]
    if view == "incident":
        assert f"`{DOCS}` is not among the streams that bob may see" in said(app)
    elif view == "stream":
        assert f"No stream is called `{DOCS}`" in said(app)
    else:
        assert CARE in shown
    assert "Operations" not in str(app.main)


@pytest.mark.parametrize("view", ["operations", "gate"])
def test_a_page_about_all_streams_is_not_there_for_who_sees_one_tenant(scoped, seeded_url, view):  # noqa: F811
    assert scoped("sre", seeded_url, view)
    with pytest.raises(ValueError, match=f"views/{view}.py"):
        scoped("care-people", seeded_url, view)


def test_what_is_about_all_streams_is_not_for_who_sees_one_tenant(scoped, seeded_url, monkeypatch):  # noqa: F811
    scoped("care-people", seeded_url)
    with pytest.raises(HiddenError, match="bob may see those of some tenants only"):
        data.asked("count", lambda conn: 7)
    with pytest.raises(HiddenError, match="is not among the streams"):
        data.asked("count", lambda conn: 7, of="products/lang=de")
    assert data.asked("count", lambda conn: 7, of=CARE).value == 7
    monkeypatch.setattr(door, "by_headers", lambda *_: ("anna", ("sre",)))
    assert data.asked("count", lambda conn: 7).value == 7


@pytest.mark.parametrize("view", ["fleet", "stream", "incidents", "projection"])
def test_where_the_database_is_that_does_not_answer_is_for_operators_to_know(scoped, view):
    url = "postgresql://me:secret@127.0.0.1:1/nowhere"
    assert "me:***@127.0.0.1:1/nowhere does not answer" in said(scoped("sre", url, view))
    shown = said(scoped("care-people", url, view))
    assert "The database does not answer" in shown
    assert "127.0.0.1" not in shown


@pytest.mark.parametrize("view", ["fleet", "stream"])
def test_who_sees_one_tenant_sees_what_was_measured_of_its_streams(scoped, seeded_url, view):  # noqa: F811
    def measured(group: str) -> list[str]:
        found = [row.partition(" d ago")[0] for row in rows(scoped(group, seeded_url, view)) if CARE in row]
        return [re.sub(r"\d+ (s|min) ago", "", row) for row in found]

    assert measured("care-people") == measured("sre")
    assert any("never measured" not in row for row in measured("care-people"))


def test_what_cannot_be_told_by_tenant_is_left_out_and_not_said_to_be_nothing(scoped, seeded_url):  # noqa: F811
    for view, said_of_all in (("fleet", "undelivered"), ("executive", "What encoding costs")):
        assert said_of_all in text(scoped("sre", seeded_url, view))
        assert said_of_all not in text(scoped("care-people", seeded_url, view))


def test_alerts_of_other_tenants_crowd_none_out(scoped, seeded_url, monkeypatch):  # noqa: F811
    scoped("care-people", seeded_url)
    monkeypatch.setattr(data, "EPISODES", 1)
    found = data.incidents(None).value
    assert [row.alert.stream for row in found.alerts] == [CARE]
    assert {row.stream for row in found.messages} == {CARE}


def test_segments_of_other_tenants_crowd_none_out():
    known = [StreamRow(Stream("search", "m", "1", 2).part(f"tenant=t{i:02}"), "", NOW) for i in range(40)]
    (mine,) = Registered(NOW, tuple(known)).only(lambda key: key.endswith("t39")).streams
    slo = Slo("rank", "search/tenant=t39", Sli("effective_rank"), Fraction(1, 2), timedelta(hours=1))
    assert looks.segments(slo, [mine], {}) == (slo,)
    assert len(looks.segments(slo, known, {})) == looks.SEGMENTS + 1


def test_alerts_of_other_tenants_at_the_same_time_are_left_out_of_an_incident(reader, config_file):  # noqa: F811
    past = found(reader, config_file, CARE)
    known = incident.Found(past.at, past)
    assert {row.alert.stream for row in known.only(lambda key: key == CARE).incident.others} == {CARE}
    assert known.only(lambda key: False).incident.others == ()


def test_other_alerts_are_read_for_each_visitor_anew(scoped, seeded_url, reader, monkeypatch):  # noqa: F811
    found, ask, related = [], data.asked, incidents.related

    def asked(key, read, **more):
        found.append(key)
        return ask(key, read, **more)

    def noted(*arguments, among):
        found.append(among)
        return related(*arguments, among=among)

    monkeypatch.setattr(data, "asked", asked)
    monkeypatch.setattr(incidents, "related", noted)
    for group, among in (("sre", None), ("care-people", (CARE,))):
        found.clear()
        scoped(group, seeded_url, "incident", **link(episode(reader, CARE)))
        assert among in found
        # What was read for one visitor must not answer another.
        assert all(among in key for key in found if key and key[0] == "incident")


def test_viewers_get_no_commands_that_change_things_and_no_inputs(scoped, seeded_url, reader):  # noqa: F811
    query = link(episode(reader, CARE))
    viewer = scoped("care-people", seeded_url, "incident", **query)
    assert [command.split()[1] for command in commands(viewer)] == ["diagnose", "reference"]
    assert not any("--config" in command for command in commands(viewer))
    assert data.config()[0].stream(CARE).show_inputs is False
    operator = scoped("sre", seeded_url, "incident", **query)
    assert f"drift alert mark-false {episode(reader, CARE).alert.id}" in commands(operator)
    assert any("--config" in command for command in commands(operator))
    assert data.config()[0].stream(CARE).show_inputs is True


def test_viewers_are_not_told_how_to_end_maintenance(scoped, seeded_url):  # noqa: F811
    shown = [text(scoped(group, seeded_url, "stream", stream=CARE)) for group in ("care-people", "sre")]
    assert all("Maintenance: suppressed by m-seeded" in one for one in shown)
    assert ["drift maintenance cancel" in one for one in shown] == [False, True]


@pytest.mark.parametrize("arguments", [[], ["--config"]])
def test_where_nobody_is_asked_strangers_see_nothing(page, seeded_url, config_file, monkeypatch, arguments):  # noqa: F811
    monkeypatch.setattr("sys.argv", ["app.py", *arguments, *([str(config_file)] if arguments else [])])
    assert DOCS in html(page(seeded_url))
    monkeypatch.setattr(ContextProxy, "ip_address", "10.0.0.9")
    shown = page(seeded_url)
    assert DOCS not in html(shown)
    assert "asks nobody who they are" in text(shown)
    monkeypatch.setenv("DRIFT_OPEN", "true")
    assert DOCS in html(page(seeded_url))


def test_who_is_signed_in_is_said_below_the_page(scoped, seeded_url):  # noqa: F811
    assert "Signed in as bob, viewer, streams of care" in text(scoped("care-people", seeded_url))
    assert "Signed in as bob, operator" in text(scoped("sre", seeded_url))
    assert "bob, viewer, streams of no tenant" in text(scoped("others", seeded_url))


def test_a_configuration_that_breaks_lets_nobody_in_who_was_not_before(scoped, seeded_url):  # noqa: F811
    assert DOCS not in html(scoped("care-people", seeded_url))
    scoped.path.write_text("streams: [")
    app = scoped("care-people", seeded_url)
    assert CARE not in html(app)  # whose it is, is not known any more
    assert DOCS not in html(app)


def test_a_configuration_that_was_never_right_lets_nobody_in(page, seeded_url, tmp_path: Path, monkeypatch):  # noqa: F811
    (tmp_path / "drift.yaml").write_text("streams: [")
    monkeypatch.setattr("sys.argv", ["app.py", "--config", str(tmp_path / "drift.yaml")])
    app = page(seeded_url)
    assert "Nobody can be let in while the configuration cannot be read" in text(app)
    assert DOCS not in html(app)
    with pytest.raises(SignInError):
        data.fleet()
