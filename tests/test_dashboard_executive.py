"""The page for those who answer for what was promised: attainment, budgets and incidents, by team and quarter."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from test_dashboard import config_file, page, rows, seeded_url, text  # noqa: F401

from dashboard import attained, executive, quarters, spending, words
from dashboard.attained import Attained
from dashboard.declared import Declared
from drift.alert import Alert, AlertKind, AlertState, Watch
from drift.config import load
from drift.records import Measurement, Span
from drift.slo import BudgetingMethod, Events, Ledger, Outcome, Slot, budget
from drift.slo.false_alarms import false_alarms
from drift.store import attainment, encoders, false_alerts, writes
from drift.store.attainment import Begun
from drift.store.connect import connect
from drift.store.encoders import Encoding
from drift.store.false_alerts import Mark
from drift.store.partitions import ensure_month

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


def test_a_window_that_ends_at_midnight_is_of_the_day_before(engine, declared):
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    with engine.begin() as conn:
        live(conn, declared, "BBBG", day - 2 * HOUR)
        found = attainment.bad_days(conn, [STREAM], since=day - timedelta(days=2))
    assert found == {day - timedelta(days=1): 2 * HOUR, day: HOUR}


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
        live(conn, declared, "GGGGGGBGGB", start - 10 * HOUR)  # the last ends as the next quarter begins
        live(conn, declared, "GGG-GGGGGGGGGGGGGGGB", start)
        report = quarters.read(conn, Declared.of(declared))
    now, before = ({one.slo: one for one in quarter.attained}["rank"] for quarter in report.quarters[:2])
    assert (before.share, before.is_met) == (pytest.approx(0.8), False)
    assert before.spent == pytest.approx(4.0)
    assert (now.share, now.is_met) == (pytest.approx(0.95), True)  # what is missing is no worse than good
    assert [quarter.attained for quarter in report.quarters[2:]] == [(), ()]


def test_what_is_not_declared_any_more_is_neither_met_nor_missed(engine, declared):
    with engine.begin() as conn:
        live(conn, declared, "B" * 60, quarter_start())  # its budget is spent
        known, unknown = quarters.read(conn, Declared.of(declared)), quarters.read(conn, None)
        retired = replace(Declared.of(declared), objectives={STREAM: {}})
        gone = quarters.read(conn, retired)
    assert (known.overspent, gone.overspent, unknown.overspent) == ({"care": [STREAM]}, {}, None)
    assert "0 of 1 objective met so far" in executive.verdict(known)
    for report in (unknown, gone):
        assert "how many objectives are met is not known" in executive.verdict(report)
        assert "not known" in executive.teams(report)
        assert "✓" not in executive.teams(report)
        assert "is not known" in executive.worst(report.quarters[0])


def test_a_file_that_changes_is_read_anew_and_not_after_minutes(page, seeded_url, config_file, tmp_path, monkeypatch):  # noqa: F811
    path = tmp_path / "drift.yaml"
    path.write_text(config_file.read_text())
    monkeypatch.setattr("sys.argv", ["app.py", "--config", str(path)])
    assert "objectives met so far" in text(page(seeded_url, "executive"))
    path.write_text("streams: 7")
    assert "how many objectives are met is not known" in text(page(seeded_url, "executive"))


def test_an_objective_that_counts_events_attains_the_share_of_good_ones(engine, declared):
    start, known = quarter_start(), Declared.of(declared)
    slo = replace(known.slos(STREAM)["rank"], method=BudgetingMethod.OCCURRENCES)
    counts = replace(known, objectives={STREAM: {"rank": slo}})
    with engine.begin() as conn:
        live(conn, declared, "G", start - HOUR)
        for i, good in enumerate((98, 9_900)):  # one bad window of two is half of the time, and 1 % of the events
            span = Span(start + i * HOUR, start + (i + 1) * HOUR)
            outcome, events = (Outcome.GOOD if i else Outcome.BAD), Events(good, 10_000 if i else 100)
            writes.save_slot(
                conn, slo, Slot(span, outcome, events), budget(slo, Ledger().spent(slo, span.end), span.end)
            )
        report = quarters.read(conn, counts)
    now, before = (quarter.attained[0] for quarter in report.quarters[:2])
    assert (now.share, now.is_met) == (pytest.approx(9_998 / 10_100), True)
    assert before.share == 1  # nothing was counted


def save_page(
    conn, began, ended, *, state=AlertState.RESOLVED, muted=False, slo="rank", kind=AlertKind.PAGE, stream=STREAM
) -> Alert:
    alert = Alert(stream, slo, kind, state, began, began, ended)
    writes.save_alert(conn, alert, labels={"team": "care"}, annotations={}, muted=muted)
    return alert


def test_time_to_recover_is_the_median_of_what_is_over(engine, declared):
    start = quarter_start()
    with engine.begin() as conn:
        live(conn, declared, "G", start)
        for i, hours in enumerate((1, 2, 9, None)):
            began = start + i * timedelta(milliseconds=1)
            ended = None if hours is None else began + hours * HOUR
            state = AlertState.FIRING if ended is None else AlertState.RESOLVED
            save_page(conn, began, ended, state=state, stream=f"{STREAM}-{i}")
        report = quarters.read(conn, Declared.of(declared))
    assert quarters.recovery(report.quarters[0].incidents) == 2 * HOUR
    assert "4 incidents, 4 paged, 1 still open" in executive.recoveries(report)
    assert quarters.recovery(()) is None


def test_false_pages_are_counted_beside_what_chance_may_raise(engine, declared):
    start = quarter_start()
    with engine.begin() as conn:
        live(conn, declared, "G" * 24, start)
        for i in range(4):
            began = start + i * timedelta(milliseconds=1)
            alert = save_page(conn, began, began + HOUR)
            if i == 0:
                false_alerts.mark(conn, alert.id, Mark("anna", began))
        report = quarters.read(conn, Declared.of(declared))
    found = quarters.false_pages(report.quarters[0])["care"]
    assert (found.pages, found.false) == (4, 1)
    assert found.expected == 0.0  # `rank` judges a value, and says nothing of chance
    assert "1 of 4 pages false, 25\u202f%" in executive.falsely(report)


def test_replayed_alerts_are_listed_as_such_and_counted_nowhere(engine, declared):
    start = quarter_start()
    with engine.begin() as conn:
        live(conn, declared, "G" * 24, start)
        for i in range(2):
            began = start + i * timedelta(milliseconds=1)
            save_page(conn, began, began + HOUR, muted=i == 0, stream=f"{STREAM}-{i}")
        report = quarters.read(conn, Declared.of(declared))
    assert "1 incident, 1 paged" in executive.recoveries(report)
    assert quarters.false_pages(report.quarters[0])["care"].pages == 1
    assert executive.latest(report).count("✓ resolved page (replayed)<") == 1
    assert f"{start:%Y-%m-%d %H:%M} UTC" in executive.latest(report)


def test_of_more_alerts_than_are_read_it_is_said_so(engine, declared, monkeypatch):
    start = quarter_start()
    with engine.begin() as conn:
        live(conn, declared, "G" * 24, start)
        for i in range(3):
            save_page(conn, start + i * HOUR, start + (i + 0.5) * HOUR)
        whole = quarters.read(conn, Declared.of(declared))
        monkeypatch.setattr(quarters, "ALERTS", 2)
        cut = quarters.read(conn, Declared.of(declared))
    assert "Only the newest" not in executive.recoveries(whole)
    assert "2 incidents, 2 paged" in executive.recoveries(cut)
    assert "Only the newest 2 alerts are counted" in executive.recoveries(cut)


def test_the_newest_incidents_come_first_whether_they_are_open_or_over(engine, declared):
    start = quarter_start()
    with engine.begin() as conn:
        live(conn, declared, "G" * 24, start)
        for i, ended in enumerate((None, start + 2 * HOUR)):
            state, began = AlertState.RESOLVED if ended else AlertState.FIRING, start + i * HOUR
            alert = Alert(f"{STREAM}-{i}", f"slo{i}", AlertKind.PAGE, state, began, began, ended)
            writes.save_alert(conn, alert, labels={"team": "care"}, annotations={}, muted=False)
        report = quarters.read(conn, Declared.of(declared))
    assert [group[0].alert.slo for group in report.quarters[0].incidents] == ["slo1", "slo0"]


def test_alerts_of_one_fault_are_one_incident_as_on_the_page_of_incidents(page, postgres_url, declared):  # noqa: F811
    unit = HOUR / 60
    at = datetime.now(UTC) - 3 * unit
    engine = connect(postgres_url)
    with engine.begin() as conn:
        live(conn, declared, "G", quarter_start())
        for i, slo in enumerate(("rank", "spread", "valid")):  # one fault, three objectives
            kind = AlertKind.TICKET if i else AlertKind.PAGE
            save_page(conn, at + i * unit / 60, at + unit + i * unit / 30, slo=slo, kind=kind)
        save_page(conn, at + 2 * unit, at + 2.5 * unit, kind=AlertKind.TICKET)
        save_page(conn, at, None, state=AlertState.FIRING, slo="traffic", kind=AlertKind.NODATA)
        save_page(conn, at, None, state=AlertState.PENDING, stream="docs-search")
        report = quarters.read(conn, Declared.of(declared))
    engine.dispose()
    assert [quarters.lasted(group) for group in report.quarters[0].told] == [unit / 2, None]
    assert "2 incidents, 1 paged, 1 still open" in executive.recoveries(report)
    assert "half of the others recovered within 30" in executive.recoveries(report)
    assert executive.latest(report).count("<tr") == 3
    shown = page(postgres_url, "incidents", episode="resolved", kind=["page", "ticket"])
    assert len(rows(shown)) == 1
    assert "2 incidents open, 1 resolved in this time" in text(shown)


def test_a_bar_that_is_nearly_spent_is_not_green_and_what_was_kept_is_told_in_words():
    quarter = quarters.Quarter(
        quarter_start(),
        quarter_start() + HOUR,
        tuple(
            Attained("care", STREAM, f"slo-{share}", share, 0.95, 2 * HOUR) for share in (0.9499, 0.9525, 0.99, 0.99999)
        ),
        (),
    )
    missed, late, fine = executive.worst(quarter).split("<tr")[2:]
    assert 'class="bar spent"' in missed
    assert f"<small>not met, over {words.length(2 * HOUR)}</small>" in missed
    assert 'class="bar low"' in late
    assert f"<small>met, over {words.length(2 * HOUR)}</small>" in late
    assert 'class="bar "' in fine


def test_what_chance_may_raise_is_that_of_the_time_that_an_objective_lived(declared):
    slo = next(slo for slo in declared.slos_of(declared.stream(STREAM), declared.stream(STREAM).stream) if slo.alpha)
    start = quarter_start()
    begun = [Begun(STREAM, slo.name, start - 400 * 24 * HOUR, start + 73 * 24 * HOUR)]
    lived = attained.Lived({STREAM: "care"}, Declared.of(declared), begun, {}, {}, attained.Chance())
    (one,) = lived.attained(start, start + 90 * 24 * HOUR)
    assert one.false_pages == pytest.approx(false_alarms(slo, float(slo.alpha)).pages * 73 / 365)


def test_encoding_is_priced_by_quarter_and_by_what_it_buys(engine, config_file):  # noqa: F811
    config = config_file.read_text().replace(
        "    reference: {path: docs.parquet}", "    encoder: {}\n    reference: {path: docs.parquet}"
    )
    path = config_file.with_name("priced.yaml")
    path.write_text(config)
    start = quarter_start()
    at = datetime.now(UTC)
    done = Encoding("bundled", 500_000, 7200.0, 3600.0, 5.0)
    with engine.begin() as conn:
        encoders.add(conn, start.date(), [done])
        encoders.add(conn, start.date(), [done])
        encoders.add(conn, (start - 24 * HOUR).date(), [replace(done, cost=0.0, gpu_seconds=0.0)])
        for i, value in enumerate((0.5, 1.4, 0.6)):
            span = Span(at - (i + 1) * HOUR, at - i * HOUR)
            ensure_month(conn, span.start)
            writes.record(conn, [Measurement("docs-search", span, "effective_rank", "f" * 64, value, 100)])
        starts = quarters.quarter_starts(at)
        found = spending.read(conn, Declared.of(load(path)), starts, {"docs-search": "search"}, at)
    (one,) = found
    assert (one.teams, one.share) == (
        ("search",),
        pytest.approx(0.7),
    )  # more than the reference uses is not more than all
    now, before = one.quarters[:2]
    assert (now.inputs, now.gpu_seconds, now.per_million) == (1_000_000, 7200.0, 10.0)
    assert (before.inputs, before.per_million) == (500_000, None)
    shown = re.sub(r"[\u202f\u00a0]", " ", spending.section(found, ["Q2", "Q1"] + ["Q0"] * 2))
    assert "14.3" in shown
    assert "10 a million, 1 000 000 inputs, 4 h of encoding, 2 h of it on a GPU" in shown


def test_the_page_tells_teams_and_incidents(page, seeded_url):  # noqa: F811
    shown = text(page(seeded_url, "executive"))
    assert "objectives met so far" in shown
    assert "care" in shown
    assert "docs-search" in shown
    assert "still open" in shown


def test_the_page_says_so_where_nothing_was_measured(page, postgres_url):  # noqa: F811
    app = page(postgres_url, "executive")
    assert "No objective has counted a window yet" in app.info[0].value
