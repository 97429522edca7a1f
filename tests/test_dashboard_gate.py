"""The page that says whether a new version may serve."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape

import pytest
import sqlalchemy as sa
from seed_releases import POOLED
from test_dashboard import config_file, html, page, seeded_url, text  # noqa: F401
from test_dashboard_operations import plain

from dashboard import release, words
from drift.gate.canary import known
from drift.records import CanaryRule, Gated, Judgement, Tally
from drift.store import gates, tables, versions
from drift.store.connect import connect

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def seeded(seeded_url):  # noqa: F811
    engine = connect(seeded_url)
    with engine.connect() as conn:
        yield release.read(conn)
    engine.dispose()


def test_the_newest_decision_is_told_whole_the_cause_first(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "gate")
    shown = plain(text(app))
    assert "The newest gate says fail of ./models/2026-11. 1 trial says keep waiting. 1 trial says roll back" in shown
    reasons = html(app).split("<ol>")[1].split("</ol>")[0]
    assert reasons.startswith(f"<li>{escape(POOLED.cause)}: {escape(POOLED.evidence)}</li>")
    assert "▲ fail compatibility 0.561 below 0.95 below 0.9 the recall@10" in shown
    assert "▲ fail compatibility lang=&lt;de&gt; 0.31" in shown
    assert "1 check of segments that pass" in shown


def test_a_link_names_the_decision_that_is_told(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "gate", id="9a41d2c07b")
    assert "Every check passed" in html(app)
    assert 'href="gate?id=msg_5f0c"' in html(app)
    assert html(app).count('<tr class="chosen">') == 1


def test_a_trial_tells_its_bounds_and_how_often_it_may_be_wrong(seeded):
    waiting, over = seeded.trials
    first, *others = waiting.tallies
    waiting = replace(waiting, tallies=(replace(first, low=-0.031, high=0.012), *others))
    shown = plain(release.trial(waiting, seeded.at))
    assert "keep waiting" in shown
    assert "is at most 5 %" in shown
    low, high = (plain(words.signed(bound)) for bound in (waiting.tallies[0].low, waiting.tallies[0].high))
    assert f"{low} to {high}" in shown
    assert escape(over.detail) in release.trial(over, seeded.at)


def test_bounds_are_kept_with_the_trial_as_they_were_decided_on(seeded):
    for trial in seeded.trials:
        assert trial.tallies == tuple(known(tally, trial.rule) for tally in trial.tallies)
    assert known(Tally("probe"), CanaryRule(("probe",))) == Tally("probe")


def test_a_version_serves_until_the_next_one(engine):
    with engine.begin() as conn:
        for version, days in (("1", 0), ("2", 2), ("1", 3)):
            row = {"stream": "search", "model": "encoder", "version": version, "since": NOW + days * DAY}
            conn.execute(sa.insert(tables.version).values(row))
        found = versions.every(conn)
    assert [(one.version, one.since) for one in found] == [("1", NOW + 3 * DAY), ("2", NOW + 2 * DAY), ("1", NOW)]
    at = NOW + 4 * DAY
    shown = plain(release.versions(release.Release(at, 1, (), (), tuple(found))))
    assert "2 until 5 Mar 00:00 UTC, 1 until 4 Mar 00:00 UTC" in shown


def test_a_gate_that_could_not_decide_says_why(page, postgres_url):  # noqa: F811
    engine = connect(postgres_url)
    with engine.begin() as conn:
        why = "MLflow does not give models:/encoder/<7>"
        gates.keep(conn, Gated("msg_1", Judgement("bundled", "models:/encoder/<7>", "error", (why,)), NOW))
    engine.dispose()
    shown = html(page(postgres_url, "gate"))
    assert "○ error" in shown
    assert f"<li>{escape(why)}</li>" in shown


def test_what_is_on_record_of_an_empty_database_is_said(page, postgres_url):  # noqa: F811
    assert "drift gate --record" in page(postgres_url, "gate").info[0].value
