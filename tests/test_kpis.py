"""Numbers of the business from a real Prometheus, beside drift."""

import subprocess
import time
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from peers import find_or_skip, free_port, prometheus
from test_dashboard import charts, config_file, html, page, seeded_url, text  # noqa: F401

from dashboard import kpis, outcomes
from dashboard.kpis import STEP, Trace
from drift.config import Config, KpiConfig, Settings
from drift.config.problems import problems
from drift.errors import PrometheusError
from drift.records import Span
from drift.wiring.kpi_check import newest

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
DECLARED = """
kpis:
  - {name: Conversion, query: "100 * sum(orders) / sum(searches)", unit: "%", streams: [docs-search]}
  - {name: Orders by shop, query: orders}
  - {name: Searches, query: "sum(searches", unit: "a day"}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A Prometheus that has two days behind it: two shops' orders, and searches."""
    folder = tmp_path_factory.mktemp("prometheus")
    end = Span.containing(datetime.now(UTC), STEP).start
    minutes = [end - timedelta(minutes=i) for i in range(0, 2 * 24 * 60, 4)]
    lines = ["# TYPE orders gauge"]
    lines += [f'orders{{shop="{shop}"}} {n} {at.timestamp():.0f}' for shop, n in (("a", 2), ("b", 1)) for at in minutes]
    lines += ["# TYPE searches gauge", *(f"searches 100 {at.timestamp():.0f}" for at in minutes)]
    (folder / "past").write_text("\n".join([*lines, "# EOF", ""]))
    make = [find_or_skip("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics", "past", "data"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    with prometheus("scrape_configs: []", folder, "--storage.tsdb.retention.time=1y") as url:
        yield url


@pytest.fixture
def business(config_file, tmp_path):  # noqa: F811
    """The configuration of the fleet with numbers of the business."""
    path = tmp_path / "business.yaml"
    path.write_text(config_file.read_text() + DECLARED)
    return path


def test_a_number_stands_beside_the_pages_of_its_streams(page, seeded_url, shop, business, monkeypatch):  # noqa: F811
    monkeypatch.setattr("sys.argv", ["app.py", "--config", str(business)])
    monkeypatch.setenv("DRIFT_PROMETHEUS_URL", f"{shop}/")
    app = page(seeded_url, "executive")
    shown = text(app)
    assert "Conversion docs-search 3 % 3 % mean of" in shown
    several, broken = (box.value for box in app.warning)
    assert several == "`orders`: the query gives 2 series, one is wanted: put sum(…) or avg(…) around it"
    assert broken.startswith("`sum(searches`: ")
    assert "unclosed left parenthesis" in broken
    assert len(charts(app)) == 2
    assert "From Prometheus, 0 s ago" in shown


@pytest.mark.parametrize(
    ("url", "said"), [("", "set DRIFT_PROMETHEUS_URL"), ("http://me:secret@127.0.0.1:{}", "does not answer")]
)
def test_a_prometheus_that_is_away_takes_nothing_else(page, seeded_url, business, monkeypatch, url, said):  # noqa: F811
    monkeypatch.setattr("sys.argv", ["app.py", "--config", str(business)])
    monkeypatch.setenv("DRIFT_PROMETHEUS_URL", url.format(free_port()))
    app = page(seeded_url, "executive")
    (warning,) = (box.value for box in app.warning)
    assert said in warning
    assert "secret" not in warning
    assert "Incidents of" in html(app)


def test_the_check_says_what_each_number_is_now(shop, config_file):  # noqa: F811
    now, settings = datetime.now(UTC), Settings(prometheus_url=shop)
    assert newest(KpiConfig(name="n", query="sum(orders)", unit="orders"), settings, now).startswith("3 orders at 20")
    with pytest.raises(PrometheusError, match="nothing_is_called_so: the query gives no number"):
        newest(KpiConfig(name="n", query="nothing_is_called_so"), settings, now)


def test_what_is_no_prometheus_says_what_it_answered():
    def answer(_):
        return httpx2.Response(200, text="<html>a proxy</html>")

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        (found,) = kpis.traces(
            "http://127.0.0.1", [KpiConfig(name="n", query="up")], Span(MIDNIGHT, MIDNIGHT + DAY), client
        )
    assert "not Prometheus's API: <html>a proxy</html>" in found.fault
    with httpx2.Client() as client, pytest.raises(PrometheusError, match="DRIFT_PROMETHEUS_URL"):
        kpis.traces("", [], Span(MIDNIGHT, MIDNIGHT + DAY), client)


def test_an_answer_that_trickles_is_given_up(monkeypatch):
    def trickle():
        for _ in range(100):
            time.sleep(0.01)
            yield b" "

    monkeypatch.setattr(kpis, "PATIENCE", 0.05)
    with (
        httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=trickle()))) as client,
        pytest.raises(PrometheusError, match=r"no whole answer within 0\.05 s"),
    ):
        kpis.traces("http://127.0.0.1", [KpiConfig(name="n", query="up")], Span(MIDNIGHT, MIDNIGHT + DAY), client)


def test_a_table_of_no_number_is_none():
    kpi = KpiConfig(name="n", query="up")
    beside = [outcomes.Drifted(MIDNIGHT, (), {})]
    assert outcomes.table([Trace(kpi, fault="away")], beside) == ""
    assert "<tbody><tr" in outcomes.table([Trace(kpi, ((MIDNIGHT, 1.0),))], beside)


def test_days_with_a_page_are_held_against_the_others():
    points = tuple((MIDNIGHT + i * STEP, float(i // 4)) for i in range(12))
    trace = Trace(KpiConfig(name="n", query="up"), points)
    assert [value for _, value in trace.days] == [0, 1, 2]
    late = Span(MIDNIGHT + DAY - HOUR, MIDNIGHT + DAY + HOUR)
    assert trace.split([late]) == ([0, 1], [2])
    assert trace.split([Span(MIDNIGHT - DAY, MIDNIGHT)]) == ([], [0, 1, 2])


def test_numbers_beside_streams_that_there_are_none_of_are_refused():
    stream = {"id": "a", "dim": 8, "model": "m", "reference": {"path": "golden.parquet"}}
    kpi = {"name": "n", "query": "up", "streams": ["b"]}
    config = Config.model_validate({"streams": [stream], "kpis": [kpi, kpi | {"streams": ["a"]}]})
    assert [text for _, text in problems(config)] == [
        "name 'n' is used twice: each needs its own",
        "kpi 'n' names the stream 'b', known are a",
    ]
