"""Alerts of one stream that were open at one time are one line on the page Incidents."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dashboard import quarters, together, words
from drift.alert import Alert, AlertKind, AlertState
from drift.store.reads import AlertRow

AT = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = AT + 9 * HOUR


def row(slo: str, began: float, ended: float | None = None, *, stream="search", kind=AlertKind.PAGE) -> AlertRow:
    state = AlertState.FIRING if ended is None else AlertState.RESOLVED
    over = None if ended is None else AT + ended * HOUR
    first = AT + began * HOUR
    return AlertRow(Alert(stream, slo, kind, state, first, first, over), {}, {})


def names(rows: list[AlertRow]) -> list[list[str]]:
    return [[each.alert.slo for each in group] for group in together.groups(rows, NOW)]


def test_what_was_open_at_one_time_is_one_group_and_what_began_last_comes_first():
    assert names([row("a", 0, 2), row("b", 1, 3), row("c", 4, 5)]) == [["c"], ["a", "b"]]


def test_pages_come_before_tickets_however_late_they_began():
    assert names([row("slow", 0, 4, kind=AlertKind.TICKET), row("fast", 1, 2)]) == [["fast", "slow"]]


def test_an_alert_that_burns_for_long_makes_no_group_of_all_that_happened_meanwhile():
    long = row("long", 0, 9, kind=AlertKind.TICKET)
    assert names([long, row("a", 1, 2), row("b", 5, 6)]) == [["b"], ["a", "long"]]


def test_what_begins_while_a_page_is_open_is_the_same_incident_however_short_the_others_were():
    assert names([row("long", 0), row("a", 1, 2), row("b", 5, 6), row("c", 8)]) == [["long", "c", "a", "b"]]


def test_an_incident_is_open_while_any_of_it_is_and_is_of_one_stream():
    ticket = row("open", 1, kind=AlertKind.TICKET)
    found = together.groups([ticket, row("over", 0, 2), row("other", 1, 3, stream="ads")], NOW)
    assert [[(each.alert.slo, each.alert.is_over) for each in group] for group in found] == [
        [("open", False), ("over", True)],
        [("other", True)],
    ]
    table = together.table(found, {}, NOW)
    assert "ticket, firing" in table
    assert "so far" in table


def test_a_line_has_each_objective_with_its_link_and_its_time():
    table = together.table(together.groups([row("a", 0, 2), row("<b>", 1, 3)], NOW), {}, NOW)
    assert table.count("<tr") == 2
    assert "and 1 other alert" in table
    assert "slo=a" in table
    assert "&lt;b&gt;" in table
    assert "<b>" not in table
    assert "nobody" in table
    assert "to=2026-03-02T0" in table


def test_an_alert_by_itself_is_told_whole():
    table = together.table(together.groups([row("a", 0, 2)], NOW), {}, NOW)
    assert "other alert" not in table
    assert "resolved page" in table


def test_an_incident_takes_as_long_on_every_page_from_its_first_bad_window_on():
    since = {"since": (AT - HOUR).isoformat()}
    page = replace(row("rank", 0, 2), annotations=since)
    late = replace(row("spread", 1, 3, kind=AlertKind.TICKET), annotations={"since": AT.isoformat()})
    assert [quarters.lasted(group) for group in ([page], [late, page], [row("rank", 0, 2)])] == [
        *(3 * HOUR, 4 * HOUR, 2 * HOUR),
    ]
    for group, lasts in (([page], "3"), ([page, late], "4")):
        shown = together.table([group], {}, NOW)
        assert f"{lasts}{words.NARROW}h</div>" in shown
        assert f"bad since 1 Mar{words.FIXED}23:00".replace(" ", words.FIXED) in shown.replace(" ", words.FIXED)
    quiet = replace(row("rank", 0, 2, kind=AlertKind.NODATA), annotations=since)
    shown = together.table([[quiet]], {}, NOW)
    assert "bad since" not in shown
    assert f"2{words.NARROW}h</div>" in shown
