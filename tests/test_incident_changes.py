"""What people did about an incident: acknowledged, retrained, tried beside another, rolled back, called false."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from test_dashboard import config_file, seeded_url  # noqa: F401
from test_dashboard_incident import found, reader  # noqa: F401

from dashboard import account, changes, episodes, incident, markup, postmortem, said
from dashboard.standing import Line, Standing
from drift.alert import Acknowledgement, Alert, AlertKind, AlertState
from drift.records import (
    Canary,
    CanaryRule,
    CanaryState,
    Coverage,
    Gated,
    Judgement,
    Maintenance,
    Retrain,
    RetrainState,
    Rows,
    Span,
    Stream,
    Tally,
    Window,
)
from drift.slo import Sli, Slo
from drift.store import canaries, gates, retrains, writes
from drift.store import changes as stored
from drift.store.changes import Changes, Served
from drift.store.reads import AlertRow, StreamRow

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ASKED = Retrain("msg_1", "m", "1", "search", "traffic", "r", AT, AT, RetrainState.REQUESTED, ("own",))
TRIAL = Canary(
    *("canary_1", "m", "search", "search-v2", "7", "8", CanaryRule(("probe",)), (Tally("probe"),), AT - HOUR, AT),
    state=CanaryState.ROLL_BACK, decided_at=AT + HOUR, detail="probe loses 4 % to 9 %",
)  # fmt: skip
FIRES = AlertRow(Alert("search", "traffic", AlertKind.PAGE, AlertState.FIRING, AT, AT), {}, {"summary": "it moved"})
CARE = Maintenance("care", Coverage("search"), (Span(AT, AT + HOUR),), "care", "index", "", "UTC", AT, "anna")
ANNA = Acknowledgement("anna", AT + 4 * MINUTE, "on <it>")


def told(known: Changes) -> list[tuple[str, datetime | None, str]]:
    return [(step.name, step.at, step.detail) for step in changes.steps(known)]


@pytest.mark.parametrize(
    ("intent", "steps"),
    [
        ({"state": RetrainState.WAITING}, [("Retraining approved", None, "not yet: it waits for a person")]),
        (
            {"by": "bob", "requested_at": AT + HOUR, "started_at": AT + 2 * HOUR, "state": RetrainState.STARTED},
            [("Retraining approved", AT + HOUR, "by bob"), ("Retraining started", AT + 2 * HOUR, "")],
        ),
        (
            {"state": RetrainState.SUCCEEDED, "ended_at": AT + HOUR, "new_version": "9", "detail": "took 2 h"},
            [("Retrained", AT + HOUR, "version 9, took 2 h")],
        ),
        (
            {"state": RetrainState.REJECTED, "ended_at": AT + HOUR, "by": "bob", "detail": "a season"},
            [("Retraining rejected", AT + HOUR, "by bob, a season")],
        ),
        (
            {"state": RetrainState.JOINED, "because": "msg_0"},
            [("No retraining asked for", AT, "another request is open: msg_0")],
        ),
    ],
)
def test_a_retraining_is_told_as_far_as_it_has_come(intent, steps):
    assert told(Changes(retrains=(replace(ASKED, **intent),))) == steps


def test_the_words_of_gate_and_canary_are_steps_with_the_version_to_go_back_to():
    gated = Gated("msg_1", Judgement("old", "new", "fail", ("recall is 0.5", "slow")), AT)
    assert told(Changes(gates=(gated,), trials=(TRIAL,))) == [
        ("Gate: fail", AT, "recall is 0.5"),
        ("Roll back, says the canary", AT + HOUR, "8 beside 7: back to 7; probe loses 4 % to 9 %"),
    ]


def test_an_earlier_version_that_serves_again_is_a_rollback_and_a_new_one_a_change():
    served = tuple(Served(version, AT + i * HOUR) for i, version in enumerate("787"))
    assert told(Changes(served=served)) == [
        ("Version changed", AT + HOUR, "rows come of 8, and not of 7"),
        ("Rolled back", AT + 2 * HOUR, "rows come of 7 again, and not of 8"),
    ]
    assert told(Changes(served=served[:1])) == []


def test_a_version_that_was_rolled_back_and_comes_again_is_no_rollback():
    served = tuple(Served(version, AT + i * HOUR) for i, version in enumerate("678687"))
    assert [name for name, *_ in told(Changes(served=served))] == [
        *("Version changed", "Version changed", "Rolled back", "Version changed", "Version changed"),
    ]


def keep(conn, start: datetime, versions: tuple[str | None, ...]) -> None:
    rows = Rows(np.ones((3, 2), np.float32), encoder_versions=versions)
    writes.save_window(conn, Window(Stream("search", "m", "7", 2), Span(start, start + MINUTE), rows, 3))


def test_what_was_done_is_found_for_the_alert_and_its_time_alone(engine):
    span = Span(AT - HOUR, AT + 3 * HOUR)
    first = replace(ASKED, id="msg_0", slo="rank", fired_at=AT - HOUR)
    joined = replace(ASKED, id="msg_2", state=RetrainState.JOINED, because="msg_0")
    of_other = replace(ASKED, id="msg_3", slo="rank", model="n")
    trials = (TRIAL, replace(TRIAL, id="c2", baseline="other"), replace(TRIAL, id="c3", decided_at=AT - 2 * HOUR))
    with engine.begin() as conn:
        for intent in (first, joined, of_other):
            retrains.add(conn, intent, b"{}")
        gates.keep(conn, Gated("msg_0", Judgement("a", "b", "pass"), AT + HOUR))
        for trial in trials:
            canaries.begin(conn, trial)
        keep(conn, AT, (None, None, None))
        keep(conn, AT + 1 * MINUTE, ("7", "7", "8"))
        keep(conn, AT + 2 * MINUTE, ("8", "8", None))
        keep(conn, AT + 3 * MINUTE, ("8", "8", "8"))
        keep(conn, AT + 4 * MINUTE, ("7", "7", "7"))
        known = stored.changes(conn, "search", "traffic", AT, span)
        of_segment = stored.changes(conn, "search/lang=de", "traffic", None, span)
    assert [intent.id for intent in known.retrains] == ["msg_0", "msg_2"]
    assert [gated.id for gated in known.gates] == ["msg_0"]
    assert [trial.id for trial in known.trials] == ["canary_1"]
    assert known.served == tuple(Served(v, AT + i * MINUTE) for v, i in (("7", 1), ("8", 2), ("7", 4)))
    assert (of_segment.retrains, of_segment.served) == ((), ())
    assert [trial.id for trial in of_segment.trials] == ["canary_1"]


def test_who_sees_one_tenant_is_told_nothing_of_what_was_done_about_another(live):
    mine, theirs = "search/tenant=acme", "search/tenant=globex"
    asked = (
        replace(ASKED, id="msg_0", stream=theirs, by="bob", detail="globex again"),
        replace(ASKED, id="msg_2", stream=mine, state=RetrainState.JOINED, because="msg_0"),
    )
    reasons = ("the overlap in segment 'globex' is 0.2",)
    decided = tuple(Gated(one.id, Judgement("a", "b", "fail", reasons, report="{}"), AT) for one in asked)
    every = incident.Found(AT, replace(live, changes=Changes(asked, decided, (TRIAL,))))
    narrowed = every.only(lambda key: key == mine).incident.changes
    assert told(narrowed) == [
        ("No retraining asked for", AT, "another request is open: msg_0"),
        ("Gate: fail", AT, ""),
        ("Roll back, says the canary", AT + HOUR, "8 beside 7: back to 7"),
    ]
    assert "globex" not in repr(narrowed)
    assert every.only(lambda key: True).incident.changes.retrains == asked


@pytest.fixture
def live(reader, config_file) -> incident.Incident:  # noqa: F811
    """A page that fires, and nothing done about it."""
    return found(reader, config_file, "docs-search")


def test_an_operator_can_copy_what_acts_and_nothing_that_is_done_already(live):
    waits = Changes(retrains=(replace(ASKED, state=RetrainState.WAITING),))
    assert [command.split()[1:3] for _, command in account.acting(replace(live, changes=waits))] == [
        ["alert", "acknowledge"],
        ["retrain", "approve"],
        ["maintenance", "add"],
        ["reference", "create"],
        ["alert", "mark-false"],
    ]
    over = replace(live.row.alert, state=AlertState.RESOLVED, resolved_at=live.at)
    done = replace(live, row=replace(live.row, alert=over, acknowledged=ANNA, false_by="anna"))
    assert [command.split()[1] for _, command in account.acting(done)] == ["reference"]
    assert f"drift alert acknowledge {live.row.alert.id}" in dict(account.acting(live)).values()


def test_who_looks_after_it_is_a_step_with_the_time_it_took(live):
    fired = live.row.alert.fired_at
    taken = replace(live, row=replace(live.row, acknowledged=replace(ANNA, at=fired + 4 * MINUTE), false_by="bob"))
    (step,) = [step for step in incident.steps(taken) if step.name == "Acknowledged"]
    assert step.at == fired + 4 * MINUTE
    assert "by anna, 4" in step.detail
    assert "after it fired: on <it>" in step.detail
    document = postmortem.document(taken, incident.steps(taken))
    assert "- Acknowledged: by anna after 4 min: on \\<it\\>" in document
    assert "- False page: says bob" in document
    assert "by anna, 4 min after it fired" in document
    assert "on &lt;it&gt;" in account.head(taken)
    assert "marked as false" not in account.head(live)


def test_what_came_before_the_incident_is_so_told_on_the_page_and_in_the_post_mortem(live):
    began = live.bad_since
    steps = [changes.Step(name, began + hours * HOUR) for name, hours in (("Before", -2), ("Began", 0), ("After", 3))]
    document, page = postmortem.document(live, steps), account.timeline(live, steps)
    assert [line.split(" | ")[1] for line in document.splitlines() if line.startswith("| 20")] == [
        "\N{MINUS SIGN} 2 h", "start", "+ 3 h",
    ]  # fmt: skip
    assert "\N{MINUS SIGN}\N{NARROW NO-BREAK SPACE}2\N{NARROW NO-BREAK SPACE}h" in page


def test_lists_of_alerts_and_the_fleet_say_who_looks_after_one_and_which_was_false():
    taken = replace(FIRES, acknowledged=ANNA, false_by="bob")
    line = Line(StreamRow(Stream("search", "m", "1", 2), "", AT), "traffic", None, Standing.PAGE, (taken,))
    for shown in (episodes.table([taken], {}, AT + HOUR), markup.fleet_table([line], AT + HOUR)):
        assert "acknowledged by anna after 4" in shown
        assert "on &lt;it&gt;" in shown
        assert "marked as false by bob" in shown
    assert said.lines(FIRES) == []


def test_the_first_line_of_the_fleet_counts_the_pages_that_somebody_knows_of_by_themselves():
    line = Line(StreamRow(Stream("search", "m", "1", 2), "", AT), "traffic", None, Standing.PAGE, (FIRES,))
    known = replace(line, alerts=(replace(FIRES, acknowledged=ANNA),), maintenance=CARE)
    assert said.unknown_first([known, line]) == [line, known]
    assert said.firing([line]) == "1 page is firing"
    assert said.firing([line, known]) == "2 pages are firing, of which 1 in maintenance and 1 acknowledged"


def test_what_comes_of_an_alert_at_the_moment_it_fires_is_told_after_it(reader, config_file):  # noqa: F811
    live = found(reader, config_file, "docs-search")
    joined = replace(ASKED, asked_at=live.row.alert.fired_at, state=RetrainState.JOINED)
    names = [step.name for step in incident.steps(replace(live, changes=Changes(retrains=(joined,))))]
    assert names.index("Fired") < names.index("No retraining asked for")


def test_the_first_bad_window_is_the_one_that_people_were_told_of(engine):
    slo = Slo("traffic", "search", Sli("mmd", at_least=0.8), Fraction("0.95"), MINUTE)
    first = AT - 30 * MINUTE  # good windows since then would begin the run anew
    wanted = incident.Named("search", "traffic", AlertKind.PAGE, AT)
    with engine.begin() as conn:
        for notes, declared in (({"since": first.isoformat()}, slo), ({"since": first.isoformat()}, None), ({}, slo)):
            writes.save_alert(conn, FIRES.alert, labels={}, annotations=notes, muted=False)
            known = incident.read(conn, wanted, declared, show_inputs=False).incident
            assert known.bad_since == (first if notes else AT - MINUTE)
