"""Read `drift.yaml`; say where it is wrong, what was found there, and what would be right."""

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from drift.config.model import Config
from drift.config.problems import problems
from drift.errors import ConfigError

Where = tuple[str | int, ...]
Report = Callable[[int, str], None]


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

    Relative paths in it are relative to the file.

    Raises:
        ConfigError: with one line for each fault: file, line, field, value, and what would be right.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; `drift check --example` prints one to start from")
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:1: not YAML in UTF-8: {error}") from None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:1: needs a mapping with the key `streams`")
    variables = os.environ if environment is None else environment
    faults: list[str] = []
    if _contains_itself(root, ()):
        raise ConfigError(f"{path}:1: an alias (*) contains itself: write out what it stands for")
    data = _plain(root, variables, lambda line, text: faults.append(f"{path}:{line}: {text}"))
    lines = dict(_lines(root, ()))
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        faults += [_describe(path, lines, one) for one in error.errors()]
    else:
        faults += [f"{path}:{lines.get(where, 1)}: {text}" for where, text in problems(config)]
        if not faults:
            return _anchored(config, path.parent)
    raise ConfigError("\n".join(faults))


def schema() -> str:
    """JSON Schema of the file, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2)


def _contains_itself(node: yaml.Node, above: tuple[yaml.Node, ...]) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return False
    if node in above:
        return True
    children = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    return any(_contains_itself(child, (*above, node)) for child in children)


def _plain(node: yaml.Node, variables: Mapping[str, str], report: Report) -> object:
    if isinstance(node, yaml.MappingNode):
        found: dict[str, object] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                report(line, "a key must be a word")
            elif key.value in found:
                report(line, f"{key.value} is given twice: keep one of them")
            else:
                found[key.value] = _plain(value, variables, report)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, variables, report) for item in node.value]
    if node.tag == "tag:yaml.org,2002:str":
        return _interpolate(node, variables, report)
    return yaml.safe_load(node.value)


def _interpolate(node: yaml.Node, variables: Mapping[str, str], report: Report) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in variables:
            report(node.start_mark.line + 1, f"${{{name}}}: the environment variable {name} is not set")
        return variables.get(name, "")

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value, node.value)


def _lines(node: yaml.Node, where: Where) -> Iterator[tuple[Where, int]]:
    yield where, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            yield from ((at, line) for at, line in _lines(value, (*where, key.value)) if at != (*where, key.value))
            yield (*where, key.value), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _lines(item, (*where, i))


def _describe(path: Path, lines: Mapping[Where, int], error: ErrorDetails) -> str:
    where = tuple(error["loc"])
    known = where
    while known not in lines and known:
        known = known[:-1]
    field = ".".join(str(part) for part in where) or "the file"
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = "is not a known key" + _nearest(str(where[-1]), where[:-1])
    elif error["type"] == "missing":
        text = "is required"
    elif not isinstance(error["input"], dict | list) and error["type"] != "value_error" and where[-1] != "secret":
        text = f"{error['input']!r}: {text}"
    return f"{path}:{lines.get(known, 1)}: {field}: {text}"


def _nearest(key: str, where: Where) -> str:
    names = _keys(where)
    near = difflib.get_close_matches(key, names, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(sorted(names))}"


def _keys(where: Where) -> list[str]:
    model: type[BaseModel] = Config
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def _anchored(config: Config, folder: Path) -> Config:
    def at(path: Path | None) -> Path | None:
        return None if path is None else folder / path

    streams = []
    for stream in config.streams:
        collector = stream.collector.model_copy(update={"path": at(stream.collector.path)})
        reference = stream.reference.model_copy(update={"path": at(stream.reference.path)})
        streams.append(stream.model_copy(update={"collector": collector, "reference": reference}))
    webhooks = [w.model_copy(update={"secret_file": at(w.secret_file)}) for w in config.receivers.webhooks]
    receivers = config.receivers.model_copy(update={"webhooks": webhooks})
    return config.model_copy(update={"streams": streams, "receivers": receivers})
