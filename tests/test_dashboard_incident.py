"""The page of one incident: every alert's link leads to it, and it says what happened when, why, and what next."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
import seed
import sqlalchemy as sa
from fakes import variance_slo
from test_dashboard import config_file, html, page, seeded_url, text  # noqa: F401

from dashboard import diagnosis, episodes, incident, past, postmortem
from dashboard.declared import Declared
from dashboard.series import Range
from drift.alert import AlertKind
from drift.config import load
from drift.diagnosis import cause_of
from drift.records import Diagnosed, Diagnosis, Span
from drift.store import diagnoses, incidents, reads, tables, writes
from drift.store.connect import connect_reader


@pytest.fixture(scope="module")
def reader(seeded_url):  # noqa: F811
    engine = connect_reader(seeded_url)
    yield engine
    engine.dispose()


def episode(reader, stream: str, slo: str = "traffic") -> reads.AlertRow:
    """The newest page of an objective."""
    with reader.connect() as conn:
        return next(
            row
            for row in reads.alerts(conn, stream=stream)
            if row.alert.kind is AlertKind.PAGE and row.alert.slo == slo
        )


def link(row: reads.AlertRow) -> dict[str, str]:
    """The query of the link that the alert itself carries."""
    address = urlsplit(row.annotations["dashboard_url"])
    assert address.path == "/incident"
    return dict(parse_qsl(address.query))


def found(reader, config_file, stream: str) -> incident.Incident:  # noqa: F811
    wanted = incident.named(link(episode(reader, stream)))
    slo = Declared.of(load(config_file)).slos(stream)[wanted.slo]
    with reader.connect() as conn:
        return incident.read(conn, wanted, slo, show_inputs=False).incident


def plain(shown: str) -> str:
    return shown.replace("\u202f", " ")


def test_an_alerts_own_link_shows_the_cause_with_its_evidence_and_what_to_run(page, reader):  # noqa: F811
    app = page(seed_url(reader), "incident", **link(episode(reader, "docs-search")))
    shown = plain(text(app))
    assert "▲ page, firing" in shown
    assert "61 of 256 rows fail" in shown
    assert "Team search" in shown
    assert "missing-normalisation, rotated looked for in the vectors" in shown
    assert "query-17" in shown
    assert "answered 503 Service Unavailable" in shown
    assert 'href="https://runbooks.example/docs-search"' in html(app)


def test_the_command_that_names_the_fault_says_where_the_stream_is_declared(page, reader, config_file):  # noqa: F811
    (command, *_) = commands(page(seed_url(reader), "incident", **link(episode(reader, "docs-search"))))
    assert command.startswith("drift diagnose docs-search --window 2")
    assert command.endswith(f" --config {config_file}")


def commands(app) -> list[str]:
    """The commands to copy."""
    mounted = (json.loads(each.proto.json) for each in app.get("bidi_component"))
    return [one["command"] for data in mounted for one in data.get("commands", ())]


def seed_url(reader) -> str:
    return reader.url.render_as_string(hide_password=False)


def test_the_steps_of_a_past_incident_are_in_order_and_those_to_come_are_last(reader, config_file):  # noqa: F811
    past = found(reader, config_file, "support-tickets")
    names = [step.name for step in incident.steps(past)]
    assert names == ["First bad window", "Detected", "Fired", "Last bad window ended", "Recovered"]
    times = [step.at for step in incident.steps(past)]
    assert times == sorted(times)
    # The trouble lasts nine hours, as the seed has it.
    assert times[3] - times[0] == 9 * seed.HOUR
    assert incident.to_recover(past) == times[-1] - times[0]
    live = incident.steps(found(reader, config_file, "docs-search"))
    assert [step.name for step in live if step.at is None] == ["Acknowledged", "Retrain asked for", "Recovered"]
    assert [step.at is None for step in live] == sorted(step.at is None for step in live)


def test_alerts_of_the_same_stream_and_time_are_named_and_linked(page, reader):  # noqa: F811
    app = page(seed_url(reader), "incident", **link(episode(reader, "support-tickets")))
    assert "✓ resolved page rank support-tickets" in text(app)
    assert "incident?stream=support-tickets&amp;slo=rank&amp;kind=page&amp;since=" in html(app)


def test_alerts_of_the_same_model_or_cause_belong_together_and_those_of_another_cause_do_not(engine):
    at = datetime(2026, 3, 2, tzinfo=UTC)

    def alert(conn, stream: str, *, model: str, cause: str = "", slo: str = "traffic") -> None:
        fires = reads.Alert(stream, slo, AlertKind.PAGE, reads.AlertState.FIRING, at, at)
        annotations = {"cause": cause} if cause else {}
        writes.save_alert(conn, fires, labels={"model_id": model}, annotations=annotations, muted=False)

    with engine.begin() as conn:
        alert(conn, "search", model="m", cause="rotated")
        alert(conn, "search", model="m", cause="truncation", slo="rank")
        alert(conn, "search/lang=de", model="m")
        alert(conn, "searching", model="other")
        alert(conn, "shop", model="m", cause="unknown")
        alert(conn, "tickets", model="other", cause="rotated")
        mine = incidents.episode(conn, "search", "traffic", AlertKind.PAGE, at)
        found = incidents.related(conn, mine, Span(at, at + seed.HOUR))
        assert [row.alert.stream for row in found] == ["search/lang=de", "shop", "tickets"]
        assert incidents.related(conn, mine, Span(at - seed.HOUR, at)) == []
        undiagnosed = replace(mine, annotations={})
        found = incidents.related(conn, undiagnosed, Span(at, at + seed.HOUR))
        assert [(row.alert.stream, row.alert.slo) for row in found] == [
            ("search", "rank"),
            ("search/lang=de", "traffic"),
            ("shop", "traffic"),
        ]


def test_the_rule_on_which_it_fired_is_told_where_it_is_known_and_no_later_one(reader, config_file):  # noqa: F811
    past = found(reader, config_file, "support-tickets")

    def told(**annotations: str) -> tuple[str, str, str]:
        row = replace(past.row, alert=replace(past.row.alert, rule="slow"), annotations=annotations)
        changed = replace(past, row=row)
        (step,) = [step for step in incident.steps(changed) if step.name == "Fired"]
        (line,) = [each for each in postmortem.document(changed, []).splitlines() if each.startswith("- Alert")]
        return step.detail, line, episodes.why(row)

    assert told(fired_by="fast") == ("rule fast", "- Alert: page, resolved, fired by rule fast", "rule fast")
    assert told() == ("", "- Alert: page, resolved", "")


def test_a_change_of_the_reference_is_a_step(reader, config_file):  # noqa: F811
    past = found(reader, config_file, "support-tickets")
    changed = replace(past, held=(*past.held, incidents.Held("e" * 64, past.end)))
    assert "Reference changed" not in [step.name for step in incident.steps(past)]
    (step,) = [step for step in incident.steps(changed) if step.name == "Reference changed"]
    assert step.at == past.end
    assert "eeeeeeeeeeee" in step.detail


def test_the_cause_is_that_of_its_own_diagnosis_else_of_a_window_that_was_bad_for_it(engine):
    at = datetime(2026, 3, 2, tzinfo=UTC)
    good, bad = (Span(at + i * seed.HOUR, at + (i + 1) * seed.HOUR) for i in range(2))
    early, late = Span(bad.start, bad.start + seed.HOUR / 2), Span(bad.start + seed.HOUR / 2, bad.end)
    alert = reads.Alert("search", "skew", AlertKind.TICKET, reads.AlertState.FIRING, at, at)
    slot = {"stream": "search", "slo": "skew", "start": bad.start, "end": bad.end, "outcome": "bad"}
    slot |= {"remaining": 1, "rule": "", "burn_long": 0, "burn_short": 0}
    wanted = incident.Named("search", "skew", AlertKind.TICKET, at)
    with engine.begin() as conn:
        writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)
        conn.execute(sa.insert(tables.slot), slot)

        def shown(span: Span, slo: str, cause: str) -> incident.Incident:
            request = diagnoses.Request("search", slo, span)
            diagnoses.ask(conn, request, now=span.end)
            diagnoses.keep(conn, request, named(cause), now=span.end)
            return incident.read(conn, wanted, None, show_inputs=False).incident

        assert shown(good, "traffic", "traffic-mix").diagnosed is None
        assert shown(late, "traffic", "rotated").diagnosed.found.causes[0].cause == "rotated"
        own = shown(early, "skew", "quantised-storage")
    assert own.diagnosed.found.causes[0].cause == "quantised-storage"
    document = postmortem.document(own, incident.steps(own))
    assert "| quantised-storage | 90 % |" in document
    assert "| rotated |" not in document
    assert [(step.name, step.at) for step in incident.steps(own) if "Diagnosed" in step.name] == [
        ("Diagnosed", early.end),
        ("Diagnosed anew", late.end),
    ]


def test_a_window_that_looks_healthy_hides_no_cause_from_incident_or_stream(engine):
    at = datetime(2026, 3, 2, tzinfo=UTC)
    each = [Span(at + i * seed.HOUR, at + (i + 1) * seed.HOUR) for i in range(3)]
    alert = reads.Alert("search", "skew", AlertKind.TICKET, reads.AlertState.FIRING, at, at)
    wanted, whole = incident.Named("search", "skew", AlertKind.TICKET, at), Span(at, each[-1].end)
    slo = variance_slo(name="skew")
    with engine.begin() as conn:
        writes.save_alert(conn, alert, labels={}, annotations={"since": at.isoformat()}, muted=False)

        def shown(span: Span, asked_by: str, cause: str) -> tuple[str, str]:
            request = diagnoses.Request("search", asked_by, span)
            diagnoses.ask(conn, request, now=span.end)
            diagnoses.keep(conn, request, named(cause), now=span.end)
            own = incident.read(conn, wanted, None, show_inputs=False).incident.diagnosed
            stream = past.read(conn, slo, (), Range(fixed=whole)).diagnosed
            return own.found.causes[0].cause, stream.found.causes[0].cause

        assert shown(each[0], "skew", "none") == ("none", "none")
        assert shown(each[1], "skew", "rotated") == ("rotated", "rotated")
        assert shown(each[2], "skew", "none") == ("rotated", "rotated")
    said = {c: diagnosis.section(Diagnosed("search", "skew", whole, at, named(c)), "One") for c in ("none", "rotated")}
    assert [diagnosis.HEALTHY in section for section in said.values()] == [True, False]


def test_the_first_diagnosis_and_each_other_first_cause_is_a_step_and_what_says_the_same_is_none(reader, config_file):  # noqa: F811
    live = found(reader, config_file, "docs-search")
    (made,) = live.diagnoses
    causes = ("traffic-mix", "traffic-mix", "new-topic", "new-topic", "traffic-mix")
    each = [replace(made, made_at=made.made_at + i * seed.FIVE, found=named(c)) for i, c in enumerate(causes)]
    each[-1] = replace(each[-1], slo="skew")
    told = incident.steps(replace(live, diagnoses=tuple(reversed(each))))
    assert [(s.name, s.at - made.made_at, s.detail) for s in told if "Diagnosed" in s.name] == [
        ("Diagnosed", 0 * seed.FIVE, "traffic-mix, 90\u202f%"),
        ("Diagnosed anew", 2 * seed.FIVE, "new-topic, 90\u202f%"),
        ("Diagnosed anew", 4 * seed.FIVE, "traffic-mix, 90\u202f%, asked by skew"),
    ]


def named(cause: str) -> Diagnosis:
    return Diagnosis((cause_of(cause, 0.9, "seen"),), ())


def test_the_export_has_the_steps_and_the_cause_and_nothing_that_is_markup(reader, config_file):  # noqa: F811
    live = found(reader, config_file, "docs-search")
    document = postmortem.document(live, incident.steps(live))
    assert "| truncation | 82 % |" in document
    assert "cut to \\<64\\> tokens" in document
    assert f"| {live.bad_since:%Y-%m-%d %H:%M:%S} | start | First bad window |" in document
    assert "query-17" in document
    assert postmortem.plain("a|b\n# c <i>") == "a\\|b \\# c \\<i\\>"
    assert postmortem.name(live).startswith("incident-docs-search-traffic-2")


@pytest.mark.parametrize("query", [{}, {"kind": "page", "since": "yesterday"}, {"kind": "none", "since": "2026-01-01"}])
def test_an_address_that_names_no_incident_leads_to_the_list(page, postgres_url, query):  # noqa: F811
    app = page(postgres_url, "incident", **query)
    assert "No incident is named" in app.info[0].value
    assert 'href="incidents?"' in html(app)


def test_an_incident_that_is_not_kept_is_said_to_be_gone(page, postgres_url):  # noqa: F811
    app = page(postgres_url, "incident", stream="docs-search", slo="traffic", kind="page", since="2026-01-01T00:00:00Z")
    assert "began at 2026-01-01 00:00:00 UTC, or it is so old" in app.warning[0].value


def test_a_database_that_is_away_is_named(page, reader):  # noqa: F811
    app = page("postgresql://me@127.0.0.1:1/nowhere", "incident", **link(episode(reader, "docs-search")))
    assert "does not answer" in app.error[0].value


def test_an_incident_of_an_objective_that_is_not_declared_any_more_is_still_told(page, reader, monkeypatch):  # noqa: F811
    monkeypatch.setattr("sys.argv", ["app.py"])
    app = page(seed_url(reader), "incident", **link(episode(reader, "docs-search")))
    assert "What happened when" in text(app)
    assert "What was measured" not in text(app)
