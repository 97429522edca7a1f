"""CLINC150 as Parquet through the real service: in-scope queries alarm nobody, out-of-scope ones do, by name."""

import csv
import gzip
import json
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import START
from typer.testing import CliRunner

from drift.cli import app
from drift.encoder.cache import CachedEncoder
from drift.encoder.load import EncoderSpec, load

DATA = Path(__file__).parents[2] / "shared/data/clinc150/clinc150.csv.gz"
WINDOW, ROWS = timedelta(minutes=5), 256
CONFIG = """\
streams:
  - id: assistant
    model: all-MiniLM-L6-v2
    dim: 384
    encoder: {model: bundled}
    reference: {path: reference.parquet}
    reencode: 16
"""


@pytest.fixture(scope="module")
def queries() -> dict[str, list[str]]:
    """Queries by split, and those that are out of scope, in random order."""
    path = Path(os.environ.get("DRIFT_CLINC150", DATA))
    if not path.is_file():
        text = f"CLINC150 is not at {path}: set DRIFT_CLINC150 to clinc150.csv.gz"
        pytest.fail(text) if os.environ.get("CI") == "true" else pytest.skip(text)
    found: dict[str, list[str]] = {"oos": []}
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            found.setdefault("oos" if row["domain"] == "oos" else row["split"], []).append(row["text"])
    rng = np.random.default_rng(0)
    return {split: [texts[i] for i in rng.permutation(len(texts))] for split, texts in found.items()}


def write(path: Path, windows: list[list[str]], encoder) -> None:
    texts = [text for window in windows for text in window]
    vectors = encoder.encode(texts)
    times = [START + i * WINDOW + timedelta(seconds=j) for i, window in enumerate(windows) for j in range(len(window))]
    vector = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    pq.write_table(pa.table({"vector": vector, "input": texts, "time": times}), path)


def test_out_of_scope_queries_page_and_in_scope_ones_do_not(queries, tmp_path, monkeypatch, postgres_url):
    encoder = CachedEncoder(load(EncoderSpec()))
    pq.write_table(pa.table({"input": queries["train"][:4096]}), tmp_path / "reference.parquet")
    test = [queries["test"][i * ROWS : (i + 1) * ROWS] for i in range(12)]
    far = int(0.2 * ROWS)
    mixed = [test[i][far:] + queries["oos"][i * far : (i + 1) * far] for i in range(12)]
    write(tmp_path / "traffic.parquet", test + mixed, encoder)
    (tmp_path / "drift.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    monkeypatch.setenv("DRIFT_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["replay", "traffic.parquet", "--stream", "assistant", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["windows"] == 24
    fired = [alert for alert in report["alerts"] if alert["kind"] == "page"]
    change = START + 12 * WINDOW
    assert all(alert["fired_at"] > change.isoformat() for alert in report["alerts"])
    assert "novelty" in {alert["slo"] for alert in fired}
    (novelty,) = [alert for alert in fired if alert["slo"] == "novelty"]
    assert novelty["fired_at"] <= (change + 10 * WINDOW).isoformat()
    assert "skew" not in {alert["slo"] for alert in fired}
