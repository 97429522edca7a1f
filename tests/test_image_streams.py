"""A stream of images: its reference, its skew, and the name of its fault."""

import base64
from dataclasses import replace

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import STREAM, make_monitor, spans
from image_models import content, picture, url, vit
from pydantic import ValidationError
from structlog.testing import capture_logs
from typer.testing import CliRunner

from collectors.bodies import parse_body
from detectors.skew import Skew
from drift.cli import app
from drift.config import EncoderConfig
from drift.diagnosis.diagnose import diagnose
from drift.diagnosis.language import changed_features
from drift.encoder.cache import CachedEncoder
from drift.encoder.load import EncoderSpec, load
from drift.pipeline import measure
from drift.records import NONE, Reference, Rows, Window

CONFIG = """\
streams:
  - id: search
    model: my-encoder
    dim: 16
    reference: {path: golden.parquet}
    encoder: {model: ./model, pooling: cls, threads: 1}
    detectors: [skew]
"""
DIM = 16
PICTURES = [picture(seed) for seed in range(40)]
INPUTS = tuple(url(each) for each in PICTURES)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load(EncoderSpec(str(vit(tmp_path_factory.mktemp("vit"))), pooling="cls", device="cpu", threads=1))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same architecture with other weights."""
    return load(EncoderSpec(str(vit(tmp_path_factory.mktemp("vit"), seed=1)), pooling="cls", device="cpu"))


def window(served: np.ndarray, inputs: tuple[str | None, ...] = INPUTS) -> Window:
    return Window(replace(STREAM, dim=DIM), spans(1)[0], Rows(served, inputs=inputs), len(served))


def test_a_reference_is_made_of_a_column_of_bytes_and_a_broken_image_costs_only_its_row(
    tmp_path, monkeypatch, postgres_url
):
    vit(tmp_path / "model")
    (tmp_path / "drift.yaml").write_text(CONFIG)
    images = [content(each) for each in PICTURES]
    images[3] = images[3][:-99]
    pq.write_table(pa.table({"input": images, "label": [str(i) for i in range(40)]}), tmp_path / "golden.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    made = CliRunner().invoke(app, ["reference", "create", "search", "--from", "golden.parquet", "--json"])
    assert made.exit_code == 0, made.output
    shown = CliRunner().invoke(app, ["reference", "show", "search", "--json"])
    found = orjson.loads(shown.stdout)
    assert (found["rows"], found["inputs"], found["labels"]) == (39, 39, 39)
    assert found["encoder"]["architecture"] == "vit, cls"
    assert found["encoder"]["preprocessing"].startswith("resize 40 bicubic")
    again = CliRunner().invoke(app, ["reference", "recompute", "search", "--dry-run"])
    assert again.exit_code == 0, again.output


def test_skew_is_of_the_images_that_can_be_read(engine, encoder, other):
    right, wrong = encoder.encode(INPUTS), other.encode(INPUTS)
    inputs = (None, "data:image/png;base64,iVBORw0KGgo=", *INPUTS[2:])
    monitor = make_monitor(engine, encoder=CachedEncoder(encoder), reencode=40)
    held = Reference("search", Rows(right), spans(1)[0].start)
    with capture_logs() as logs:
        for served, share in ((right, 0.0), (wrong, 1.0)):
            again = measure.recompute(window(served, inputs), monitor)
            assert again.recomputed.index.tolist() == list(range(2, 40))
            assert Skew().measure(again, held, rng=np.random.default_rng(0)).value == share
    assert {(log["event"], log["inputs"]) for log in logs} == {("inputs left out", 1)}


def test_no_readable_image_is_a_gap_of_skew_alone(engine, encoder):
    monitor = make_monitor(engine, encoder=encoder, reencode=40)
    served = window(encoder.encode(INPUTS), ("no image",) * 40)
    same, why = measure._recomputed(served, monitor)
    assert same is served
    assert "40 of 40 inputs cannot be encoded" in str(why)


def test_a_window_of_another_model_gets_the_name_of_that_model(encoder, other):
    held = Reference("search", Rows(encoder.encode(INPUTS), inputs=INPUTS), spans(1)[0].start, encoder.fingerprint)
    served = window(other.encode(INPUTS))
    rng = np.random.default_rng
    assert diagnose(window(encoder.encode(INPUTS)), held, encoder, rng=rng(0)).causes[0].cause == NONE
    named = diagnose(served, held, encoder, rng=rng(0), candidates={"next": other}).causes[0]
    assert (named.cause, "'next'" in named.evidence) == ("other-model-version", True)
    broken = window(served.vectors, ("no image", *INPUTS[1:]))
    assert "39 of 39" in diagnose(broken, held, encoder, rng=rng(0)).causes[0].evidence


def test_rows_over_http_carry_images_as_data_urls():
    vector = [1.0] * DIM
    sent = orjson.dumps({"rows": [{"vector": vector, "input": INPUTS[0]}, {"vector": vector, "input": "a text"}]})
    batch = parse_body("application/json", sent, replace(STREAM, dim=DIM), ())
    assert batch.rows.inputs == (INPUTS[0], "a text")
    assert base64.b64decode(INPUTS[0].partition(",")[2]) == content(PICTURES[0])


def test_what_an_encoder_is_declared_to_be_makes_the_reference_anew():
    plain = EncoderConfig(model="./vit", pooling="cls")
    assert plain.declared == "model ./vit, pooling cls"
    for change in ({"background": (0, 0, 0)}, {"architecture": "timm/vit"}, {"deterministic": True}):
        assert plain.model_copy(update=change).declared.startswith(f"{plain.declared}, {next(iter(change))} ")
        with pytest.raises(ValidationError, match=f"`{next(iter(change))}` is decided by the endpoint"):
            EncoderConfig(model="https://host/v1/embeddings", **change)
    with pytest.raises(ValidationError, match=r"background\.1"):
        EncoderConfig(model="./vit", background=(0, 256, 0))


def test_of_images_no_language_is_told():
    assert changed_features(INPUTS, ("some words that are usual",) * 40) == ""
    assert changed_features(("ДРУГИЕ СЛОВА",) * 40, INPUTS) == ""
