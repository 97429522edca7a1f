"""The page for those who answer for what was promised: attainment, budgets and incidents, by team and quarter."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from test_dashboard import config_file, page, seeded_url, text  # noqa: F401

from dashboard import executive, quarters
from dashboard.declared import Declared
from drift.alert import Alert, AlertKind, AlertState, Watch
from drift.config import load
from drift.records import Span
from drift.slo import Ledger, Outcome, Slot, budget
from drift.store import writes

HOUR = timedelta(hours=1)
STREAM = "support-tickets"


@pytest.fixture
def declared(config_file):  # noqa: F811
    return load(config_file)


def live(conn: sa.Connection, config, outcomes: str, start: datetime) -> None:
    """Hourly windows of one objective: G is good, B bad, - nothing."""
    stream = config.stream(STREAM)
    slo = next(slo for slo in config.slos_of(stream, stream.stream) if slo.name == "rank")
    writes.register(conn, stream.stream, team=stream.team, open_from=None)
    bad = Ledger()
    for i, letter in enumerate(outcomes):
        outcome = {"G": Outcome.GOOD, "B": Outcome.BAD, "-": Outcome.MISSING}[letter]
        slot = Slot(Span(start + i * HOUR, start + (i + 1) * HOUR), outcome)
        if outcome is Outcome.BAD:
            bad.add(slot)
        writes.save_slot(conn, slo, slot, budget(slo, bad.spent(slo, slot.span.end), slot.span.end))
        writes.save_watch(conn, slo, Watch(), slot)


def quarter_start() -> datetime:
    return quarters.quarter_starts(datetime.now(UTC))[0]


def test_quarters_begin_with_their_first_month_and_reach_over_a_year():
    starts = quarters.quarter_starts(datetime(2026, 5, 17, 12, tzinfo=UTC))
    assert [f"{start:%Y-%m-%d %H}" for start in starts] == [
        "2026-04-01 00",
        "2026-01-01 00",
        "2025-10-01 00",
        "2025-07-01 00",
    ]


def test_attainment_is_of_time_and_each_quarter_has_its_own(engine, declared):
    start = quarter_start()
    with engine.begin() as conn:
        live(conn, declared, "GGGGGGBBGG", start - 10 * HOUR)
        live(conn, declared, "GGG-GGGGGGGGGGGGGGGB", start)
        report = quarters.read(conn, Declared.of(declared))
    now, before = ({one.slo: one for one in quarter.attained}["rank"] for quarter in report.quarters[:2])
    assert (before.share, before.is_met) == (pytest.approx(0.8), False)
    assert before.spent == pytest.approx(4.0)
    assert (now.share, now.is_met) == (pytest.approx(0.95), True)  # what is missing is no worse than good
    assert [quarter.attained for quarter in report.quarters[2:]] == [(), ()]


def test_time_to_recover_is_the_median_of_what_is_over(engine, declared):
    start = quarter_start()
    with engine.begin() as conn:
        live(conn, declared, "G", start)
        for i, hours in enumerate((1, 2, 9, None)):
            began = start + 10 * i * HOUR
            ended = None if hours is None else began + hours * HOUR
            state = AlertState.FIRING if ended is None else AlertState.RESOLVED
            alert = Alert(STREAM, "rank", AlertKind.PAGE, state, began, began, ended)
            writes.save_alert(conn, alert, labels={"team": "care"}, annotations={}, muted=False)
        report = quarters.read(conn, Declared.of(declared))
    assert quarters.recovery(report.quarters[0].incidents) == 2 * HOUR
    assert "4 pages, 0 tickets" in executive.recoveries(report)
    assert quarters.recovery(()) is None


def test_the_page_tells_teams_and_incidents(page, seeded_url):  # noqa: F811
    shown = text(page(seeded_url, "executive"))
    assert "objectives met so far" in shown
    assert "care" in shown
    assert "docs-search" in shown
    assert "still open" in shown


def test_the_page_says_so_where_nothing_was_measured(page, postgres_url):  # noqa: F811
    app = page(postgres_url, "executive")
    assert "No objective has counted a window yet" in app.info[0].value
