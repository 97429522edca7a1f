"""Values of the configuration file that would mean something else than they seem: refused, with what works."""

import pytest

from drift.config import Config, load
from drift.errors import ConfigError

STREAM = "streams:\n  - {id: search, model: m, dim: 8, reference: {path: g.parquet}%s}\n"


@pytest.fixture
def written(tmp_path):
    def write(more: str = "", of_stream: str = "", **environment: str) -> Config:
        (tmp_path / "drift.yaml").write_text(STREAM % of_stream + more)
        return load(tmp_path / "drift.yaml", environment)

    return write


def objective(said: str) -> str:
    return f"slos:\n  - {{name: traffic, {said}}}\n"


def refusal(written, *words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        written(*words)
    (line,) = str(caught.value).splitlines()
    return line.split("drift.yaml:", 1)[1]


def test_a_bound_makes_as_many_windows_bad_as_it_says(written):
    said = "detector: joint, p_value_at_least: 0.05, alpha: 0.001"
    found = refusal(written, objective(said))
    assert found.startswith("4: slos.0: ")
    assert "leave `alpha` out, or lower `p_value_at_least` to 0.001" in found
    assert "alpha 0.05 would spend 100% of the budget" in refusal(written, objective(said.partition(", alpha")[0]))
    assert "slos.0: " in refusal(written, objective(said + ", effect_at_least: 0"))


@pytest.mark.parametrize("more", ["alpha: 0.005", "alpha: 0.006", "alpha: 0.001, effect_at_least: 0.02"])
def test_an_alpha_is_at_least_the_bound_unless_a_least_effect_lets_more_pass(written, more):
    written(objective(f"detector: joint, p_value_at_least: 0.005, {more}"))


LINKS = ("::x", "ftp://a", "javascript:alert(1)", "http://", "https://:9093", "http://am:x", "http://am host", "//am")


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(
    "place", ["external_url: %s", "dashboard_url: %s", "receivers: {alertmanagers: [{url: %s}]}", "runbook_url"]
)
def test_a_link_has_http_and_a_host(written, place, link):
    words = ("", f', runbook_url: "{link}"') if place == "runbook_url" else (place % f'"{link}"' + "\n",)
    assert f"{link!r} is not an address: write http://host:port" in refusal(written, *words)


def test_a_runbook_may_name_the_alert_and_links_lose_their_last_slash(written):
    config = written(
        'external_url: "https://[::1]:8600/drift/"\n', ', runbook_url: "https://wiki/{alert}/"', DRIFT_PORT="19600"
    )
    assert config.external_url == "https://[::1]:8600/drift"
    assert config.streams[0].runbook_url == "https://wiki/{alert}/"


@pytest.mark.parametrize("again", ["http://am:9093/", "http://joe:word@AM:9093"])
def test_an_alertmanager_that_is_named_twice_is_refused_by_name(written, again):
    found = refusal(written, f'receivers: {{alertmanagers: [{{url: "http://am:9093"}}, {{url: "{again}"}}]}}\n')
    assert "9093 is there twice: name each Alertmanager once" in found
    assert "word" not in found


def test_links_that_the_file_does_not_give_lead_to_the_ports_that_are_served(written):
    own = written("", "", DRIFT_PORT="19600", DRIFT_DASHBOARD_PORT="19601")
    assert (own.runbook_url, own.dashboard_url) == (
        "http://127.0.0.1:19600/runbook/{alert}",
        "http://127.0.0.1:19601",
    )
    usual = written("dashboard_url: http://d\n", "", DRIFT_DASHBOARD_PORT="19601")
    assert (usual.external_url, usual.dashboard_url) == ("http://127.0.0.1:8600", "http://d")


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("[]", "leave `rules` out"),
        ("[{name: r, severity: page, factor: 2, long: 1h, short: 10m}]", "write 3, or let it be a ticket"),
        (
            "[{name: r, severity: page, factor: 6, long: 1h, short: 10m, horizon: 1s}]",
            "a horizon of 1s: it needs that of a slot at least, 5m",
        ),
    ],
)
def test_rules_that_tell_nobody_or_less_than_they_say_are_refused(written, rules, says):
    assert says in refusal(written, objective(f"detector: joint, p_value_at_least: 0.005, rules: {rules}"))


def test_rules_at_the_edge_of_what_works_are_taken(written):
    page = "{name: r, severity: page, factor: 3, long: 1h, short: 10m, horizon: 5m}"
    ticket = "{name: t, severity: ticket, factor: 0.5, long: 1h, short: 10m}"
    written(objective(f"detector: joint, p_value_at_least: 0.005, rules: [{page}, {ticket}]"))


@pytest.mark.parametrize(("resend", "taken"), [("999ms", False), ("1s", True), ("15m", True), ("1d", False)])
def test_alerts_are_sent_again_each_second_to_quarter_of_an_hour(written, resend, taken):
    said = f"receivers: {{resend: {resend}}}\n"
    if taken:
        written(said)
    else:
        assert f"{resend} must be 1s to 15m" in refusal(written, said)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)), "100,000 values"),
        ("a: " + "[" * 2000 + "]" * 2000, "nested too deeply"),
    ],
)
def test_a_small_file_does_not_stand_for_more_than_can_be_read(tmp_path, text, says):
    (tmp_path / "drift.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "drift.yaml", {})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(tmp_path / "drift.yaml:1: "))
    assert says in line


@pytest.mark.parametrize("length", ["9" * 20 + "d", "9" * 5000 + "s"])
def test_a_duration_longer_than_time_is_an_error_and_not_a_traceback(written, length):
    assert "too long for a duration" in refusal(written, f"retention: {{history: {length}}}\n")
