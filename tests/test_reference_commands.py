"""`drift reference`, as the person who runs the service meets it."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
from drift.wiring import encoders
from drift.wiring.build import build_monitor

CONFIG = """\
streams:
  - id: search
    model: my-encoder
    dim: 8
    reference: {path: golden.parquet, rows: 400}
    detectors: [variance_ratio]
"""


SAME = "60 inputs of the reference search@{} get the vectors that were kept"


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
    (line,) = [line for line in shown.splitlines() if second.version[:12] in line]
    assert str(folder / "golden.parquet") in line  # a list that goes into a file is not folded
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
            languages = {"lang": ("de", "en") * 25}
            writes.save_window(conn, Window(STREAM, span, Rows(vectors, inputs=inputs, segments=languages), 50))
    return folder


def between(first: int, last: int) -> tuple[str, str, str]:
    """The period from the start of window `first` until the end of window `last`."""
    since, until = (START + i * LENGTH for i in (first, last + 1))
    return ("--golden", f"{since:%Y-%m-%dT%H:%M:%S}", f"{until:%Y-%m-%dT%H:%M:%S}")


def fire(engine, window: int, *, kind=AlertKind.PAGE, stream="search", slo="spread", resolved=True):
    """An alert that fired at the end of that window on what it and the one before it had."""
    end = START + (window + 1) * LENGTH
    until = end + timedelta(seconds=1) if resolved else None
    state = AlertState.RESOLVED if resolved else AlertState.FIRING
    began = end - 2 * LENGTH
    alert = Alert(stream, slo, kind, state, end, fired_at=end, resolved_at=until, looked_from=began)
    with engine.begin() as conn:
        writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)


def test_a_golden_reference_knows_the_segments_of_its_rows(served, engine):
    made = told("create", "search", *between(2, 7))
    with engine.connect() as conn:
        rows = references.reference(conn, "search", made["version"]).rows
    odd = [int(text.partition(": ")[2]) % 2 for text in rows.inputs]
    assert rows.segments["lang"] == tuple("en" if each else "de" for each in odd)


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


def test_an_alert_that_still_fires_or_of_a_segment_counts_and_one_that_tells_of_no_rows_does_not(served, engine):
    fire(engine, 0, kind=AlertKind.NODATA, resolved=False)
    fire(engine, 0, slo="environment", resolved=False)
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


# Encoded again.


@dataclass(frozen=True)
class Turned(FakeEncoder):
    """The fake encoder, of which the vectors of some inputs have their dimensions in another order."""

    some: int = 3
    noise: float = 0.0

    def encode(self, inputs):
        vectors = super().encode(inputs) + np.float32(self.noise)
        at = [i for i, text in enumerate(inputs) if int(text.split()[1]) < self.some]
        vectors[at] = vectors[at, ::-1]
        return vectors


@pytest.fixture
def encode(folder, monkeypatch):
    """Has the stream encoded by the encoder that it is called with, from now on."""
    (folder / "drift.yaml").write_text(CONFIG.replace("dim: 8", "dim: 8\n    encoder: {model: ours}"))
    write(folder / "golden.parquet", input=[f"text {i}" for i in range(60)])

    def by(encoder):
        encoders.build_encoder.cache_clear()
        monkeypatch.setattr(encoders, "load", lambda spec: encoder)

    yield by
    encoders.build_encoder.cache_clear()


@pytest.fixture
def made(encode):
    """A reference of 60 inputs, encoded by the fake encoder."""
    encode(FakeEncoder())
    return told("create", "search", "--from", "golden.parquet")["version"]


def test_an_encoder_that_gives_the_same_leaves_the_reference(made, encode):
    assert told("recompute", "search")["changed"] is False
    encode(Turned(fingerprint="other", described={"weights": "fake", "torch": "2"}, some=0, noise=1e-7))
    again = told("recompute", "search")
    assert (again["changed"], again["kept"], again["rows"], again["moved"]) == (False, False, 60, 0)
    assert again["encoder"] == [{"part": "torch", "was": "1", "now": "2"}]
    assert [row["version"] for row in told("list")] == [made]


def test_one_that_gives_something_else_is_a_finding_and_a_new_reference(made, encode, engine, folder):
    encode(Turned(fingerprint="other", described={"weights": "fake", "torch": "2"}))
    again = told("recompute", "search", status=1)
    assert (again["changed"], again["kept"], again["in_use"]) == (True, True, True)
    assert (again["moved"], again["failing"], again["share"]) == (3, 3, 0.05)
    assert again["worst"] < 0.99 < again["longest"]
    newest, before = told("list")
    assert (newest["version"], before["version"]) == (again["version"], made)
    assert newest["source"].endswith(f"recomputed from {made[:12]}")
    assert started_as_configured(engine, folder).version == again["version"]
    assert told("recompute", "search")["changed"] is False


def test_what_was_remembered_of_the_encoder_is_not_asked(made, encode):
    encode(Turned())  # whose fingerprint is the same: the machine computes otherwise
    assert told("recompute", "search", status=1)["moved"] == 3


@dataclass(frozen=True)
class Ending(FakeEncoder):
    """The fake encoder, which notes what it is asked, and ends the process after so many pieces."""

    pieces: int = 99
    asked: list[str] = field(default_factory=list)

    def encode(self, inputs):
        if len(self.asked) >= self.pieces * len(inputs):
            raise KeyboardInterrupt
        self.asked.extend(inputs)
        return super().encode(inputs)


@pytest.mark.parametrize(("later", "left"), [(timedelta(hours=3), 20), (timedelta(days=2), 60)])
def test_one_that_was_ended_goes_on_where_it_was_on_the_same_day(made, encode, folder, monkeypatch, later, left):
    monkeypatch.setattr("drift.encoder.cache.PIECE", 20)
    encode(Ending(pieces=2))
    assert drift("recompute", "search").exit_code == 130
    (job,) = folder.rglob("recompute-*.sqlite")
    at = (datetime.now(UTC) - later).timestamp()
    os.utime(job, (at, at))
    for count in (left, 60):  # then it begins anew
        encode(encoder := Ending())
        assert told("recompute", "search")["changed"] is False
        assert len(encoder.asked) == count
        assert not [*folder.rglob("recompute-*")]


def test_a_dry_run_of_it_keeps_nothing(made, encode):
    encode(Turned())
    assert told("recompute", "search", "--dry-run", status=1)["version"] is None
    assert len(told("list")) == 1
    assert "beyond the tolerance of skew: 3 (5.0%)" in drift("recompute", "search", "--dry-run").output


def test_a_pinned_reference_stays_pinned_though_it_changed(made, encode):
    drift("pin", "search", made)
    encode(Turned())
    assert told("recompute", "search", status=1)["in_use"] is False
    assert told("show", "search")["version"] == made


def test_vectors_from_production_are_not_recomputed(encode, folder):
    encode(FakeEncoder())
    write(folder / "served.parquet", vector=healthy(50), input=[f"text {i}" for i in range(50)])
    told("create", "search", "--from", "served.parquet")
    done = drift("recompute", "search")
    assert done.exit_code == 2
    assert "came from production" in " ".join(done.output.split())


def test_without_an_encoder_there_is_nothing_to_recompute_with(folder):
    told("create", "search", "--from", "golden.parquet")
    done = drift("recompute", "search")
    assert done.exit_code == 2
    assert "has no encoder" in " ".join(done.output.split())


# Checked.


def checked(folder):
    done = CliRunner().invoke(app, ["check", "--json"])
    return done.exit_code, {row["what"]: row for row in json.loads(done.stdout)}["stream search: environment"]


def test_check_says_whether_the_encoder_still_gives_the_reference_in_use(made, encode, folder):
    assert checked(folder) == (0, {"what": "stream search: environment", "fault": "", "detail": SAME.format(made[:12])})
    encode(Turned(fingerprint="other", described={"weights": "fake", "torch": "2"}))
    status, found = checked(folder)
    assert status == 1
    assert f"3 of 60 inputs of the reference search@{made[:12]} get another vector here" in found["fault"]
    assert "(torch 1 -> 2)" in found["fault"]
    drift("recompute", "search")
    assert checked(folder)[0] == 0


def test_check_of_a_stream_that_has_no_reference_yet_is_no_fault(encode, folder):
    encode(FakeEncoder())
    assert "no reference is kept yet" in checked(folder)[1]["detail"]
    CliRunner().invoke(app, ["migrate", "base", "--down", "--yes"])
    assert "no reference is kept yet" in checked(folder)[1]["detail"]


# Compared.


def test_two_references_are_compared_row_by_row(made, encode):
    encode(Turned(fingerprint="other", described={"weights": "fake", "torch": "2"}))
    new = told("recompute", "search", status=1)["version"]
    found = told("diff", "search", made[:8], new[:8])
    assert (found["old"]["version"], found["new"]["version"]) == (made, new)
    assert (found["paired"], found["added"], found["removed"], found["changed"]) == (60, 0, 0, 3)
    assert found["encoder"] == [{"part": "torch", "was": "1", "now": "2"}]
    said = drift("diff", "search", made, new).output
    assert "60 paired (3 with another vector, 0 with another label), 0 added, 0 removed" in said
    assert "torch 1 -> 2" in said


def test_references_of_other_rows_are_compared_by_distribution(folder):
    write(folder / "golden.parquet", vector=healthy(400, 1))
    write(folder / "later.parquet", vector=healthy(300, 2)[:, ::-1] * np.linspace(0.2, 3, 8, dtype=np.float32))
    old, new = (told("create", "search", "--from", f"{name}.parquet")["version"] for name in ("golden", "later"))
    found = told("diff", "search", old, new)
    assert (found["paired"], found["added"], found["removed"], found["likeness"]) == (0, 300, 400, None)
    assert found["distribution"]["rows"] == 20
    assert found["distribution"]["p_value"] < 0.01
    assert "of foreign rows would do" in drift("diff", "search", old, new).output
