"""Maintenance windows: what may be planned, and what they excuse, on a real Postgres."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, STREAM, FakeCollector, healthy, make_monitor, register, spans

from drift.alert import AlertKind, AlertState
from drift.errors import MaintenanceError, UnknownMaintenanceError
from drift.pipeline import maintenance, measure
from drift.pipeline.maintenance import Author, Wish
from drift.records import Coverage, Planned, Span
from drift.store import maintenance as kept
from drift.store import reads, retention, tables

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = START
ANNA = Author("anna@ops", NOW, "m-1")
WISH = Wish(Coverage("search"), "search team", "index rebuild", start=START, length=HOUR)


def plan(author=ANNA, **changes):
    return maintenance.plan(replace(WISH, **changes), author)


def add(engine, author=ANNA, **changes):
    with engine.begin() as conn:
        maintenance.add(conn, plan(author, **changes))


def play(engine, pattern, monitor=None, start=START):
    """Windows from `start` on: G healthy, B bad, M without rows."""
    vectors = {start + i * LENGTH: healthy(80, i) * (5 if c == "B" else 1) for i, c in enumerate(pattern) if c != "M"}
    monitor = monitor or make_monitor(engine)
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, replace(monitor, collector=FakeCollector(vectors)), spans(len(pattern), start))


def outcomes(engine, stream="search"):
    with engine.connect() as conn:
        return "".join(row.outcome.value[0].upper() for row in reads.budgets(conn, stream, START, START + 9 * DAY))


def alerts(engine):
    with engine.connect() as conn:
        return [(row.alert.kind, row.alert.state, row.alert.fired_at) for row in reads.alerts(conn)]


@pytest.fixture
def search(engine):
    register(engine, make_monitor(engine))
    return engine


# What may be planned


def test_an_end_and_a_length_mean_the_same_and_times_are_those_of_the_zone():
    local = datetime(2026, 3, 2, 13, 0)  # START in Berlin
    by_end = plan(start=local, end=local + HOUR, length=None, timezone="Europe/Berlin")
    assert by_end.times == plan().times == (Span(START, START + HOUR),)
    offset = START.astimezone(timezone(timedelta(hours=-5)))
    assert plan(start=offset, timezone="Europe/Berlin").times == by_end.times


def test_without_a_start_it_begins_now_to_the_second():
    author = replace(ANNA, at=START + timedelta(microseconds=123_456))
    assert plan(author, start=None).times == (Span(START, START + HOUR),)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"length": None}, "needs either an end or a length .*neither is given"),
        ({"end": START + HOUR}, "both are given"),
        ({"length": None, "end": START}, "end .* must lie after start"),
        ({"length": 7 * DAY + timedelta(seconds=1)}, "end is 7d1s after start, at most 7d are allowed"),
        ({"start": START - 2 * HOUR}, "end .* is over.*must lie after now"),
        ({"owner": " "}, "owner ''"),
        ({"reason": "x" * 501}, "^reason has 501 characters, at most 500 are kept$"),
        ({"owner": "x" * 100_000}, "^owner has 100000 characters, at most 500 are kept$"),
        ({"rrule": "x" * 100_000}, "^rrule has 100000 characters, at most 500 are read$"),
        ({"timezone": "x" * 100_000}, "^timezone 'x{40}' is not known"),
        ({"start": datetime(9999, 12, 31, 23, 59)}, "9999-12-31 23:59:00 is out of range: write one of this century"),
        ({"start": datetime(2099, 12, 31, 23, 59), "until": datetime.min, "rrule": "FREQ=DAILY"}, "out of range"),
        ({"reason": "a\0b"}, "reason"),
        ({"timezone": "Mars/Base"}, "timezone 'Mars/Base' is not known"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"until": START + DAY}, "give an rrule with it"),
        ({"rrule": "FREQ=DAILY"}, "needs one end"),
        ({"rrule": "FREQ=DAILY;COUNT=2", "until": START + DAY}, "needs one end"),
        ({"rrule": "FREQ=DAILY;COUNT=2;UNTIL=20260401"}, "needs one end"),
        ({"rrule": "FREQ=DAILY;UNTIL=tomorrow"}, "UNTIL must be written"),
        ({"rrule": "FREQ=DAILY;UNTIL=20280101"}, "goes on until 2028-01-01, at most 2027-03-03"),
        ({"rrule": "FREQ=YEARLY;COUNT=3"}, "reaches beyond 2027-03-03"),
        ({"rrule": "FREQ=DAILY;COUNT=0"}, "COUNT must be a whole number from 1 to 1000"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0;COUNT=2"}, "INTERVAL must be"),
        ({"rrule": "FREQ=MINUTELY;COUNT=2"}, "FREQ must be one of DAILY, WEEKLY"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=XX;COUNT=2"}, "is no rule of RFC 5545: invalid 'BYDAY'"),
        ({"rrule": "FREQ=DAILY;COUNT=2\nEXDATE:20260303T120000"}, "cannot be read"),
        ({"rrule": "every sunday"}, "cannot be read"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=SU;COUNT=2"}, "is no time of rrule .*its first time is 2026-03-08T12:00:00"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2"}, "it never is on"),
        ({"rrule": "FREQ=DAILY;COUNT=3", "length": DAY}, "is on again at 2026-03-03 12:00 UTC, before .* is over"),
        (
            {"rrule": f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};UNTIL=20270301", "length": HOUR / 2},
            "than 1000",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_with_what_would_be_right(changes, needed):
    with pytest.raises(MaintenanceError, match=needed):
        plan(**changes)


def test_a_rule_keeps_its_local_time_when_clocks_change():
    """In Berlin 02:30 does not exist on 29 March 2026, and exists twice on 25 October."""
    spring = datetime(2026, 3, 22, 2, 30)
    made = plan(start=spring, rrule="FREQ=WEEKLY;BYDAY=SU;COUNT=3", timezone="Europe/Berlin")
    assert [f"{span.start:%d %H:%M}" for span in made.times] == ["22 01:30", "29 01:30", "05 00:30"]
    autumn = datetime(2026, 10, 18, 2, 30)
    made = plan(start=autumn, rrule="RRULE:FREQ=WEEKLY;COUNT=3", timezone="Europe/Berlin")
    assert [f"{span.start:%d %H:%M}" for span in made.times] == ["18 00:30", "25 00:30", "01 01:30"]
    assert {span.length for span in made.times} == {HOUR}


@pytest.mark.parametrize(
    ("end", "until"),
    [
        (";UNTIL=20260304", None),
        (";UNTIL=20260304T120000Z", None),
        (";UNTIL=20260304T130000", None),
        ("", START + 2 * DAY),
    ],
)
def test_the_last_time_begins_at_until_or_before(end, until):
    made = plan(rrule=f"FREQ=DAILY{end}", until=until, timezone="Europe/Berlin")
    assert [span.start for span in made.times] == [START + i * DAY for i in range(3)]


def test_a_stream_that_nobody_registered_is_refused_and_a_near_name_offered(search):
    with pytest.raises(MaintenanceError, match="stream 'serach' is not registered; did you mean 'search'"):
        add(search, covers=Coverage("serach"))
    with pytest.raises(MaintenanceError, match="model 'other' is not that of search; known are: encoder"):
        add(search, covers=Coverage("search", "other"))
    with search.connect() as conn:
        assert kept.planned(conn) == []


# What is kept


def test_a_window_is_kept_with_who_made_and_who_cancelled_it(search):
    add(search, rrule="FREQ=DAILY;COUNT=3", timezone="Europe/Berlin")
    bert = Author("bert@ops", START + DAY + HOUR / 2)
    with search.begin() as conn:
        assert kept.find(conn, "m-1") == plan(rrule="FREQ=DAILY;COUNT=3", timezone="Europe/Berlin")
        ended = maintenance.cancel(conn, "m-1", bert)
    with search.connect() as conn:
        assert kept.find(conn, "m-1") == ended
    assert (ended.created_by, ended.cancelled_by, ended.cancelled_at) == ("anna@ops", "bert@ops", bert.at)
    assert len(ended.times) == 3
    assert ended.effective == (Span(START, START + HOUR), Span(START + DAY, bert.at))


def test_a_window_is_coming_then_active_then_past():
    made = plan(rrule="FREQ=DAILY;COUNT=2")
    states = [made.state(START + timedelta(hours=h)) for h in (-1, 0, 1, 24, 25)]
    assert states == [Planned.COMING, Planned.ACTIVE, Planned.COMING, Planned.ACTIVE, Planned.PAST]


def test_only_a_window_that_is_not_over_can_be_cancelled_and_once(search):
    add(search)
    with search.begin() as conn:
        with pytest.raises(UnknownMaintenanceError, match="'m-2'"):
            maintenance.cancel(conn, "m-2", ANNA)
        with pytest.raises(MaintenanceError, match="was over at 2026-03-02 13:00:00 UTC"):
            maintenance.cancel(conn, "m-1", replace(ANNA, at=START + HOUR))
        maintenance.cancel(conn, "m-1", ANNA)
        with pytest.raises(MaintenanceError, match="cancelled before, at 2026-03-02 12:00:00 UTC by anna@ops"):
            maintenance.cancel(conn, "m-1", ANNA)


def test_windows_are_forgotten_with_the_history_that_they_explain(search):
    add(search)
    for history, left in ((START + HOUR, 1), (START + HOUR + timedelta(seconds=1), 0)):
        with search.begin() as conn:
            retention.forget(conn, vectors=START, history=history, now=START + DAY)
            assert len(kept.planned(conn)) == left


# What is excused


def test_excluded_slots_spend_no_budget_and_raise_no_alert(search):
    """D01 and the beginning of it: an hour of outage in maintenance, then good."""
    add(search)
    play(search, "B" * 12 + "G")
    assert outcomes(search) == "E" * 12 + "G"
    assert alerts(search) == []
    with search.connect() as conn:
        assert {row.remaining for row in reads.budgets(conn, "search", START, START + DAY)} == {1.0}
        assert len(reads.measurements(conn, "search", START, START + DAY, detector="variance_ratio")) == 13


def test_what_goes_on_after_maintenance_pages_as_if_it_had_begun_then(search):
    """D02: 12 excluded slots, then bad: the page comes 45 minutes after the window."""
    add(search)
    play(search, "B" * 22)
    pages = [(state, at) for kind, state, at in alerts(search) if kind is AlertKind.PAGE]
    assert pages == [(AlertState.FIRING, START + timedelta(minutes=105))]


def test_a_firing_alert_stays_as_it_is(search):
    add(search, start=START + 9 * LENGTH)
    play(search, "B" * 9 + "G" * 12 + "GG")
    assert outcomes(search) == "B" * 9 + "E" * 12 + "GG"
    (page,) = [one for one in alerts(search) if one[0] is AlertKind.PAGE]
    assert page == (AlertKind.PAGE, AlertState.RESOLVED, START + 9 * LENGTH)
    with search.connect() as conn:
        assert reads.alerts(conn)[0].alert.resolved_at == START + 23 * LENGTH


def test_silence_in_maintenance_is_not_missing_data(search):
    add(search)
    play(search, "M" * 12 + "G")
    assert outcomes(search) == "E" * 12 + "G"
    assert alerts(search) == []


def test_a_slot_is_excluded_by_any_part_of_it_and_one_that_only_touches_is_not(search):
    add(search, start=START + 1.5 * LENGTH, length=LENGTH)
    add(search, replace(ANNA, id="m-2"), start=START + 5 * LENGTH, length=LENGTH)
    play(search, "BBBBBBB")
    assert outcomes(search) == "BEEBBEB"


@pytest.mark.parametrize(
    ("covers", "excluded"),
    [
        (Coverage(), {"search", "search/lang=de"}),
        (Coverage("search"), {"search", "search/lang=de"}),
        (Coverage("search/lang=de"), {"search/lang=de"}),
        (Coverage(model="encoder"), {"search", "search/lang=de"}),
    ],
)
def test_a_window_covers_what_it_names(search, covers, excluded):
    monitor = make_monitor(search)
    part = STREAM.part("lang=de")
    slos = {key: tuple(replace(slo, stream=key) for slo in monitor.slos["search"]) for key in ("search", part.key)}
    references = {"search": monitor.references["search"], part.key: monitor.references["search"]}
    monitor = replace(monitor, parts=(STREAM, part), slos=slos, references=references)
    register(search, monitor)
    add(search, covers=covers)
    play(search, "B", monitor)
    assert {key for key in slos if outcomes(search, key) == "E"} == excluded
    assert not covers.includes(replace(STREAM, name="ads", model="other")) or covers == Coverage()


def test_a_window_of_another_stream_or_model_excuses_nothing(search):
    other = make_monitor(search, stream=replace(STREAM, name="ads", model="e5"))
    register(search, replace(other, parts=(other.stream,)))
    add(search, covers=Coverage("ads"))
    add(search, replace(ANNA, id="m-2"), covers=Coverage(model="e5"))
    play(search, "B")
    assert outcomes(search) == "B"


def test_a_window_that_is_added_late_leaves_what_was_counted_and_excludes_what_comes(search):
    play(search, "BB")
    add(search, replace(ANNA, at=START + 2 * LENGTH))
    play(search, "BB", start=START + 2 * LENGTH)
    assert outcomes(search) == "BBEE"


def test_slots_count_again_from_a_cancellation_on(search):
    add(search)
    with search.begin() as conn:
        maintenance.cancel(conn, "m-1", replace(ANNA, at=START + 2 * LENGTH))
    play(search, "BBBB")
    assert outcomes(search) == "EEBB"


def test_times_are_stored_with_their_zone(search):
    add(search)
    with search.connect() as conn:
        (times,) = conn.execute(sa.select(tables.maintenance.c.times)).scalars()
    assert times[0].lower.astimezone(UTC) == START
