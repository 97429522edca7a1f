"""`drift slo backtest`: the alerts that recorded slots would have had, beside those that they did."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from typer.testing import CliRunner

from drift.alert import AlertState, Watch, transition
from drift.cli import app
from drift.records import Span
from drift.simulation import EPOCH, made_up
from drift.slo import BudgetingMethod, Ledger, Outcome, Sli, Slo, budget, parse_sequence
from drift.store import writes

LENGTH = timedelta(minutes=5)
START = datetime(2026, 3, 1, tzinfo=UTC)
# What the service had when it recorded: a rule that needs no more than three bad slots.
TRAFFIC = Slo("traffic", "search", Sli("joint"), Fraction("0.99"), LENGTH, alpha=Fraction("0.002"))
CONFIG = """\
streams:
  - {id: search, model: m, dim: 8, reference: {path: golden.parquet}, merge: []}
slos:
  - {name: traffic, detector: joint, p_value_at_least: 0.002, target: 0.95}
"""


def record(engine, slo: Slo, sequence: str, start: datetime = START) -> None:
    """Write slots and the alerts that they raised, as the service does."""
    watch, ledger = Watch(), Ledger()
    with engine.begin() as conn:
        for made in made_up(slo, parse_sequence(sequence)):
            slot = replace(made, span=Span(made.span.start + (start - EPOCH), made.span.end + (start - EPOCH)))
            if slot.outcome is Outcome.BAD or slot.events:
                ledger.add(slot)
            left = budget(slo, ledger.spent(slo, slot.span.end), slot.span.end)
            step = transition(watch, slo, slot, left)
            watch = step.watch
            writes.save_slot(conn, slo, slot, left)
            writes.save_watch(conn, slo, watch, slot)
            for alert in step.changed:
                if alert.state is not AlertState.PENDING:
                    writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)


@pytest.fixture
def past(engine, tmp_path, monkeypatch, postgres_url):
    """Six bad windows: they paged under the target of then, and do not under that of the file."""
    record(engine, TRAFFIC, "G*300,B*6,G*100")
    (tmp_path / "drift.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    return tmp_path


def drift(*words: str):
    return CliRunner().invoke(app, ["slo", "backtest", "--until", "2026-03-10", *words])


def found(*words: str) -> dict:
    done = drift("--json", *words)
    assert done.exit_code == 0, done.output
    (one,) = json.loads(done.stdout)
    return one


def test_the_configuration_of_today_is_held_against_what_fired(past):
    one = found()
    assert (one["stream"], one["slo"], one["slots"]) == ("search", "traffic", 406)
    assert one["would_fire"]["page"] == 0
    assert one["fired"]["page"] == 1


def test_a_file_says_another_policy_and_slots_stay_as_long_as_they_were(past):
    (past / "slo.yaml").write_text("{target: 0.99, alpha: 0.002, interval: 1h}")
    one = found("--slo", "slo.yaml")
    page = one["transitions"][0]
    assert (page["state"], page["event"], page["tier"]) == ("page", "firing", "fast")
    assert datetime.fromisoformat(page["at"]) == START + 303 * LENGTH
    assert one["would_fire"]["page"] == one["fired"]["page"] == 1


def test_what_was_before_is_remembered_and_not_told(past):
    (past / "slo.yaml").write_text("{target: 0.99, alpha: 0.002}")
    since = START + 304 * LENGTH  # the page fires by then
    one = found("--slo", "slo.yaml", "--since", f"{since:%Y-%m-%d %H:%M:%S}")
    assert [(e["state"], e["event"]) for e in one["transitions"][:1]] == [("page", "resolved")]
    assert (one["would_fire"]["page"], one["fired"]["page"], one["slots"]) == (0, 0, 102)


def test_only_the_stream_and_objective_that_are_asked_for(past, engine):
    record(engine, replace(TRAFFIC, name="novelty"), "G*3")
    record(engine, replace(TRAFFIC, stream="other"), "G*3")
    (past / "slo.yaml").write_text("{target: 0.9, interval: 1h}")
    words = ["--slo", "slo.yaml", "--force", "--json"]
    asked = [(one["stream"], one["slo"]) for one in json.loads(drift(*words).stdout)]
    assert asked == [("other", "traffic"), ("search", "novelty"), ("search", "traffic")]
    (one,) = json.loads(drift(*words, "--stream", "search", "--objective", "novelty").stdout)
    assert (one["stream"], one["slo"]) == ("search", "novelty")


def test_people_see_both_counts_and_when(past):
    (past / "slo.yaml").write_text("{target: 0.99, alpha: 0.002}")
    shown = drift("--slo", "slo.yaml").stdout
    assert "1/1" in shown
    assert "2026-03-02 01:15" in shown


def test_events_on_record_are_judged_by_the_target_that_is_asked_about(past, engine):
    events = Slo("rows", "search", Sli("valid_ratio", at_least=0.5), Fraction("0.5"), LENGTH)
    record(engine, replace(events, method=BudgetingMethod.OCCURRENCES), "0/256*300,100/256*12,0/256*90")
    (past / "slo.yaml").write_text("{target: 0.99, budgeting_method: Occurrences}")
    one = found("--slo", "slo.yaml", "--objective", "rows")
    assert (one["would_fire"]["page"], one["fired"]["page"]) == (1, 0)
    refused = drift("--slo", "slo.yaml", "--objective", "traffic")
    assert "no events of search/traffic are on record" in refused.stderr


def test_a_stream_that_never_had_rows_has_no_events_and_costs_others_nothing(past, engine):
    events = Slo("rows", "search", Sli("valid_ratio", at_least=0.5), Fraction("0.5"), LENGTH)
    record(engine, replace(events, method=BudgetingMethod.OCCURRENCES), "M*9")
    (past / "slo.yaml").write_text("{target: 0.99, budgeting_method: Occurrences}")
    assert found("--slo", "slo.yaml", "--objective", "rows")["would_fire"]["page"] == 0


def test_a_policy_that_could_not_work_is_refused(past):
    (past / "slo.yaml").write_text("target: 0.8")
    done = drift("--slo", "slo.yaml")
    assert done.exit_code == 1
    assert "93.06%" in done.stderr
    assert drift("--slo", "slo.yaml", "--force").exit_code == 0


def test_no_history_is_an_error_that_says_where_to_look(past):
    done = drift("--stream", "serach")
    assert done.exit_code == 1
    assert "no slot of serach is on record" in done.stderr
    assert "drift status" in done.stderr
