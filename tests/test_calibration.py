"""Does a test keep its level? Healthy windows counted on a real Postgres, and told on every face of the service."""

import json
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, make_monitor, register
from scipy.stats import binom, binomtest
from starlette.testclient import TestClient
from test_api import service_of

from dashboard import calibration as page
from drift.api.app import create_app
from drift.pipeline.count import count
from drift.pipeline.monitor import Findings
from drift.records import Measurement, Span
from drift.scheduler import Scheduler
from drift.slo import Calibration, Ledger, Outcome, Quantity, Sli, Slo, Slot, budget, look_backs
from drift.slo.calibration import MOST
from drift.store import objectives, tables
from drift.store.fleet import Standing, standings
from drift.wiring import status

SLO = Slo(
    "spread",
    "search",
    Sli("variance_ratio", Quantity.VALUE, 0.5, 2.0),
    Fraction("0.95"),
    LENGTH,
    alpha=Fraction("0.01"),
)
OTHER = replace(SLO, name="other")


def measured(i: int, bad: bool) -> Measurement:
    span = Span(START + i * LENGTH, START + (i + 1) * LENGTH)
    return Measurement("search", span, "variance_ratio", "r" * 64, 9.0 if bad else 1.0, 100)


def play(engine, pattern: str, *slos: Slo, first: int = 0) -> None:
    """Count good (G) and bad (B) windows for each of `slos`."""
    slos = slos or (SLO,)
    monitor = make_monitor(engine, slos={"search": slos})
    register(engine, monitor)
    with engine.begin() as conn:
        for i, letter in enumerate(pattern, first):
            one = measured(i, letter == "B")
            for slo in slos:
                count(conn, monitor, slo, Findings(monitor.stream, one.span, (one,)))


def found(engine, **of) -> dict[str, Calibration]:
    with engine.connect() as conn:
        kept = objectives.calibrations(conn, now=of.pop("now", START + timedelta(days=1)), **of)
    return {slo: calibration for (_, slo), calibration in kept.items()}


@pytest.mark.parametrize(("windows", "bad"), [(0, 0), (10, 0), (10, 10), (500, 3), (8640, 43)])
def test_the_interval_is_that_of_clopper_and_pearson(windows, bad):
    low, high = Calibration(windows, bad, 0.005).interval
    exact = binomtest(bad, windows).proportion_ci(0.99, "exact") if windows else (0.0, 1.0)
    assert (low, high) == pytest.approx(tuple(exact), abs=1e-12)


@pytest.mark.parametrize("rate", [0.0005, 0.005, 0.05])
def test_a_test_that_keeps_its_level_is_blamed_once_in_two_hundred_at_most(rate):
    counts = np.arange(8641)
    blamed = [bad for bad in counts if Calibration(8640, int(bad), rate).too_many]
    assert binom.pmf(blamed, 8640, rate).sum() <= 0.005
    assert Calibration(8640, int(8640 * 3 * rate), rate).too_many


def test_healthy_windows_are_counted_good_and_bad(engine):
    play(engine, "GGBGGGGGBG")
    assert found(engine) == {"spread": Calibration(10, 2, 0.01)}


def test_windows_of_a_firing_alert_and_those_it_fires_for_are_not_healthy(engine):
    play(engine, "G" * 20 + "B" + "G" * 10 + "B" * 9 + "BGBB")
    kept = found(engine)["spread"]
    look_back = 12  # windows, of the rule `fast`, which fires at the ninth bad one
    assert kept == Calibration(20 + 1 + 10 + 9 - look_back, 1, 0.01)


def test_healthy_again_once_the_alert_is_resolved(engine):
    play(engine, "B" * 9 + "G" * 30)
    assert found(engine)["spread"] == Calibration(28, 0, 0.01)  # it resolves at the end of the second good one


def test_an_alert_of_another_objective_of_the_stream_is_no_health_either(engine):
    blind = replace(OTHER, sli=replace(OTHER.sli, at_most=99.0))
    play(engine, "G" * 12 + "B" * 12, SLO, blind)
    assert found(engine)["other"] == Calibration(24 - 3 - 12, 0, 0.01)


def test_only_what_promises_a_level_is_held_to_it(engine):
    play(engine, "GB", SLO, replace(OTHER, alpha=Fraction(0)))
    assert found(engine).keys() == {"spread"}
    assert found(engine, stream="elsewhere") == {}


def test_what_is_old_is_forgotten(engine):
    play(engine, "BGGG")
    assert found(engine, now=START + timedelta(days=30) + LENGTH)["spread"] == Calibration(3, 0, 0.01)
    assert found(engine, now=START + timedelta(days=31))["spread"].windows == 0


def test_a_month_of_many_windows_is_counted_by_its_newest(engine, monkeypatch):
    monkeypatch.setattr(objectives, "MOST", 3)
    play(engine, "BBGGG")
    assert found(engine)["spread"] == Calibration(3, 0, 0.01)
    assert MOST == 10_000


@pytest.fixture
def strict(engine):
    """An objective whose test alarms ten times as often as it may, and never long enough to fire."""
    play(engine, ("B" + "G" * 24) * 5)
    return engine


def test_the_api_and_the_metrics_tell_it(strict):
    service = replace(
        service_of(strict, make_monitor(strict, slos={"search": (SLO,)})), clock=lambda: START + timedelta(days=1)
    )
    with TestClient(create_app(service, Scheduler(service))) as client:
        (told,) = client.get("/v1/status").json()
        text = client.get("/metrics").text
    kept = told["calibration"]
    assert (kept["windows"], kept["bad"], kept["expected"], kept["too_many"]) == (125, 5, 0.01, False)
    assert kept["low"] < 0.01 < kept["high"]
    names = 'job_id="search",model_id="encoder",slo="spread"'
    assert f"drift_calibration_windows{{{names}}} 125.0" in text
    assert f"drift_calibration_bad_windows{{{names}}} 5.0" in text
    assert f"drift_calibration_expected_ratio{{{names}}} 0.01" in text


def test_the_terminal_tells_it(strict, capsys):
    now = START + timedelta(days=1)

    def known() -> list[Standing]:
        with strict.connect() as conn:
            return standings(conn, now=now, lateness={})

    (row,) = status.as_rows(known())
    assert json.loads(json.dumps(row))["calibration"]["bad"] == 5
    (column,) = [c for c in status.as_table(known(), now=now).columns if c.header == "false alarms"]
    assert list(column.cells) == ["4.00%/1.00%"]
    play(strict, ("B" + "G" * 9) * 5, first=125)
    table = status.as_table(known(), now=now)
    assert "[red]" in next(iter(table.columns[5].cells))
    assert "calibrate: windows" in table.caption


def test_the_page_warns_and_says_what_to_do():
    fine, wrong = Calibration(8640, 43, 0.005), Calibration(8640, 100, 0.005)
    assert "alarms too often" not in page.section(fine)
    assert "0.5" in page.section(fine)
    assert "alarms too often" in page.section(wrong)
    assert "calibrate: windows" in page.section(wrong)
    assert [page.is_loud(found) for found in (fine, None, wrong)] == [False, False, True]
    assert "No healthy window" in page.section(Calibration(0, 0, 0.005))


def test_bad_time_is_added_up_where_it_lies_as_if_slot_by_slot(engine):
    """Also where slots have had another length, and to the last microsecond."""
    rng = np.random.default_rng(0)
    pattern = "".join(rng.choice(["G", "B"], 150, p=[0.9, 0.1]))
    play(engine, pattern)
    odd = Span(START - timedelta(days=2), START - timedelta(days=2) + timedelta(seconds=7, microseconds=1))
    with engine.begin() as conn:
        row = conn.execute(sa.select(tables.slot).limit(1)).mappings().one()
        conn.execute(sa.insert(tables.slot).values({**row, "start": odd.start, "end": odd.end, "outcome": "bad"}))
    bad = [Slot(odd, Outcome.BAD)]
    bad += [Slot(measured(i, True).span, Outcome.BAD) for i, letter in enumerate(pattern) if letter == "B"]
    ledger = Ledger(bad)
    with engine.connect() as conn:
        for i in (0, 11, 12, 13, 71, 72, 149):
            at = START + (i + 1) * LENGTH
            assert objectives.spent(conn, SLO, at) == ledger.spent(SLO, at)
        at = START + 150 * LENGTH
        assert budget(SLO, objectives.spent(conn, SLO, at), at) == budget(SLO, ledger.spent(SLO, at), at)
    assert SLO.period in look_backs(SLO)


def naive_since(pattern: str, at: int) -> int:
    since = at
    for i in range(at, -1, -1):
        if pattern[i] == "B":
            if since - (i + 1) >= 3:
                break
            since = i
    return since


def test_the_run_of_bad_windows_is_found_where_it_lies(engine):
    pattern = "".join(np.random.default_rng(1).choice(["G", "B"], 120, p=[0.7, 0.3]))
    play(engine, pattern)
    with engine.connect() as conn:
        for i in range(len(pattern)):
            slot = Slot(measured(i, False).span, Outcome.GOOD)
            assert objectives.bad_since(conn, SLO, slot) == START + naive_since(pattern, i) * LENGTH
