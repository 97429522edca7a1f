"""Models by their URI in a real MLflow: downloaded, checked, and never unpickled."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from drift.cli import app
from drift.config import EncoderConfig
from drift.encoder.load import bundled
from drift.errors import EncoderError
from drift.wiring import encoders, mlflow_models
from drift.wiring.mlflow_models import fetched, is_mlflow, model_in

LOGGED = """
import sys, mlflow
folder = sys.argv[1]
with mlflow.start_run() as run:
    mlflow.log_artifacts(folder, "model")
    mlflow.pyfunc.log_model(name="pickled", python_model=lambda model_input: model_input, pip_requirements=[])
client = mlflow.MlflowClient()
client.create_registered_model("encoder")
client.create_model_version("encoder", f"{run.info.artifact_uri}/model", run.info.run_id)
client.set_registered_model_alias("encoder", "champion", "1")
pickled = client.search_logged_models([run.info.experiment_id])[0]
print(run.info.run_id, pickled.model_id)
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """The address of a real MLflow that has the bundled encoder as version 1 of `encoder`, and a pickled model.

    With the ids of the run and of the pickled model.
    """
    folder = tmp_path_factory.mktemp("mlflow")
    address = f"sqlite:///{folder}/mlflow.db"
    (folder / "log.py").write_text(LOGGED)
    quiet = {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "1",
    }
    command = [sys.executable, "log.py", str(bundled())]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **quiet}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return address, *done.stdout.split()[-2:]


@pytest.fixture
def at_hand(registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry[0])
    return registry[1:]


def test_the_gate_passes_a_model_of_the_registry_by_its_alias(at_hand, tmp_path):
    pq.write_table(
        pa.table({"input": [f"how do I pay bill {i} from my account" for i in range(40)]}), tmp_path / "p.parquet"
    )
    (tmp_path / "limits.yaml").write_text("latency: {warn: null, fail: null}\n")
    words = ["gate", "--baseline", "bundled", "--candidate", "models:/encoder@champion", "--json"]
    done = CliRunner().invoke(
        app, [*words, f"--probe={tmp_path / 'p.parquet'}", f"--thresholds={tmp_path / 'limits.yaml'}"]
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["verdict"], said["candidate"]) == ("pass", "models:/encoder@champion")


def test_what_mlflow_pickled_is_refused_and_nothing_of_it_runs(at_hand):
    with pytest.raises(EncoderError, match="flavour python_function, which would have to be unpickled"):
        fetched(f"models:/{at_hand[1]}")


def test_what_mlflow_does_not_give_says_what_it_said(at_hand):
    with pytest.raises(EncoderError, match=r"does not give models:/encoder/7: write models:/name/version.*not found"):
        fetched("models:/encoder/7")


def test_mlflow_that_says_nothing_is_no_crash(monkeypatch, tmp_path):
    silent = subprocess.CompletedProcess([], 0, stdout="\n", stderr="")
    monkeypatch.setattr(mlflow_models.subprocess, "run", lambda *_, **__: silent)
    with pytest.raises(EncoderError, match="needs to say where it has put runs:/1/quiet, found nothing"):
        fetched("runs:/1/quiet")


@pytest.mark.parametrize(("held", "dtype"), [("model.onnx", "float32"), ("model", "bfloat16")])
def test_a_graph_of_the_registry_keeps_its_own_precision_as_a_candidate(monkeypatch, held, dtype):
    monkeypatch.setattr(encoders, "fetched", lambda uri: Path("downloaded") / held)
    found = encoders.candidate(EncoderConfig(dtype="bfloat16", device="cpu"), "models:/encoder/3")
    assert (found.model, found.dtype) == ("models:/encoder/3", dtype)


def test_mlflow_is_an_extra(monkeypatch):
    monkeypatch.setattr(mlflow_models.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"pip install drift\[mlflow\]"):
        fetched("runs:/1/model")


def test_uris_of_mlflow_are_told_from_directories_and_addresses():
    uris = ("models:/encoder/3", "models:/encoder@champion", "runs:/4f1c/model", "mlflow-artifacts:/1/model")
    others = (
        "bundled",
        "./models",
        "models/encoder",
        "sentence-transformers/all-MiniLM-L6-v2",
        "https://host/v1/embeddings",
    )
    assert (all(map(is_mlflow, uris)), any(map(is_mlflow, others))) == (True, False)


def logged(folder: Path, files: tuple[str, ...], **flavours: dict) -> Path:
    """What MLflow downloads of a model with these flavours."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    if flavours:
        (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavours}))
    return folder


def test_each_flavour_has_its_model_where_mlflow_puts_it(tmp_path):
    st = {"python_function": {"data": "model.sentence_transformer"}, "sentence_transformers": {"code": None}}
    found = model_in("u", logged(tmp_path / "st", ("model.sentence_transformer/config.json",), **st))
    assert found == tmp_path / "st" / "model.sentence_transformer"
    files = ("model/config.json", "components/tokenizer/tokenizer.json", "components/tokenizer/config.json")
    plain = {
        "transformers": {"model_binary": "model", "components": ["tokenizer"]},
        "python_function": {"data": "model"},
    }
    found = model_in("u", logged(tmp_path / "plain", files, **plain))
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "tokenizer.json"]
    assert (found / "config.json").read_text() == "model/config.json"  # the model's own is not overwritten
    graph = {"onnx": {"data": "model.onnx"}}
    assert model_in("u", logged(tmp_path / "graph", ("model.onnx",), **graph)).name == "model.onnx"


def test_a_directory_or_a_file_that_was_logged_is_taken_as_it_is(tmp_path):
    assert model_in("u", logged(tmp_path / "folder", ("config.json",))) == tmp_path / "folder"
    assert model_in("u", logged(tmp_path / "file", ("net.onnx",)) / "net.onnx") == tmp_path / "file" / "net.onnx"


@pytest.mark.parametrize(
    ("files", "flavours", "said"),
    [
        (
            ("model.pkl",),
            {"sklearn": {"pickled_model": "model.pkl"}},
            "flavour sklearn, which would have to be unpickled",
        ),
        (("notes.txt",), {}, "found notes.txt"),
        (("model/config.json",), {"transformers": {"model_binary": ".."}}, "names '..' as its model"),
        (("x",), {"transformers": {"source_model_name": "org/name"}}, "save_pretrained=True"),
    ],
    ids=["pickled", "no model", "elsewhere", "a reference to a hub"],
)
def test_what_cannot_be_loaded_without_pickles_is_refused_by_name(tmp_path, files, flavours, said):
    with pytest.raises(EncoderError, match=said):
        model_in("models:/encoder/1", logged(tmp_path, files, **flavours))


@pytest.mark.parametrize("text", ["", "flavors: 7", "[1, 2]", "a: [b", "flavors: {onnx: 3}"])
def test_a_broken_mlmodel_is_named(tmp_path, text):
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(EncoderError, match="MLmodel of models:/encoder/1 cannot be read"):
        model_in("models:/encoder/1", tmp_path)
