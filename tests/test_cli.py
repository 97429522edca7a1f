"""The command line, as a newcomer meets it."""

import json
import os
import re
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from fakes import START, FakeEncoder, healthy
from typer.testing import CliRunner

from drift.alert import Alert, AlertKind, AlertState
from drift.cli import app
from drift.records import Span
from drift.store import jobs, reads, references, tables, writes
from drift.store.connect import connect
from drift.wiring import encoders
from drift.wiring.replay import in_order

CONFIG = """\
streams:
  - id: search
    model: my-encoder
    dim: 8
    reference: {path: golden.parquet}
    detectors: [variance_ratio, effective_rank, valid_ratio]
"""
LENGTH = timedelta(minutes=5)


WORDS = [
    "run",
    "demo",
    "check",
    "migrate",
    "status",
    "replay",
    "compare",
    "diagnose",
    "reference",
    "maintenance",
    "retrain",
    "webhook",
    "rules",
    "slo",
    "db",
]


def write_rows(path, vectors: np.ndarray, times=None) -> None:
    columns = {"vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])}
    if times is not None:
        columns["time"] = pa.array(times)
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def folder(tmp_path, monkeypatch, postgres_url):
    """A folder with a configuration, its reference and its history: twelve healthy windows, then ten bad ones."""
    (tmp_path / "drift.yaml").write_text(CONFIG)
    write_rows(tmp_path / "golden.parquet", healthy(512, 1))
    windows = [healthy(80, i) * (5 if i >= 12 else 1) for i in range(22)]
    times = [START + i * LENGTH + j * timedelta(seconds=3) for i in range(22) for j in range(80)]
    write_rows(tmp_path / "history.parquet", np.concatenate(windows), times)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    return tmp_path


def drift(*words: str):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("command", WORDS)
def test_every_command_teaches(command):
    done = subprocess.run(
        [sys.executable, "-m", "drift", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert "Usage" in done.stdout
    assert len(done.stdout.splitlines()) > 8


def test_a_good_file_checks_out(folder):
    done = drift("check")
    assert done.exit_code == 0, done.output
    assert "512 rows" in done.output


def test_check_says_how_many_rows_of_a_reference_are_copies(folder):
    write_rows(folder / "golden.parquet", np.concatenate([healthy(512, 1), healthy(40, 1)]))
    assert "512 rows, 40 more left out as copies" in " ".join(drift("check").output.split())


def test_check_says_how_many_pages_chance_will_raise(folder):
    (folder / "drift.yaml").write_text(CONFIG.replace("detectors: [", "detectors: [joint, "))
    rows = {row["what"]: row["detail"] for row in json.loads(drift("check", "--json").stdout)}
    assert re.match(r"at most \S+ a year by chance, .* over 1 objectives", rows["false pages"])


def test_check_tries_everything_and_ends_non_zero(folder):
    extra = "receivers:\n  alertmanagers: [{url: 'http://127.0.0.1:1'}]\n"
    (folder / "drift.yaml").write_text(CONFIG.replace("golden", "gone") + extra)
    done = drift("check", "--json")
    assert done.exit_code == 1
    found = {row["what"]: row["fault"] for row in json.loads(done.output)}
    assert "gone.parquet" in found["stream search: reference of search"]
    assert "does not answer" in found["alertmanager http://127.0.0.1:1"]
    assert found["database"] == ""


def test_an_unknown_detector_or_parameter_suggests_the_nearest(folder):
    (folder / "drift.yaml").write_text(CONFIG.replace("effective_rank", "effective_rnk"))
    assert "did you mean 'effective_rank'" in drift("check").output
    (folder / "drift.yaml").write_text(CONFIG + "detectors: {variance_ratio: {min_row: 3}}\n")
    assert "did you mean 'min_rows'" in drift("check").output


def test_advice_with_brackets_in_it_is_printed_as_it_is(folder):
    (folder / "drift.yaml").write_text(CONFIG.replace("golden.parquet", "'[/b]gone[db].parquet'"))
    done = drift("check")
    assert "[/b]gone[db].parquet" in done.output
    assert "[db]" in drift("run", "[/b][db].yaml").output


def test_an_objective_on_a_p_value_that_is_not_there_is_found_by_check(folder):
    (folder / "drift.yaml").write_text(
        CONFIG + "slos: [{name: rank, detector: effective_rank, p_value_at_least: 0.01}]\n"
    )
    done = drift("check")
    assert done.exit_code == 1
    assert "the p-value of effective_rank, which gives none" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DRIFT_PORT", "99999", "DRIFT_PORT: '99999'"),
        ("DRIFT_DASHBOARD_PORT", "8600", "each needs its own"),
        ("DRIFT_DATABASE_URL", "not a url", "write postgresql://"),
    ],
)
def test_a_bad_setting_is_an_error_and_not_a_traceback(folder, monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    done = drift("status")
    assert done.exit_code == 1
    assert said in done.output


def test_a_home_that_cannot_be_written_is_an_error_and_not_a_traceback(folder, monkeypatch):
    monkeypatch.delenv("DRIFT_DATABASE_URL")
    monkeypatch.setenv("DRIFT_HOME", str(folder / "drift.yaml"))
    done = drift("status")
    assert (done.exit_code, isinstance(done.exception, SystemExit)) == (1, True)
    assert "drift.yaml" in done.output


def test_a_bad_file_is_an_error_and_not_a_traceback(folder):
    (folder / "drift.yaml").write_text("streams: x\n")
    done = drift("check")
    assert done.exit_code == 1
    assert "drift.yaml:1" in done.output
    assert "Traceback" not in done.output


def test_check_prints_schema_and_example():
    assert json.loads(drift("check", "--schema").output)["title"] == "Config"
    assert "streams:" in drift("check", "--example").output


def test_status_before_anything_was_measured_says_what_to_do(folder):
    assert "drift run" in drift("status").output
    assert json.loads(drift("status", "--json").output) == []


def test_replayed_history_fills_budgets_and_sends_nothing(folder, postgres_url):
    done = drift("replay", "history.parquet", "--stream", "search", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["windows"], report["new"]) == (22, 22)
    assert any({"slo": "spread", "kind": "page", "state": "firing"}.items() <= one.items() for one in report["alerts"])
    status = json.loads(drift("status", "--json").output)
    assert (status[0]["slo"], status[0]["state"]) == ("spread", "page")
    assert "spread" in drift("status").output
    engine = connect(postgres_url)
    with engine.connect() as conn:
        assert {row.state for row in reads.deliveries(conn)} <= {"muted"}
    engine.dispose()


def test_alerts_of_a_replay_come_in_order_of_time():
    def fired(slo: str, started: int, fired: int) -> reads.AlertRow:
        first, then = (START + timedelta(minutes=minutes) for minutes in (started, fired))
        return reads.AlertRow(Alert("search", slo, AlertKind.PAGE, AlertState.FIRING, first, then), {}, {})

    rows = [fired("late", 10, 15), fired("pending for long", 0, 20), fired("early", 5, 5)]
    assert [row.alert.slo for row in in_order(rows)] == ["early", "late", "pending for long"]


def test_a_dry_run_tells_the_same_and_leaves_no_row(folder, postgres_url):
    dry = json.loads(drift("replay", "history.parquet", "--stream", "search", "--dry-run", "--json").stdout)
    engine = connect(postgres_url)
    with engine.connect() as conn:
        assert [t.name for t in tables.metadata.sorted_tables if conn.execute(sa.select(t)).first()] == []
    engine.dispose()
    wet = json.loads(drift("replay", "history.parquet", "--stream", "search", "--json").stdout)
    again = json.loads(drift("replay", "history.parquet", "--stream", "search", "--dry-run", "--json").stdout)
    assert dry == wet == again


def test_a_stream_of_which_only_the_past_was_replayed_takes_its_first_row_when_the_service_starts(folder, postgres_url):
    drift("replay", "history.parquet", "--stream", "search")
    engine = connect(postgres_url)
    with engine.begin() as conn:
        assert [row.open_from for row in reads.streams(conn)] == [None]
        writes.register(conn, reads.streams(conn)[0].stream, team="", open_from=START)
        assert [row.open_from for row in reads.streams(conn)] == [START]
        writes.register(conn, reads.streams(conn)[0].stream, team="", open_from=START + LENGTH)
        assert [row.open_from for row in reads.streams(conn)] == [START]
    engine.dispose()


def test_history_is_not_replayed_before_what_waits_is_measured(folder, postgres_url):
    engine = connect(postgres_url)
    with engine.begin() as conn:
        jobs.add(conn, "search", [Span(START, START + LENGTH)], now=START)
    engine.dispose()
    done = drift("replay", "history.parquet", "--stream", "search")
    assert done.exit_code == 1
    assert "wait to be measured" in done.output


def test_history_cannot_be_replayed_into_the_middle_of_what_was_counted(folder):
    drift("replay", "history.parquet", "--stream", "search")
    done = drift("replay", "history.parquet", "--stream", "search")
    assert done.exit_code == 1
    assert "--dry-run" in done.output


def test_a_replay_can_be_bounded_and_have_windows_of_its_own(folder):
    words = ("--since", START.strftime("%Y-%m-%dT%H:%M:%S"), "--window", "10m", "--json")
    report = json.loads(drift("replay", "history.parquet", "--stream", "search", *words).stdout)
    assert report["windows"] == 11
    assert "30s, 5m" in drift("replay", "history.parquet", "--stream", "search", "--window", "5x").output
    assert drift("replay", "history.parquet", "--stream", "serch").exit_code == 1


def test_migrate_down_asks_before_it_deletes(folder):
    assert drift("migrate").exit_code == 0
    assert CliRunner().invoke(app, ["migrate", "base", "--down"], input="n\n").exit_code == 1
    assert drift("status").exit_code == 0
    assert drift("migrate", "base", "--down", "--yes").exit_code == 0


def test_an_unknown_fault_of_the_demo_lists_the_known_ones():
    done = drift("demo", "--fault", "nonsense")
    assert done.exit_code == 1
    assert "data-shift" in done.output


def test_a_stored_window_is_diagnosed_by_its_streams_key(folder):
    assert drift("replay", "history.parquet", "--stream", "search").exit_code == 0
    done = drift("diagnose", "search", "--json")
    assert done.exit_code == 0, done.output
    newest = json.loads(done.output)
    assert newest["causes"][0]["cause"] == "missing-normalisation"
    assert newest["start"] == (START + 21 * LENGTH).isoformat()
    then = (START + 2 * LENGTH + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
    older = json.loads(drift("diagnose", "search", "--window", then, "--json").output)
    assert older["start"] == (START + 2 * LENGTH).isoformat()
    assert older["causes"][0]["cause"] == "none"


def test_a_stored_window_is_held_against_the_reference_that_is_named(folder):
    assert drift("replay", "history.parquet", "--stream", "search").exit_code == 0
    engine = connect(os.environ["DRIFT_DATABASE_URL"])
    with engine.connect() as conn:
        (kept,) = references.references(conn, "search")
    version = kept.version
    engine.dispose()
    then = ("--window", START.strftime("%Y-%m-%dT%H:%M:%S"))
    named = drift("diagnose", "search", "--reference", version[:8], *then, "--json")
    assert named.output == drift("diagnose", "search", *then, "--json").output
    wrong = drift("diagnose", "search", "--reference", "nothing", *then)
    assert wrong.exit_code == 1
    assert version[:12] in wrong.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("searhc",), "no file and no stream is called 'searhc'; known streams are: search"),
        (("search",), "has no window with rows yet"),
        (("search", "--window", "2020-01-01"), "no window with rows at 2020-01-01"),
        (("golden.parquet",), "say with --reference which file"),
        (("search", "--config", "gone.yaml"), "is no file; if it is a stream"),
    ],
)
def test_what_cannot_be_diagnosed_is_said(folder, words, said):
    done = drift("diagnose", *words)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())


def test_check_says_how_far_productions_own_vectors_are_from_the_encoders(folder, monkeypatch):
    texts = [f"text {i}" for i in range(300)]
    right = FakeEncoder().encode(texts)
    monkeypatch.setattr(encoders, "load", lambda spec: FakeEncoder())
    encoders.build_encoder.cache_clear()
    (folder / "drift.yaml").write_text(CONFIG.replace("valid_ratio]", "skew]") + "    encoder: {model: bundled}\n")

    def told(vectors: np.ndarray) -> dict[str, str]:
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
        pq.write_table(pa.table({"vector": flat, "input": texts}), folder / "golden.parquet")
        rows = json.loads(drift("check", "--json").output)
        return next(row for row in rows if row["what"] == "stream search: noise floor")

    assert "cosines of 1.000000 and more" in told(right)["detail"]
    shaken = right + 0.1 * healthy(300, 5)
    assert "set `detectors: {skew: {tolerance: " in told(shaken.astype(np.float32))["fault"]
    encoders.build_encoder.cache_clear()
