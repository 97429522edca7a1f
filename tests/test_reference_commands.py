"""`drift reference`, as the person who runs the service meets it."""

import json
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import LENGTH, START, STREAM, FakeEncoder, healthy, spans
from typer.testing import CliRunner

from drift.alert import Alert, AlertKind, AlertState
from drift.cli import app
from drift.config import load
from drift.pipeline.references import Source, ensure_reference
from drift.records import Rows, Window
from drift.store import references, writes
from drift.wiring.build import build_monitor

CONFIG = """\
streams:
  - id: search
    model: my-encoder
    dim: 8
    reference: {path: golden.parquet, rows: 400}
    detectors: [variance_ratio]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, postgres_url):
    """A folder with a configuration and its reference, and an empty database."""
    (tmp_path / "drift.yaml").write_text(CONFIG)
    write(tmp_path / "golden.parquet", vector=healthy(300, 1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def write(path, **columns: object) -> None:
    given = {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in columns.items()}
    pq.write_table(pa.table(given), path)


def drift(*words: str):
    return CliRunner().invoke(app, ["reference", *words])


def told(*words: str, status: int = 0):
    """What the command says to programs."""
    done = drift(*words, "--json")
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def started(engine, path, *, rows=400, encoder=None, hours=0, **source):
    """The reference that the service has after a start."""
    at = START + timedelta(hours=hours)
    with engine.begin() as conn:
        return ensure_reference(conn, STREAM, Source(path, encoder, rows, by="anna@host", **source), now=at)


def started_as_configured(engine, folder):
    """The reference that the service of the folder's configuration has after a start."""
    config = load(folder / "drift.yaml")
    with engine.begin() as conn:
        return build_monitor(config, config.streams[0], engine, folder, conn, now=START).references["search"]


def test_references_are_listed_with_what_they_are_and_which_is_in_use(folder, engine):
    first = started(engine, folder / "golden.parquet")
    write(folder / "golden.parquet", input=["hello", "hello", *(f"text {i}" for i in range(50))])
    second = started(engine, folder / "golden.parquet", encoder=FakeEncoder(), hours=1)
    newest, oldest = told("list")
    assert (newest["version"], oldest["version"]) == (second.version, first.version)
    assert (newest["in_use"], oldest["in_use"]) == (True, False)
    assert (newest["rows"], newest["copies"], newest["by"], newest["fingerprint"]) == (51, 1, "anna@host", "fake")
    assert (oldest["rows"], oldest["fingerprint"]) == (300, "")
    assert oldest["created_at"].startswith("2026-03-02T12:00")
    shown = drift("list").output
    assert second.version[:12] in shown
    assert "in use" in shown


def test_a_list_of_none_says_how_to_make_one(folder):
    assert told("list") == []
    assert "drift reference create" in " ".join(drift("list").output.split())


def test_one_reference_is_shown_in_full(folder, engine):
    texts = [f"text {i}" for i in range(40)]
    languages = ["de"] * 10 + ["en"] * 29 + [None]
    write(folder / "golden.parquet", input=texts, lang=languages, label=["a"] * 15 + [None] * 25)
    made = started(engine, folder / "golden.parquet", encoder=FakeEncoder(), segments=("lang",))
    with engine.begin() as conn:
        references.save_bank(conn, made.version, "joint of 32 rows", np.zeros((7, 3)))
    found = told("show", "search")
    assert found["version"] == made.version
    assert (found["rows"], found["dim"], found["inputs"], found["labels"]) == (40, 8, 40, 15)
    assert found["segments"] == {"lang": {"en": 29, "de": 10, "-": 1}}
    assert found["encoder"] == {"weights": "fake", "torch": "1"}
    assert (found["fitted"], found["calibrating"]) == (20, 20)
    assert found["banks"] == [{"key": "joint of 32 rows", "windows": 7}]
    shown = " ".join(drift("show", "search", made.version[:5]).output.split())
    for word in (made.version, "anna@host", "2026-03-02 12:00:00 UTC", "en 29, de 10, - 1", "torch", "7 of joint"):
        assert word in shown


def test_references_of_the_same_inputs_have_one_inputs_checksum(folder, engine):
    write(folder / "golden.parquet", input=[f"text {i}" for i in range(40)])
    started(engine, folder / "golden.parquet", encoder=FakeEncoder())
    one = told("show", "search")
    with engine.begin() as conn:
        kept = references.reference(conn, "search", one["version"])
        turned = kept.rows.vectors[:, ::-1].copy()
        other = type(kept)("search", type(kept.rows)(turned, inputs=kept.rows.inputs), START)
        references.save(conn, other)
    two = told("show", "search", other.version)
    assert one["inputs_checksum"] == two["inputs_checksum"] != ""
    assert one["version"] != two["version"]


def test_a_reference_that_is_not_there_is_an_error_that_lists_those_that_are(folder, engine):
    assert "no reference of 'search' is kept" in drift("show", "search").output
    made = started(engine, folder / "golden.parquet")
    done = drift("show", "search", "nothing")
    assert done.exit_code == 1
    assert made.version[:12] in done.output
    assert "search has some" in drift("show", "serch").output


def test_a_version_that_fits_two_references_is_refused(folder, engine):
    made = started(engine, folder / "golden.parquet")
    with engine.begin() as conn:
        twin = type(made)("search", made.rows, START, version=made.version[:5] + "x" * 59)
        references.save(conn, twin)
    done = drift("show", "search", made.version[:5])
    assert done.exit_code == 1
    assert "2 of them" in done.output
    assert told("show", "search", made.version[:6])["version"] == made.version


# Made by hand.


def test_a_reference_is_made_from_a_file_and_is_in_use_at_the_next_start(folder, engine):
    started(engine, folder / "golden.parquet")
    write(folder / "later.parquet", vector=np.concatenate([healthy(200, 2), healthy(20, 2)]))
    made = told("create", "search", "--from", "later.parquet")
    assert {"rows": 200, "copies": 20, "kept": True, "new": True, "in_use": True}.items() <= made.items()
    assert made["source"].startswith("later.parquet (content ")
    assert started_as_configured(engine, folder).version == made["version"]
    assert told("show", "search")["version"] == made["version"]


def test_a_stream_that_never_ran_starts_with_the_reference_made_for_it(folder, engine):
    write(folder / "later.parquet", vector=healthy(200, 2))
    made = told("create", "search", "--from", "later.parquet")
    assert started_as_configured(engine, folder).version == made["version"]


def test_inputs_are_encoded_by_the_encoder_of_the_stream(folder):
    (folder / "drift.yaml").write_text(CONFIG.replace("dim: 8", "dim: 384\n    encoder: {model: bundled, threads: 1}"))
    write(folder / "texts.parquet", input=[f"text {i}" for i in range(20)])
    made = told("create", "search", "--from", "texts.parquet")
    assert (made["rows"], made["dim"]) == (20, 384)
    assert told("show", "search")["encoder"]["pooling"] == "mean"


def test_the_same_rows_give_the_same_reference(folder):
    one = told("create", "search", "--from", "golden.parquet")
    two = told("create", "search", "--from", "golden.parquet")
    assert (one["version"], one["new"], two["version"], two["new"]) == (one["version"], True, one["version"], False)
    assert len(told("list")) == 1
    assert "kept already" in drift("create", "search", "--from", "golden.parquet").output


def test_a_dry_run_says_the_same_and_writes_nothing(folder):
    dry = told("create", "search", "--from", "golden.parquet", "--dry-run")
    assert told("list") == []
    wet = told("create", "search", "--from", "golden.parquet")
    assert {name for name in wet if wet[name] != dry[name]} == {"kept", "in_use"}


def test_what_to_make_a_reference_from_must_be_said_once(folder):
    period = ("--golden", "2026-03-02", "2026-03-03")
    assert drift("create", "search").exit_code == 2
    assert drift("create", "search", "--from", "golden.parquet", *period).exit_code == 2
    assert "is not before" in drift("create", "search", "--golden", "2026-03-03", "2026-03-02").output
    assert "known are: search" in drift("create", "serch", "--from", "golden.parquet").output


# From a golden period.


@pytest.fixture
def served(folder, engine):
    """Ten stored windows of 50 rows each, of which the window says in its first dimension which it is."""
    with engine.begin() as conn:
        for i, span in enumerate(spans(10)):
            vectors = healthy(50, i)
            vectors[:, 0] = i + 1
            inputs = tuple(f"{i + 1}: {row}" for row in range(50))
            writes.save_window(conn, Window(STREAM, span, Rows(vectors, inputs=inputs), 50))
    return folder


def between(first: int, last: int) -> tuple[str, str, str]:
    """The period from the start of window `first` until the end of window `last`."""
    since, until = (START + i * LENGTH for i in (first, last + 1))
    return ("--golden", f"{since:%Y-%m-%dT%H:%M:%S}", f"{until:%Y-%m-%dT%H:%M:%S}")


def fire(engine, window: int, *, kind=AlertKind.PAGE, stream="search", resolved=True):
    """An alert that fired at the end of that window on what it and the one before it had."""
    end = START + (window + 1) * LENGTH
    until = end + timedelta(seconds=1) if resolved else None
    state = AlertState.RESOLVED if resolved else AlertState.FIRING
    began = end - 2 * LENGTH
    alert = Alert(stream, "spread", kind, state, end, fired_at=end, resolved_at=until, looked_from=began)
    with engine.begin() as conn:
        writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)


def test_a_golden_period_gives_a_sample_of_its_windows_in_random_order(served, engine):
    made = told("create", "search", *between(2, 7))
    assert made["rows"] == 300
    with engine.connect() as conn:
        rows = references.reference(conn, "search", made["version"]).rows
    windows = rows.vectors[:, 0].round().astype(int)
    assert sorted(set(windows)) == [3, 4, 5, 6, 7, 8]
    assert all(text.startswith(f"{window}: ") for text, window in zip(rows.inputs, windows, strict=True))
    assert len(set(rows.inputs)) == 300
    assert len(set(windows[:60])) == 6  # not one window after the other
    assert told("create", "search", *between(2, 7))["version"] == made["version"]
    assert "6 windows of production, 2026-03-02T12:10" in made["source"]


def test_of_a_long_period_no_more_rows_are_taken_than_a_reference_has(served):
    assert told("create", "search", *between(0, 9))["rows"] == 400


def test_a_period_in_which_an_alert_fired_is_refused_unless_its_windows_are_left_out(served, engine):
    fire(engine, 4)
    done = drift("create", "search", *between(2, 7))
    assert done.exit_code == 1
    assert "page spread of search at 2026-03-02 12:25" in " ".join(done.output.split())
    made = told("create", "search", *between(2, 7), "--despite-alerts")
    assert made["rows"] == 150  # of windows 3 and 4 the alert tells, and in 5 it was still firing
    assert "3 windows with alerts left out" in made["note"]
    assert told("create", "search", *between(6, 9))["rows"] == 200


def test_an_alert_that_still_fires_or_of_a_segment_counts_and_one_on_missing_data_does_not(served, engine):
    fire(engine, 0, kind=AlertKind.NODATA, resolved=False)
    assert drift("create", "search", *between(0, 9)).exit_code == 0
    fire(engine, 8, stream="search/lang=de", resolved=False)
    assert drift("create", "search", *between(0, 6)).exit_code == 0
    assert drift("create", "search", *between(0, 9)).exit_code == 1
    fire(engine, 1, stream="other", resolved=False)
    assert drift("create", "search", *between(0, 6)).exit_code == 0


def test_a_period_without_vectors_says_how_long_they_are_kept(served):
    done = drift("create", "search", "--golden", "2025-01-01", "2025-01-02")
    assert done.exit_code == 1
    assert "retention.vectors" in done.output
    assert "kept for 14d: there are none from before" in told("create", "search", *between(0, 9))["note"]


# Pinned.


def test_a_pinned_version_is_used_until_it_is_unpinned(folder, engine):
    first = told("create", "search", "--from", "golden.parquet")["version"]
    assert "at its next start" in drift("pin", "search", first[:12]).output
    write(folder / "later.parquet", vector=healthy(200, 2))
    second = told("create", "search", "--from", "later.parquet")
    assert not second["in_use"]
    assert started_as_configured(engine, folder).version == first
    assert {row["version"]: (row["in_use"], row["pinned"]) for row in told("list")} == {
        second["version"]: (False, False),
        first: (True, True),
    }
    assert second["version"][:12] in drift("pin", "search", "--none").output
    assert started_as_configured(engine, folder).version == second["version"]


def test_an_unknown_version_cannot_be_pinned_and_those_there_are_are_listed(folder):
    made = told("create", "search", "--from", "golden.parquet")
    done = drift("pin", "search", "nothing")
    assert done.exit_code == 1
    assert made["version"][:12] in done.output
    assert drift("pin", "search").exit_code == 2
