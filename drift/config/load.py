"""Read `drift.yaml`; say where it is wrong, what was found there, and what would be right."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from drift.config.model import Config
from drift.config.problems import problems
from drift.config.read import documents, read
from drift.errors import ConfigError

EXAMPLE: Final = """\
# yaml-language-server: $schema=drift.schema.json   (drift check --schema > drift.schema.json)
streams:
  - id: search                    # POST your vectors to /v1/streams/search/embeddings
    model: my-encoder
    version: "2026-11"
    dim: 384
    team: search
    reference: {path: golden.parquet}   # healthy rows: a column `vector`, or `input` with an encoder
receivers:
  alertmanagers: [{url: "http://localhost:9093"}]
  webhooks: [{name: retrain, url: "https://pipelines.example/retrain", secret: "${RETRAIN_SECRET}"}]
"""


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in `path`, with `${NAME}` replaced from the environment.

    Relative paths in it are relative to the file. Links that it does not give follow DRIFT_PORT and
    DRIFT_DASHBOARD_PORT.

    Raises:
        ConfigError: with one line for each fault: file, line, field, value, and what would be right.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; `drift check --example` prints one to start from")
    found = documents(path)
    if len(found) != 1:
        raise ConfigError(f"{path}:1: needs one mapping with the key `streams`, here are {len(found)} documents")
    variables = os.environ if environment is None else environment
    config, lines = read(path, found[0], Config, variables)
    if faults := [f"{path}:{lines.get(where, 1)}: {text}" for where, text in problems(config)]:
        raise ConfigError("\n".join(faults))
    return _linked(_anchored(config, path.parent), variables)


def schema() -> str:
    """JSON Schema of the file, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2)


def _linked(config: Config, variables: Mapping[str, str]) -> Config:
    ports = {"external_url": "DRIFT_PORT", "dashboard_url": "DRIFT_DASHBOARD_PORT"}
    unsaid = {
        field: port
        for field, name in ports.items()
        if field not in config.model_fields_set and (port := variables.get(name))
    }
    return config.model_copy(update={field: f"http://127.0.0.1:{port}" for field, port in unsaid.items()})


def _anchored(config: Config, folder: Path) -> Config:
    def at(path: Path | None) -> Path | None:
        return None if path is None else folder / path

    streams = []
    for stream in config.streams:
        collector = stream.collector.model_copy(update={"path": at(stream.collector.path)})
        reference = stream.reference.model_copy(update={"path": at(stream.reference.path)})
        gate = stream.gate and stream.gate.model_copy(
            update={"probe": at(stream.gate.probe), "thresholds": at(stream.gate.thresholds)}
            | ({"candidate": str(folder / stream.gate.candidate)} if stream.gate.candidate.startswith(".") else {})
        )
        canary = stream.canary_inputs and stream.canary_inputs.model_copy(
            update={"inputs": at(stream.canary_inputs.inputs)}
        )
        parts = {"collector": collector, "reference": reference, "gate": gate, "canary_inputs": canary}
        streams.append(stream.model_copy(update=parts))
    webhooks = [
        w.model_copy(update={"secret_file": at(w.secret_file), "token_file": at(w.token_file)})
        for w in config.receivers.webhooks
    ]
    receivers = config.receivers.model_copy(update={"webhooks": webhooks})
    return config.model_copy(update={"streams": streams, "receivers": receivers})
