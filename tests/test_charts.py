"""What the charts draw: checked on the numbers that the browser is given."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from dashboard import charts, palette
from dashboard.layers import Chart, millis
from dashboard.moments import moments
from dashboard.series import Moment, Series
from drift.alert import Alert, AlertKind, AlertState
from drift.records import Coverage, Gap, GapReason, Maintenance, Measurement, Span
from drift.slo import Outcome, Quantity, Sli, Slo
from drift.store.reads import BudgetRow
from drift.store.versions import VersionRow

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
    """What the browser is given, as it arrives there: columns of one length in each mark."""
    drawn = json.loads(json.dumps(chart.to_dict()))
    for layer in drawn["layers"]:
        lengths = {
            len(layer[name]) for name in ("x", "y", "end", "low", "high", "tips") if isinstance(layer.get(name), list)
        }
        assert len(lengths - {0}) <= 1
    return drawn


def layers(drawn: dict, mark: str) -> list[dict]:
    return [layer for layer in drawn["layers"] if layer["mark"] == mark]


def points(drawn: dict) -> dict[str, dict]:
    return {layer["shape"]: layer for layer in layers(drawn, "points")}


def stretches(drawn: dict) -> dict[str, dict]:
    return {layer["kind"]: layer for layer in layers(drawn, "stretches")}


def test_bad_windows_differ_in_shape_and_not_only_in_colour():
    drawn = spec(charts.values(Series(SLO, SPAN, (measured(0), measured(1, 0.5))), 200))
    shown = points(drawn)
    assert shown["dot"]["y"] == [1.0]
    assert shown["triangle"]["y"] == [0.5]
    assert "bad: value 0.5, 400 rows" in shown["triangle"]["tips"][0]


def test_values_lie_on_their_interval_and_the_healthy_band():
    drawn = spec(charts.values(Series(SLO, SPAN, (measured(0),)), 200))
    band, interval = layers(drawn, "area")
    assert (band["colour"], band["low"], band["high"]) == (palette.BAND, [0.9], [1.1])
    assert (interval["colour"], interval["low"], interval["high"]) == (palette.LINE, [0.9], [1.1])


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
        shade = stretches(drawn)["planned"]
        assert list(zip(shade["x"], shade["end"], strict=True)) == [
            (millis(START), millis(START + 10 * MINUTE)),
            (millis(START + 30 * MINUTE), millis(START + 35 * MINUTE)),
        ]
        assert shade["tips"][0].startswith("maintenance m-1: new index (team)")
    ended = replace(planned, cancelled_at=START + 5 * MINUTE)
    drawn = spec(charts.values(replace(series, maintenance=(ended,)), 200))
    assert stretches(drawn)["planned"]["end"] == [millis(START + 5 * MINUTE)]


def test_nothing_is_drawn_for_an_interval_that_the_detector_does_not_know():
    bare = replace(measured(0), low=None, high=None, band_low=None, band_high=None)
    assert not layers(spec(charts.values(Series(SLO, SPAN, (bare,)), 200)), "area")


def test_both_bounds_are_drawn_with_their_numbers_and_are_in_sight():
    drawn = spec(charts.values(Series(SLO, SPAN, (measured(0),)), 200))
    assert [(layer["y"], layer["text"]) for layer in layers(drawn, "level")] == [
        (0.8, "good ≥ 0.8"),
        (1.2, "good ≤ 1.2"),
    ]
    assert drawn["y"]["from"] < 0.8
    assert drawn["y"]["to"] > 1.2


def test_p_values_are_on_a_logarithmic_axis_that_shows_the_bound():
    drawn = spec(charts.judged(Series(TEST, SPAN, (measured(0, p_value=0.4), measured(1, p_value=0.001))), 200))
    assert drawn["y"]["kind"] == "log"
    assert drawn["y"]["from"] < 0.001
    assert points(drawn)["triangle"]["y"] == [0.001]
    assert not layers(drawn, "line")


def test_the_value_beside_a_judged_p_value_has_no_bound():
    drawn = spec(charts.values(Series(TEST, SPAN, (measured(0, p_value=0.4),)), 200))
    assert not layers(drawn, "level")


def test_lines_do_not_bridge_missing_windows():
    drawn = spec(charts.values(Series(SLO, SPAN, tuple(measured(i) for i in (0, 1, 2, 30, 31))), 200))
    (line,) = layers(drawn, "line")
    assert [value is None for value in line["y"]] == [False, False, False, True, False, False]
    assert [at is None for at in line["x"]] == [value is None for value in line["y"]]


def test_of_very_many_windows_only_bad_ones_are_marked():
    many = tuple(measured(i % 60, 1.0 if i else 0.5) for i in range(400))
    shown = points(spec(charts.values(Series(SLO, SPAN, many), 200)))
    assert set(shown) == {"none", "triangle"}
    assert len(shown["none"]["tips"]) == len(many) - len(shown["triangle"]["x"])


def test_gaps_say_why_and_stay_visible_however_short():
    gaps = (
        Gap("s", minute(3), "d", GapReason.TOO_FEW_ROWS, "needs 64 rows"),
        Gap("s", minute(10, 20), "d", GapReason.NO_DATA, "-"),
    )
    drawn = spec(charts.values(Series(SLO, SPAN, (), gaps), 200))
    found = stretches(drawn)["gap"]
    assert [tip.split("\n")[0] for tip in found["tips"]] == [
        "not measured: too few rows. needs 64 rows",
        "not measured: nothing arrived. -",
    ]
    assert found["texts"] == ["too few rows", "nothing arrived"]


def test_firing_alerts_are_shaded_within_the_range_and_pending_ones_are_not():
    fired = Alert("s", "rank", AlertKind.PAGE, AlertState.FIRING, START, START - MINUTE, rule="fast")
    over = Alert("s", "rank", AlertKind.TICKET, AlertState.RESOLVED, START, START + MINUTE, START + 5 * MINUTE)
    before = Alert("s", "rank", AlertKind.PAGE, AlertState.RESOLVED, START, START - 9 * MINUTE, START - 2 * MINUTE)
    pending = Alert("s", "rank", AlertKind.PAGE, AlertState.PENDING, START)
    drawn = spec(charts.left(Series(SLO, SPAN, (), (), (slot(0, 1, 0, 0),), (fired, over, before, pending))))
    shade = stretches(drawn)["firing"]
    ends = [(millis(SPAN.start), millis(SPAN.end)), (millis(START + MINUTE), millis(START + 5 * MINUTE))]
    assert list(zip(shade["x"], shade["end"], strict=True)) == ends
    assert shade["colours"] == [palette.BAD, palette.WARN]
    assert shade["tips"][0].startswith("page firing, last by rule fast\n")


def test_an_overspent_budget_is_drawn_below_nothing():
    drawn = spec(charts.left(Series(SLO, SPAN, (), (), (slot(0, 0.5, 1, 1), slot(1, -0.7, 1, 1)))))
    (line,) = layers(drawn, "line")
    assert drawn["y"]["from"] < -0.7
    assert line["y"] == [0.5, -0.7]
    assert points(drawn)["none"]["tips"][1].startswith("\N{MINUS SIGN}70")


def test_burns_are_told_as_multiples_of_what_the_rule_asks_for():
    slots = (slot(0, 1, 14.4, 28.8), slot(1, 1, 6, 3, "slow"), slot(2, 1, 9, 9, "a rule of the past"))
    drawn = spec(charts.burning(Series(SLO, SPAN, (), (), slots)))
    long, short = layers(drawn, "line")
    assert (long["y"], short["y"]) == ([1, 1], [2, 0.5])
    assert long["dash"] != short["dash"]


@pytest.mark.parametrize("draw", [charts.left, charts.burning])
def test_all_charts_share_one_time_axis_in_utc(draw):
    drawn = spec(draw(Series(SLO, SPAN, (), (), (slot(0, 1, 1, 1),))))
    assert drawn["x"] | {"title": ""} == {
        "kind": "time", "from": millis(SPAN.start), "to": millis(SPAN.end), "title": "", "form": "number", "ticks": []
    }  # fmt: skip


def test_a_window_that_ends_after_the_range_does_not_make_the_axis_longer():
    over = BudgetRow("s", "rank", minute(59, 30), Outcome.GOOD, 1.0, "fast", 1.0, 1.0, None)
    series = Series(SLO, SPAN, (replace(measured(0), span=minute(59, 30)),), (), (over,))
    for chart in (charts.values(series, 200), charts.left(series), charts.burning(series)):
        drawn = spec(chart)
        assert all(at <= millis(SPAN.end) for layer in drawn["layers"] for at in layer.get("x", []))


def test_changes_are_marked_at_their_moment_with_what_was_changed():
    changed = (Moment(START + 5 * MINUTE, "version 8", "declared version 8, before it 7: a deployment"),)
    drawn = spec(charts.values(replace(Series(SLO, SPAN, (measured(0),)), moments=changed), 200))
    (mark,) = layers(drawn, "moments")
    assert (mark["x"], mark["texts"]) == ([millis(START + 5 * MINUTE)], ["version 8"])
    assert mark["tips"][0].startswith("declared version 8, before it 7: a deployment\n2 Mar 2026 12:05:00 UTC")


def test_the_first_version_is_no_change_and_each_later_one_is():
    rows = [VersionRow("search", START + i * MINUTE, "m", version) for i, version in enumerate("778")]
    found = moments(rows[1:], (), [measured(0), replace(measured(1), reference="abcdefghij"), measured(2)])
    assert [moment.name for moment in found] == ["reference abcdefgh", "version 8", "reference r"]
