"""A fleet's false pages: divided over its objectives, and counted beside those that on-call marked."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from fakes import LENGTH, START, make_monitor, register
from typer.testing import CliRunner

from drift.alert import Alert, AlertKind, AlertState
from drift.cli import app
from drift.config import load, read_settings
from drift.errors import ConfigError
from drift.slo import Quantity, Sli, Slo
from drift.slo.false_alarms import false_alarms
from drift.slo.fleet_budget import Share, divide, rounded_up
from drift.store import false_alerts, writes
from drift.store.false_alerts import Mark
from drift.wiring.check import _false_pages
from drift.wiring.false_pages import expectation

CONFIG = """\
streams:
  - {{id: quick, model: m, dim: 8, reference: {{path: g.parquet}}, segments: {{lang: [de, fr]}}}}
  - {{id: slow, model: m, dim: 8, reference: {{path: g.parquet}}, window: 1h}}
{more}
"""


def judged(interval: int, alpha: str = "0.005", name: str = "s") -> Slo:
    sli = Sli("joint", Quantity.P_VALUE, float(alpha))
    return Slo(name, "search", sli, Fraction("0.95"), timedelta(minutes=interval), alpha=Fraction(alpha))


def declared(tmp_path, more: str = ""):
    file = tmp_path / "drift.yaml"
    file.write_text(CONFIG.format(more=more))
    return load(file)


def alphas(config) -> dict[tuple[str, str], float]:
    return {
        (slo.stream, slo.name): float(slo.alpha)
        for stream in config.streams
        for part in stream.streams
        for slo in config.slos_of(stream, part)
        if slo.alpha
    }


@pytest.mark.parametrize("pages", [10.0, 1.0, 0.3, 0.1, 0.05])
def test_together_they_raise_no_more_than_was_allowed(pages):
    fleet = [
        Share(judged(minutes, name=f"{i}-{minutes}"), Fraction("0.0001")) for minutes in (5, 60, 720) for i in range(40)
    ]
    found = divide(fleet, pages)
    sum_of_all = sum(false_alarms(slo.at_alpha(alpha), float(alpha)).pages for slo, alpha in found.alphas.items())
    assert found.pages == pytest.approx(sum_of_all)
    assert found.pages <= pages


def test_what_hardly_pages_by_chance_keeps_its_bound():
    fleet = [Share(judged(5), Fraction("0.0001")), Share(judged(60), Fraction("0.0001"))]
    alone = false_alarms(judged(60), 0.005).pages
    found = divide(fleet, alone / 3)
    assert found.alphas[judged(5)] == Fraction("0.005")
    assert found.alphas[judged(60)] < Fraction("0.005")


def test_an_alpha_that_cannot_be_lowered_is_left_to_the_others():
    fixed = judged(60, name="fixed")
    pages = false_alarms(fixed, 0.005).pages
    found = divide([Share(fixed), Share(judged(60, name="free"), Fraction("0.0001"))], 1.2 * pages)
    assert found.alphas[fixed] == Fraction("0.005")
    assert pages < found.pages <= 1.2 * pages


def test_the_least_that_can_be_promised_is_a_number_that_works(tmp_path):
    with pytest.raises(ConfigError, match=r"drift.yaml:4: .* allow at least") as refused:
        declared(tmp_path, "false_pages_per_year: 0.00001")
    least = str(refused.value).partition("allow at least ")[2].partition(",")[0]
    config = declared(tmp_path, f"false_pages_per_year: {least}")
    assert expectation(config, {}, {}).total.pages <= float(least)


def test_all_streams_segments_and_objectives_share_it(tmp_path):
    free, bound = declared(tmp_path), declared(tmp_path, "false_pages_per_year: 0.1")
    assert expectation(free, {}, {}).total.pages > 0.1 >= expectation(bound, {}, {}).total.pages
    before, after = alphas(free), alphas(bound)
    assert before.keys() == after.keys()
    assert all(after[key] <= before[key] for key in before)
    assert after["slow", "slow-drift-x36"] < before["slow", "slow-drift-x36"]
    (slo,) = [s for s in bound.slos_of(bound.streams[1], bound.streams[1].stream) if s.name == "slow-drift-x36"]
    assert slo.sli.at_least == float(slo.alpha)


def test_a_generous_allowance_changes_nothing(tmp_path):
    assert alphas(declared(tmp_path, "false_pages_per_year: 100")) == alphas(declared(tmp_path))


def test_a_number_is_rounded_up_to_two_digits():
    assert [rounded_up(value) for value in (0.0, 0.0371, 12.01, 0.5)] == [0.0, pytest.approx(0.038), 13, 0.5]


def page(
    slo: str = "traffic", kind: AlertKind = AlertKind.PAGE, minutes: int = 0, stream: str = "search/lang=de"
) -> Alert:
    at = START + timedelta(minutes=minutes)
    return Alert(stream, slo, kind, AlertState.FIRING, at, at)


def save(engine, *alerts: Alert, muted: bool = False) -> None:
    with engine.begin() as conn:
        for alert in alerts:
            writes.save_alert(conn, alert, labels={}, annotations={}, muted=muted)


def counted(engine) -> false_alerts.Realised:
    with engine.connect() as conn:
        return false_alerts.realised(conn, ["search"], since=START)


def test_a_mark_outlasts_what_becomes_of_the_alert_and_can_be_taken_back(engine):
    alert = page()
    save(engine, alert, page("other"), page(kind=AlertKind.TICKET), page(stream="elsewhere"), page("old", minutes=-5))
    save(engine, page("replayed"), muted=True)
    assert counted(engine) == false_alerts.Realised(2, 0)
    with engine.begin() as conn:
        marked = false_alerts.mark(conn, alert.id, Mark("anna", START))
        again = false_alerts.mark(conn, alert.id, Mark("ben", START + LENGTH))
        assert false_alerts.mark(conn, "0" * 16, Mark("anna", START)) is None
    assert (marked.alert, marked.false_by, again.false_by) == (alert, "anna", "anna")
    save(engine, replace(alert, state=AlertState.RESOLVED, resolved_at=START + LENGTH))
    assert counted(engine) == false_alerts.Realised(2, 1)
    with engine.begin() as conn:
        assert false_alerts.mark(conn, alert.id, None).false_by is None
    assert counted(engine) == false_alerts.Realised(2, 0)


def test_on_call_marks_by_the_id_that_the_list_shows(engine, postgres_url, monkeypatch):
    register(engine, make_monitor(engine))
    save(engine, page())
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    shown = CliRunner().invoke(app, ["alert", "list"]).stdout
    assert page().id in shown
    done = CliRunner().invoke(app, ["alert", "mark-false", page().id])
    assert (done.exit_code, "page of search/lang=de/traffic" in done.stdout) == (0, True)
    assert counted(engine).false == 1
    assert CliRunner().invoke(app, ["alert", "mark-false", page().id, "--undo"]).exit_code == 0
    assert counted(engine).false == 0
    wrong = CliRunner().invoke(app, ["alert", "mark-false", "nobody"])
    assert (wrong.exit_code, "`drift alert list` shows" in wrong.stderr) == (1, True)


def test_check_says_what_was_expected_beside_what_came(engine, postgres_url, monkeypatch, tmp_path):
    config = declared(tmp_path, "false_pages_per_year: 4")
    now = START + timedelta(days=1)
    monkeypatch.setattr("drift.wiring.check.clock", lambda: now)
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    save(engine, page(stream="quick/lang=de"), page("novelty", stream="slow"))
    with engine.begin() as conn:
        false_alerts.mark(conn, page("novelty", stream="slow").id, Mark("anna", now))
    said = _false_pages(config, read_settings())
    assert "allowed are 4; 1 of 2 pages of the last year are marked false" in said
