"""The pure parts of the dashboard: words, ranges of time, and how objectives stand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
import seed

from dashboard import diagnosis, episodes, incident, markup, words
from dashboard.declared import Declared
from dashboard.series import Range, around, fixed, sensible
from dashboard.standing import Fleet, Line, Standing, lines
from drift.alert import Alert, AlertKind, AlertState
from drift.config import Config, load
from drift.records import Cause, Diagnosed, Diagnosis, Measurement, Span
from drift.slo import Outcome, Quantity, Sli
from drift.store.fleet import STATES
from drift.store.operations import QueueRow
from drift.store.reads import AlertRow, BudgetRow, StreamRow

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def plain(text: str) -> str:
    return text.replace(words.NARROW, " ").replace(words.FIXED, " ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (8, "8 s"),
        (60, "1 min"),
        (254, "4 min 14 s"),
        (840, "14 min"),
        (11_100, "3 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_lengths_are_told_in_two_units_at_most(seconds, text):
    assert plain(words.length(timedelta(seconds=seconds))) == text


def test_clocks_name_the_day_when_it_is_another():
    assert plain(words.clock(NOW, NOW)) == "12:00:30 UTC"
    assert plain(words.clock(NOW - 3 * HOUR, NOW)) == "09:00 UTC"
    assert plain(words.clock(NOW - 24 * HOUR, NOW)) == "1 Mar 12:00 UTC"
    assert plain(words.clock(NOW.replace(year=2025), NOW)) == "2 Mar 2025 12:00 UTC"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1, "100 %"), (0.9999, "99.9 %"), (0.62, "62 %"), (0.004, "0.4 %"), (0, "0 %"), (-0.12, "\N{MINUS SIGN}12 %")],
)
def test_only_a_whole_budget_is_a_hundred_percent(ratio, text):
    assert plain(words.share(ratio)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0001234, "0.000123"),
        (999.4, "999"),
        (999.6, "1 000"),
        (-1234.5, "\N{MINUS SIGN}1 234"),
        (2_500_000.0, "2 500 000"),
        (3e9, "3e+09"),
        (float("inf"), "inf"),
    ],
)
def test_amounts_of_a_thousand_and_more_are_told_in_whole_numbers(value, text):
    assert plain(words.number(value)) == text


def test_objectives_are_told_with_their_bounds():
    assert words.good(Sli("d", at_least=0.8, at_most=1.25)) == "0.8 ≤ value ≤ 1.25"
    assert words.good(Sli("d", Quantity.P_VALUE, at_least=0.005)) == "p-value ≥ 0.005"
    ranked = Sli("d", Quantity.P_VALUE, at_least=0.005, calibrated=True)
    assert words.good(ranked) == "p-value among past windows ≥ 0.005"
    assert words.good(Sli("d", at_most=0.02)) == "value ≤ 0.02"


@pytest.mark.parametrize(
    ("interval", "age", "name"),
    [
        (timedelta(seconds=5), None, "15 min"),
        (timedelta(minutes=5), None, "6 h"),
        (HOUR, None, "7 d"),
        (timedelta(seconds=5), 2 * HOUR, "6 h"),
        (timedelta(seconds=5), timedelta(days=90), "all"),
    ],
)
def test_the_range_shows_enough_windows_and_how_it_began(interval, age, name):
    assert sensible(interval, age) == name


def test_ranges_end_now_or_where_they_are_told_to():
    reach = Span(NOW - 50 * HOUR, NOW)
    assert Range(last=HOUR).span(NOW, reach) == Span(NOW - HOUR, NOW)
    assert Range().span(NOW, reach) == Span(NOW - 50 * HOUR, NOW)
    assert Range().span(NOW, None).end == NOW
    assert Range(fixed=reach).span(NOW, None) == reach


def test_a_link_to_an_episode_shows_what_came_before_it():
    span = around(NOW - HOUR, NOW)
    assert span.start < NOW - HOUR
    assert span.end > NOW
    assert fixed(span.start.isoformat(), span.end.isoformat()) == span


@pytest.mark.parametrize("end", ["", "yesterday", NOW.isoformat(), "9999-99-99"])
def test_a_link_that_names_no_stretch_of_time_is_not_followed(end):
    assert fixed(NOW.isoformat(), end) is None


def test_a_time_without_its_offset_is_nobodys():
    naive = [at.replace(tzinfo=None).isoformat() for at in (NOW - HOUR, NOW)]
    assert fixed(*naive) is None
    assert fixed(naive[0] + "Z", naive[1] + "Z") == Span(NOW - HOUR, NOW)
    query = {"stream": "search", "slo": "rank", "kind": "page"}
    assert incident.named(query | {"since": naive[1]}) is None
    assert incident.named(query | {"since": NOW.isoformat()}).started_at == NOW


def test_a_diagnosis_says_of_which_day_it_is():
    found = Diagnosis((Cause("mean-shift", 0.9, "it moved", "look"),), ())
    made = Diagnosed("search", "", Span(NOW - 13 * HOUR, NOW), NOW + 24 * HOUR, found)
    shown = diagnosis.section(made, "A diagnosis")
    assert "Why: the window of 1 Mar 2026 23:00:30 to 2 Mar 12:00:30 UTC" in shown
    assert "made 3 Mar 2026 12:00:30 UTC" in shown


@pytest.mark.parametrize(
    ("kind", "state", "said"),
    [
        ("nodata", "firing", "firing since 11:00 UTC (1 h)"),
        ("exhausted", "pending", "pending since 11:00 UTC (1 h)"),
        ("ticket", "pending", "burning too fast since 11:00 UTC (1 h), bad since 09:00 UTC"),
        ("page", "firing", "firing since 11:00 UTC (1 h), bad since 09:00 UTC"),
    ],
)
def test_only_a_burning_budget_burns_and_was_bad_since_some_window(config, kind, state, said):
    at, notes = NOW - timedelta(hours=1, seconds=30), {"since": (NOW - 3 * HOUR).isoformat()}
    row = AlertRow(Alert("products", "rank", AlertKind(kind), AlertState(state), at, at), {}, notes)
    (line, *_) = lines(fleet(config, alerts=(row,)), Declared.of(config))
    assert f"</b> {said}; " in plain(episodes.brief(line, row, NOW))


@pytest.fixture
def config(tmp_path):
    return load(seed.write_config(tmp_path))


def fleet(config: Config, **changed: object) -> Fleet:
    """The stream `products` with an objective that was measured half an hour ago."""
    row = StreamRow(config.streams[1].stream, "shop", NOW)
    span = Span(NOW - 1.5 * HOUR, NOW - 0.5 * HOUR)
    slot = BudgetRow("products", "traffic", span, Outcome.GOOD, 0.9, "fast", 0.0, 0.0, None)
    number = Measurement("products", span, "mmd", "r", 0.0, 400, 0.5)
    base = Fleet(NOW, (row,), (slot,), (), (number,), (QueueRow("products", 2, span.end, 0, ""),), 0)
    return replace(base, **changed)


def alert(kind: AlertKind, state: AlertState = AlertState.FIRING) -> AlertRow:
    return AlertRow(Alert("products", "traffic", kind, state, NOW - HOUR, NOW - HOUR), {}, {})


def traffic(found: list[Line]) -> Line:
    return next(line for line in found if line.name == "traffic")


def test_a_quiet_objective_is_ok_and_knows_its_number(config):
    line = traffic(lines(fleet(config), Declared.of(config)))
    assert line.standing is Standing.OK
    assert (line.number, line.bad, line.behind) == (0.5, False, 2)


def test_a_segment_is_as_far_behind_as_its_stream_for_those_too_who_see_it_alone(config):
    whole = fleet(config)
    part = replace(whole.streams[0], stream=whole.streams[0].stream.part("lang=de"))
    every = replace(whole, streams=(*whole.streams, part))
    mine = every.only(lambda key: key == "products/lang=de")
    assert {line.behind for line in lines(every, Declared.of(config))} == {2}
    assert {(line.row.stream.key, line.behind) for line in lines(mine, Declared.of(config))} == {
        ("products/lang=de", 2)
    }
    assert every.only(lambda key: False).backlog == ()


def test_an_objective_whose_windows_stopped_is_not_ok(config):
    line = traffic(lines(replace(fleet(config), at=NOW + 3 * HOUR), Declared.of(config)))
    assert line.standing is Standing.NO_DATA
    assert line.late


def test_a_page_stays_a_page_when_windows_stop(config):
    late = replace(fleet(config, alerts=(alert(AlertKind.PAGE),)), at=NOW + 3 * HOUR)
    line = traffic(lines(late, Declared.of(config)))
    assert line.standing is Standing.PAGE
    assert "no window for" in markup.since_text(line, late.at)


@pytest.mark.parametrize(
    ("row", "standing"),
    [
        (alert(AlertKind.PAGE), Standing.PAGE),
        (alert(AlertKind.TICKET), Standing.TICKET),
        (alert(AlertKind.EXHAUSTED), Standing.TICKET),
        (alert(AlertKind.NODATA), Standing.NO_DATA),
        (alert(AlertKind.INSUFFICIENT), Standing.TOO_LITTLE),
        (alert(AlertKind.PAGE, AlertState.PENDING), Standing.PENDING),
    ],
)
def test_an_open_alert_decides_how_an_objective_stands(config, row, standing):
    assert traffic(lines(fleet(config, alerts=(row,)), Declared.of(config))).standing is standing


def test_the_most_urgent_alert_comes_first(config):
    both = (alert(AlertKind.TICKET), alert(AlertKind.PAGE))
    line = traffic(lines(fleet(config, alerts=both), Declared.of(config)))
    assert [row.alert.kind for row in line.alerts] == [AlertKind.PAGE, AlertKind.TICKET]


def test_alerts_are_ordered_as_the_api_orders_them(config):
    rows = tuple(alert(kind) for kind in AlertKind)
    pending = alert(AlertKind.PAGE, AlertState.PENDING)
    line = traffic(lines(fleet(config, alerts=(pending, *rows)), Declared.of(config)))
    assert [row.alert.kind for row in line.alerts] == [*STATES[: len(AlertKind)], AlertKind.PAGE]


def test_a_stream_whose_data_stopped_has_no_data_whatever_waited_to_fire_before(config):
    both = (alert(AlertKind.PAGE, AlertState.PENDING), alert(AlertKind.NODATA))
    assert traffic(lines(fleet(config, alerts=both), Declared.of(config))).standing is Standing.NO_DATA


@pytest.mark.parametrize(
    ("outcome", "standing"), [(Outcome.BAD, Standing.BURNING), (Outcome.INSUFFICIENT, Standing.TOO_LITTLE)]
)
def test_a_newest_window_that_is_bad_or_had_too_few_rows_is_not_called_ok(config, outcome, standing):
    slot = replace(fleet(config).budgets[0], outcome=outcome)
    assert traffic(lines(fleet(config, budgets=(slot,)), Declared.of(config))).standing is standing


@pytest.mark.parametrize(
    ("standings", "said"),
    [
        ((Standing.OK, Standing.OK), "nothing is firing on this stream"),
        ((Standing.OK, Standing.RETIRED), "nothing is firing on this stream"),
        ((Standing.OK, Standing.BURNING), "the newest window of traffic is bad; no alert yet"),
        ((Standing.NO_DATA, Standing.OK), "no window in time for rank"),
        ((Standing.OK, Standing.TOO_LITTLE), "the newest window of traffic had too little to be judged"),
        ((Standing.RETIRED, Standing.RETIRED), "not configured any more"),
    ],
)
def test_where_no_alert_is_open_the_most_urgent_standing_is_told(config, standings, said):
    line = traffic(lines(fleet(config), Declared.of(config)))
    mine = [replace(line, name=name, standing=one) for name, one in zip(("rank", "traffic"), standings, strict=True)]
    assert said in episodes.calm(mine)


def test_without_a_configuration_slots_and_alerts_still_tell(config):
    line = traffic(lines(fleet(config, alerts=(alert(AlertKind.PAGE),)), None))
    assert line.standing is Standing.PAGE
    assert line.slo is None


def test_a_configured_objective_without_slots_has_no_data(config):
    (rank, _) = sorted(lines(fleet(config), Declared.of(config)), key=lambda line: line.name)
    assert (rank.name, rank.standing) == ("rank", Standing.NO_DATA)


def test_an_overspent_budget_is_told_as_such(config):
    slot = replace(fleet(config).budgets[0], remaining=float(Fraction("-0.4")))
    cell = markup.budget_cell(traffic(lines(fleet(config, budgets=(slot,)), Declared.of(config))))
    assert "overspent" in cell
    assert 'class="bar spent"' in cell


def test_links_leave_only_for_the_web():
    assert "href" not in markup.outside("javascript:alert(1)", "runbook")
    assert 'href="https://a.example/?x=&lt;"' in markup.outside("https://a.example/?x=<", "runbook")


def test_what_fires_is_told_by_its_own_rule_and_cools_down_once_that_is_not_true_any_more(config):
    def told(long: str, short: str, kind: AlertKind = AlertKind.PAGE, rule: str = "slow") -> tuple[str, str]:
        notes = {"rule": rule, "burn_rate_long": long, "burn_rate_short": short}
        fires = replace(alert(kind), annotations=notes)
        found = traffic(lines(fleet(config, alerts=(fires,)), Declared.of(config)))
        shown = (markup.burn_cell(found), episodes.callout(found, fires, [], NOW))
        cell, callout = (text.replace("\N{MULTIPLICATION SIGN}", "x") for text in shown)
        return cell, callout

    cell, callout = told("7.0", "6.5")
    assert cell == "7x long, 6.5x short<small>rule slow fires above 6x</small>"
    assert "burns 7x over the long and 6.5x over the short look-back, rule slow fires above 6x" in callout
    cooling = "<small>cooling down: rule slow fires above 6x</small>"
    assert told("6.5", "0.0")[0] == f"6.5x long, 0x short{cooling}"
    assert told("0.0", "0.0")[0] == f"0x long, 0x short{cooling}"
    assert told("7.0", "6.5", AlertKind.NODATA, "")[0] == '<span class="soft">not burning</span>'
