"""What the charts draw: checked on the specification that the browser is given."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import altair as alt
import pyarrow as pa
import pytest

from dashboard import charts, palette
from dashboard.layers import Chart, millis
from dashboard.series import Series
from drift.alert import Alert, AlertKind, AlertState
from drift.records import Coverage, Gap, GapReason, Maintenance, Measurement, Span
from drift.slo import Outcome, Quantity, Sli, Slo
from drift.store.reads import BudgetRow

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPAN = Span(START, START + 60 * MINUTE)
SLO = Slo("rank", "s", Sli("effective_rank", at_least=0.8, at_most=1.2), Fraction("0.95"), MINUTE)
TEST = replace(SLO, sli=Sli("mmd", Quantity.P_VALUE, at_least=0.005))


def minute(i: int, length: int = 1) -> Span:
    return Span(START + i * MINUTE, START + (i + length) * MINUTE)


def measured(i: int, value: float = 1.0, p_value: float | None = None) -> Measurement:
    return Measurement("s", minute(i), "d", "r", value, 400, p_value, value - 0.1, value + 0.1, 0.9, 1.1)


def slot(i: int, remaining: float, long: float, short: float, rule: str = "fast") -> BudgetRow:
    return BudgetRow("s", "rank", minute(i), Outcome.BAD, remaining, rule, long, short, None)


def spec(chart: Chart) -> dict:
    """What Vega-Lite is given, which it must understand; rows as a list."""
    drawn = chart.to_dict()
    datasets = drawn.pop("datasets")
    alt.LayerChart.from_dict(drawn)
    return drawn | {
        "datasets": {name: pa.ipc.open_stream(rows).read_all().to_pylist() for name, rows in datasets.items()}
    }


def layers(drawn: dict, mark: str) -> list[dict]:
    return [layer for layer in drawn["layer"] if layer["mark"]["type"] == mark]


def data(drawn: dict, layer: dict) -> list[dict]:
    return drawn["datasets"][layer["data"]["name"]]


def points(drawn: dict) -> dict[str, list[dict]]:
    return {layer["mark"]["shape"]: data(drawn, layer) for layer in layers(drawn, "point") if "shape" in layer["mark"]}


def test_bad_windows_differ_in_shape_and_not_only_in_colour():
    drawn = spec(charts.values(Series(SLO, SPAN, (measured(0), measured(1, 0.5))), 200))
    shown = points(drawn)
    assert [row["number"] for row in shown["circle"]] == [1.0]
    assert [row["number"] for row in shown["triangle-up"]] == [0.5]
    assert "bad: value 0.5, 400 rows" in shown["triangle-up"][0]["tip"]


def test_values_lie_on_their_interval_and_the_healthy_band():
    drawn = spec(charts.values(Series(SLO, SPAN, (measured(0),)), 200))
    band, interval = layers(drawn, "area")
    assert (band["encoding"]["y"]["field"], band["encoding"]["y2"]["field"]) == ("band_low", "band_high")
    assert (interval["encoding"]["y"]["field"], interval["encoding"]["y2"]["field"]) == ("low", "high")
    assert data(drawn, interval)[0]["low"] == pytest.approx(0.9)


def test_maintenance_is_drawn_where_it_was_on_and_told_without_its_colour():
    planned = Maintenance(
        "m-1",
        Coverage(),
        (minute(-10, 20), minute(30, 5), minute(70, 9)),
        "team",
        "new index",
        "",
        "UTC",
        START,
        "anna",
    )
    series = Series(SLO, SPAN, (measured(0),), budgets=(slot(0, 1, 0, 0),), maintenance=(planned,))
    for chart in (charts.values(series, 200), charts.left(series), charts.burning(series)):
        drawn = spec(chart)
        shade, bar = layers(drawn, "rect")
        assert [(row["at"], row["end"]) for row in data(drawn, shade)] == [
            (millis(START), millis(START + 10 * MINUTE)),
            (millis(START + 30 * MINUTE), millis(START + 35 * MINUTE)),
        ]
        assert data(drawn, bar)[0]["tip"] == "maintenance m-1: new index (team)"
        assert bar["encoding"]["y2"] == {"value": 4}
    ended = replace(planned, cancelled_at=START + 5 * MINUTE)
    drawn = spec(charts.values(replace(series, maintenance=(ended,)), 200))
    assert [row["end"] for row in data(drawn, layers(drawn, "rect")[0])] == [millis(START + 5 * MINUTE)]


def test_nothing_is_drawn_for_an_interval_that_the_detector_does_not_know():
    bare = replace(measured(0), low=None, high=None, band_low=None, band_high=None)
    assert not layers(spec(charts.values(Series(SLO, SPAN, (bare,)), 200)), "area")


def test_both_bounds_are_drawn_with_their_numbers_and_are_in_sight():
    drawn = spec(charts.values(Series(SLO, SPAN, (measured(0),)), 200))
    assert [data(drawn, layer)[0]["text"] for layer in layers(drawn, "text")] == ["good ≥ 0.8", "good ≤ 1.2"]
    low, high = layers(drawn, "rule")[0]["encoding"]["y"]["scale"]["domain"]
    assert low < 0.8
    assert high > 1.2


def test_p_values_are_on_a_logarithmic_axis_that_shows_the_bound():
    drawn = spec(charts.judged(Series(TEST, SPAN, (measured(0, p_value=0.4), measured(1, p_value=0.001))), 200))
    scale = layers(drawn, "rule")[0]["encoding"]["y"]["scale"]
    assert scale["type"] == "log"
    assert scale["domain"][0] < 0.001
    assert [row["number"] for row in points(drawn)["triangle-up"]] == [0.001]
    assert not layers(drawn, "line")


def test_the_value_beside_a_judged_p_value_has_no_bound():
    drawn = spec(charts.values(Series(TEST, SPAN, (measured(0, p_value=0.4),)), 200))
    assert not layers(drawn, "rule")


def test_lines_do_not_bridge_missing_windows():
    drawn = spec(charts.values(Series(SLO, SPAN, tuple(measured(i) for i in (0, 1, 2, 30, 31))), 200))
    (line,) = layers(drawn, "line")
    assert [row["run"] for row in data(drawn, line)] == [0, 0, 0, 1, 1]
    assert line["encoding"]["detail"]["field"] == "run"


def test_of_very_many_windows_only_bad_ones_are_marked():
    many = tuple(measured(i % 60, 1.0 if i else 0.5) for i in range(400))
    shown = points(spec(charts.values(Series(SLO, SPAN, many), 200)))
    assert list(shown) == ["triangle-up"]


def test_gaps_say_why_and_stay_visible_however_short():
    gaps = (
        Gap("s", minute(3), "d", GapReason.TOO_FEW_ROWS, "needs 64 rows"),
        Gap("s", minute(10, 20), "d", GapReason.NO_DATA, "-"),
    )
    drawn = spec(charts.values(Series(SLO, SPAN, (), gaps), 200))
    crosses = points(drawn)["cross"]
    assert [row["tip"] for row in crosses] == [
        "not measured: too few rows. needs 64 rows",
        "not measured: nothing arrived. -",
    ]
    (named, *_bounds) = layers(drawn, "text")
    assert [row["reason"] for row in data(drawn, named)] == ["nothing arrived"]


def test_firing_alerts_are_shaded_within_the_range_and_pending_ones_are_not():
    fired = Alert("s", "rank", AlertKind.PAGE, AlertState.FIRING, START, START - MINUTE, rule="fast")
    over = Alert("s", "rank", AlertKind.TICKET, AlertState.RESOLVED, START, START + MINUTE, START + 5 * MINUTE)
    before = Alert("s", "rank", AlertKind.PAGE, AlertState.RESOLVED, START, START - 9 * MINUTE, START - 2 * MINUTE)
    pending = Alert("s", "rank", AlertKind.PAGE, AlertState.PENDING, START)
    drawn = spec(charts.left(Series(SLO, SPAN, (), (), (slot(0, 1, 0, 0),), (fired, over, before, pending))))
    rows = data(drawn, layers(drawn, "rect")[0])
    ends = [(millis(SPAN.start), millis(SPAN.end)), (millis(START + MINUTE), millis(START + 5 * MINUTE))]
    assert [(row["at"], row["end"]) for row in rows] == ends
    assert [row["colour"] for row in rows] == [palette.BAD, palette.WARN]
    assert rows[0]["tip"] == "page firing, rule fast"


def test_an_overspent_budget_is_drawn_below_nothing():
    drawn = spec(charts.left(Series(SLO, SPAN, (), (), (slot(0, 0.5, 1, 1), slot(1, -0.7, 1, 1)))))
    (line,) = layers(drawn, "line")
    assert line["encoding"]["y"]["scale"]["domain"][0] < -0.7
    assert data(drawn, line)[1]["tip"].startswith("\N{MINUS SIGN}70")


def test_burns_are_told_as_multiples_of_what_the_rule_asks_for():
    slots = (slot(0, 1, 14.4, 28.8), slot(1, 1, 6, 3, "slow"), slot(2, 1, 9, 9, "a rule of the past"))
    drawn = spec(charts.burning(Series(SLO, SPAN, (), (), slots)))
    (line,) = layers(drawn, "line")
    found = [(row["look"], round(row["burn"], 3)) for row in data(drawn, line)]
    assert found == [("long", 1), ("short", 2), ("long", 1), ("short", 0.5)]
    assert line["encoding"]["strokeDash"]["field"] == "look"


@pytest.mark.parametrize("draw", [charts.left, charts.burning])
def test_all_charts_share_one_time_axis_in_utc(draw):
    drawn = spec(draw(Series(SLO, SPAN, (), (), (slot(0, 1, 1, 1),))))
    scale = drawn["layer"][0]["encoding"]["x"]["scale"]
    assert scale["type"] == "utc"
    assert [(edge["hours"], edge["minutes"], edge["utc"]) for edge in scale["domain"]] == [(12, 0, True), (13, 0, True)]
    assert not any("scale" in layer["encoding"].get("x", {}) for layer in drawn["layer"][1:])


def test_a_window_that_ends_after_the_range_does_not_make_the_axis_longer():
    over = BudgetRow("s", "rank", minute(59, 30), Outcome.GOOD, 1.0, "fast", 1.0, 1.0, None)
    series = Series(SLO, SPAN, (replace(measured(0), span=minute(59, 30)),), (), (over,))
    for chart in (charts.values(series, 200), charts.left(series), charts.burning(series)):
        drawn = spec(chart)
        assert all(row["at"] <= millis(SPAN.end) for rows in drawn["datasets"].values() for row in rows if "at" in row)
