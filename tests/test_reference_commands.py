"""`drift reference`, as the person who runs the service meets it."""

import json
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import START, STREAM, FakeEncoder, healthy
from typer.testing import CliRunner

from drift.cli import app
from drift.pipeline.references import Source, ensure_reference
from drift.store import references

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
