"""Models by their MLflow URI: their files are downloaded by MLflow, in a process of its own, and never unpickled."""

import atexit
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from drift.encoder.load import MODEL_FILES
from drift.errors import EncoderError

SCHEMES: Final = ("models:/", "runs:/", "mlflow-artifacts:/")
FLAVOURS: Final = ("sentence_transformers", "transformers", "onnx")
LONGEST_SECONDS: Final = 3600.0
LONGEST_ERROR: Final = 600


def is_mlflow(model: str) -> bool:
    """Whether `model` is the URI of a model in MLflow: `models:/name/3`, `models:/name@champion`, `runs:/id/path`."""
    return model.startswith(SCHEMES)


@cache
def fetched(uri: str) -> Path:
    """The directory or file of the model at `uri`, which `load` takes; it is gone when this process ends.

    MLflow finds its server by its own variables, such as MLFLOW_TRACKING_URI.

    Raises:
        EncoderError: MLflow is not installed or does not give it, or it is no model that can be loaded without pickles.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise EncoderError(f"{uri} needs MLflow, which is not installed: pip install drift[mlflow]")
    folder = Path(tempfile.mkdtemp(prefix="drift-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return model_in(uri, _downloaded(uri, folder))


def _downloaded(uri: str, folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "artifacts",
        "download",
        "--artifact-uri",
        uri,
        "--dst-path",
        str(folder),
    ]
    # It would tell its makers of each use.
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise EncoderError(
            f"MLflow has not given {uri} within {LONGEST_SECONDS:.0f} s: is its store reachable?"
        ) from None
    if done.returncode:
        # Of a traceback the last line.
        *_, why = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise EncoderError(
            f"MLflow does not give {uri}: write models:/name/version, models:/name@alias or runs:/id/path, and name "
            f"its server by MLFLOW_TRACKING_URI. It said: {why[-LONGEST_ERROR:]}"
        )
    if not (said := done.stdout.strip().splitlines()):
        raise EncoderError(
            f"MLflow needs to say where it has put {uri}, found nothing: does `mlflow artifacts download` run here?"
        )
    return Path(said[-1])


def model_in(uri: str, found: Path) -> Path:
    """What can be loaded of what MLflow gave: a model logged with one of `FLAVOURS`, a model's directory, or its file.

    Raises:
        EncoderError: there is none.
    """
    if found.is_file() and found.suffix in MODEL_FILES:
        return found
    if (found / "MLmodel").is_file():
        return _of_flavour(uri, found, _flavours(uri, found / "MLmodel"))
    if (found / "config.json").is_file():
        return found
    held = ", ".join(sorted(path.name for path in found.iterdir())[:8]) if found.is_dir() else found.name
    raise EncoderError(
        f"{uri} needs to be a model that MLflow logged ({', '.join(FLAVOURS)}), a model's directory with config.json, "
        f"or a file ({', '.join(MODEL_FILES)}), found {held or 'nothing'}"
    )


def _flavours(uri: str, path: Path) -> Mapping[str, Mapping[str, object]]:
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(name): dict(flavour) for name, flavour in said["flavors"].items()}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError) as fault:
        raise EncoderError(f"the file MLmodel of {uri} cannot be read: {fault!r}: log the model again") from None


def _of_flavour(uri: str, folder: Path, flavours: Mapping[str, Mapping[str, object]]) -> Path:
    if "sentence_transformers" in flavours:
        data = flavours.get("python_function", {}).get("data", "model.sentence_transformer")
        return _inside(uri, folder, data)
    if "transformers" in flavours:
        model = _inside(uri, folder, flavours["transformers"].get("model_binary", "model"))
        # A tokenizer lies beside the model, where transformers itself would have it in the same directory.
        for path in sorted((folder / "components").glob("*/*")):
            if path.is_file() and not (model / path.name).exists():
                shutil.copyfile(path, model / path.name)
        return model
    if "onnx" in flavours:
        return _inside(uri, folder, flavours["onnx"].get("data", "model.onnx"))
    raise EncoderError(
        f"{uri} has the flavour {', '.join(sorted(flavours)) or '(none)'}, which would have to be unpickled or run: "
        "log the model with mlflow.sentence_transformers, mlflow.transformers or mlflow.onnx, or its directory "
        "with log_artifacts and give runs:/id/path"
    )


def _inside(uri: str, folder: Path, part: object) -> Path:
    path = (folder / str(part)).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.exists():
        raise EncoderError(
            f"{uri} names {part!r} as its model, and holds no such path: log the model with its weights, not as a "
            "reference to a hub (save_pretrained=True)"
        )
    return path
