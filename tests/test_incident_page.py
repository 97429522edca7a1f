"""What an incident's page says of the rows that moved, the runbook beside it, and whether a service runs."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import seed
import sqlalchemy as sa
from fakes import MOVED
from test_dashboard import config_file, html, page, seeded_url, text  # noqa: F401
from test_dashboard_incident import episode, found, link, plain, reader, seed_url  # noqa: F401

from dashboard import account, diagnosis, incident, moved
from dashboard.declared import Declared
from drift.alert import AlertKind
from drift.config import load
from drift.records import Measurement, Rows, Span, Stream, Window
from drift.store import incidents, partitions, reads, tables, writes


def test_what_moved_is_told_by_another_detector_where_its_own_cannot(reader, config_file):  # noqa: F811
    wanted = incident.named(link(episode(reader, "support-tickets", "rank")))
    slo = Declared.of(load(config_file)).slos("support-tickets")["rank"]
    with reader.connect() as conn:
        past = incident.read(conn, wanted, slo, show_inputs=False).incident
    assert (slo.sli.detector, past.moved.detector) == ("effective_rank", "joint")
    assert "looks changed to joint" in moved.section(past.moved)


def test_what_moved_is_of_a_bad_window_and_not_of_a_good_one_before_its_end(engine):
    at = datetime(2026, 3, 2, tzinfo=UTC)
    bad, good = (Span(at + i * seed.HOUR, at + (i + 1) * seed.HOUR) for i in range(2))
    alert = reads.Alert("search", "traffic", AlertKind.PAGE, reads.AlertState.RESOLVED, at, at, at + 3 * seed.HOUR)
    slot = {"stream": "search", "slo": "traffic", "remaining": 1, "rule": "", "burn_long": 0, "burn_short": 0}
    slots = [slot | {"start": s.start, "end": s.end, "outcome": said} for s, said in ((bad, "bad"), (good, "good"))]
    with engine.begin() as conn:
        partitions.ensure_month(conn, at)
        writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)
        conn.execute(sa.insert(tables.slot), slots)
        seen = [
            Measurement("search", span, "joint", "f" * 64, 0.4, 80, p_value=0.001, attribution=MOVED)
            for span in (bad, good)
        ]
        writes.record(conn, seen)
        found = incident.read(
            conn, incident.Named("search", "traffic", AlertKind.PAGE, at), None, show_inputs=False
        ).incident
    assert found.moved.span == bad


def test_the_runbook_stands_beside_it_with_what_it_says_of_the_objectives_detector(page, reader):  # noqa: F811
    app = page(seed_url(reader), "incident", **link(episode(reader, "docs-search")))
    (beside,) = [folded for folded in app.expander if folded.label == "Runbook"]
    # Streamlit keeps open what was opened for as long as its label stays, whatever is inside: <details> it draws anew.
    assert [folded.label for folded in app.expander] == ["Runbook", diagnosis.RULED_OUT, moved.ROWS]
    assert "<details" not in html(app)
    assert "When to escalate" in html(beside)
    assert '<h3 id="joint">' in html(beside)
    assert '<h3 id="effective_rank">' not in html(beside)


def test_an_open_incident_says_when_no_service_runs_and_one_that_is_over_does_not(page, engine):  # noqa: F811
    at = datetime.now(UTC) - seed.DAY
    stream = Stream("docs-search", "all-MiniLM-L6-v2", "2026-10", 4)
    fires = reads.Alert("docs-search", "traffic", AlertKind.PAGE, reads.AlertState.FIRING, at, at)
    over = replace(fires, slo="rank", state=reads.AlertState.RESOLVED, resolved_at=at + seed.HOUR)
    with engine.begin() as conn:
        writes.register(conn, stream, team="search", open_from=at)
        for alert in (fires, over):
            writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)
    query = {"stream": "docs-search", "kind": "page", "since": at.isoformat()}
    url = engine.url.render_as_string(hide_password=False)
    says = "No window was closed for 1 d"
    assert says in plain(text(page(url, "incident", slo="traffic", **query)))
    assert says not in plain(text(page(url, "incident", slo="rank", **query)))


def test_inputs_are_shown_only_where_the_configuration_allows_it(page, reader, tmp_path, monkeypatch):  # noqa: F811
    query = link(episode(reader, "docs-search"))
    hidden = text(page(seed_url(reader), "incident", **query))
    assert "Inputs of single rows are not shown" in hidden
    assert "such as query-17" in hidden
    assert "a question about" not in hidden
    allowed = tmp_path / "drift.yaml"
    allowed.write_text(seed.CONFIG.replace("    team: search\n", "    team: search\n    show_inputs: true\n"))
    monkeypatch.setattr("sys.argv", ["app.py", "--config", str(allowed)])
    shown = text(page(seed_url(reader), "incident", **query))
    assert "a question about" in shown
    assert "no id, place 4" in shown


def test_inputs_are_those_of_the_rows_asked_for(engine):
    span = Span.containing(datetime(2026, 3, 2, tzinfo=UTC), seed.HOUR)
    rows = Rows(np.ones((4, 2), np.float32), inputs=("zero", None, "two", "three"))
    with engine.begin() as conn:
        writes.save_window(conn, Window(Stream("search", "m", "1", 2), span, rows, 4))
        assert incidents.inputs(conn, "search", span.start, [2, 1, 3, 9]) == {2: "two", 3: "three"}
        assert incidents.inputs(conn, "search", span.end, [2]) == {}


def test_what_has_moved_most_is_told_while_it_is_open_and_not_of_the_good_window_at_its_end(reader, config_file):  # noqa: F811
    live = found(reader, config_file, "docs-search")
    row = replace(live.row, annotations={"moved_most": "probe 0.1, where healthy windows give 0.55 to 0.825"})
    assert "probe 0.1" in account.head(replace(live, row=row))
    over = replace(row, alert=replace(row.alert, state=reads.AlertState.RESOLVED, resolved_at=live.at))
    assert "probe 0.1" not in account.head(replace(live, row=over))
