"""YAML files as pydantic models; what is wrong with them is said with file, line, field and value."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from drift.errors import ConfigError

MOST_ALIASED: Final = 100_000
TOO_DEEP: Final = "is nested too deeply: nothing that drift reads has more than ten levels"
Where = tuple[str | int, ...]
Report = Callable[[int, str], None]
Model = TypeVar("Model", bound=BaseModel)
_HIDDEN = ("secret", "token", "mlflow_secret", "client_secret", "cookie_secret")
"""Fields whose values no error repeats."""


def documents(path: Path) -> list[yaml.MappingNode]:
    """The mappings that the YAML file `path` holds, one for each document.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        roots = list(yaml.compose_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:1: not YAML in UTF-8: {error}") from None
    found = []
    for root in roots:
        line = root.start_mark.line + 1
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(f"{path}:{line}: needs a mapping of keys to values")
        _require_countable(f"{path}:{line}", root)
        found.append(root)
    if not found:
        raise ConfigError(f"{path}:1: is empty, and needs a mapping of keys to values")
    return found


def has(root: yaml.MappingNode, key: str) -> bool:
    """Whether the mapping names `key`: enough to tell one kind of file from another."""
    return any(isinstance(node, yaml.ScalarNode) and node.value == key for node, _ in root.value)


def read(
    path: Path, root: yaml.MappingNode, model: type[Model], environment: Mapping[str, str] | None = None
) -> tuple[Model, Mapping[Where, int]]:
    """What `root`, found in `path`, says as a `model`, and the lines on which it says so.

    `${NAME}` in a text is replaced from `environment`, where there is one.

    Raises:
        ConfigError: with one line for each fault.
    """
    faults: list[str] = []
    try:
        # A chain of aliases is deeper than it looks.
        data = _plain(root, environment, lambda line, text: faults.append(f"{path}:{line}: {text}"))
        lines = dict(_lines(root, ()))
        found = model.model_validate(data)
    except RecursionError:
        raise ConfigError(f"{path}:{root.start_mark.line + 1}: {TOO_DEEP}") from None
    except ValidationError as error:
        faults += [_describe(path, lines, one, model) for one in error.errors()]
    else:
        if not faults:
            return found, lines
    raise ConfigError("\n".join(faults))


def _require_countable(place: str, root: yaml.Node) -> None:
    """Refuse what would not end, or take all of the memory, once it is read.

    Raises:
        ConfigError: it is nested too deeply, or aliases stand for too much.
    """
    distinct: dict[int, float] = {}
    try:
        values = _values(root, distinct)
    except RecursionError:
        raise ConfigError(f"{place}: {TOO_DEEP}") from None
    if values == inf:
        raise ConfigError(f"{place}: an alias (*) contains itself: write out what it stands for")
    if values - len(distinct) > MOST_ALIASED:
        raise ConfigError(
            f"{place}: its aliases (*) stand for more than {MOST_ALIASED:,} values: let none contain others so often"
        )


def _values(node: yaml.Node, known: dict[int, float]) -> float:
    """How many values `node` is with its aliases written out; of one that contains itself that has no end.

    Each node is counted once, by its identity in `known`: a few lines may stand for more than could ever be counted.
    """
    if (found := known.get(id(node))) is not None:
        return found
    known[id(node)] = inf
    items = () if isinstance(node, yaml.ScalarNode) else node.value
    children = [part for item in items for part in (item if isinstance(item, tuple) else (item,))]
    found = 1 + sum(_values(child, known) for child in children)
    known[id(node)] = found if found == inf else min(found, 10**18)  # numbers of hundreds of digits are no floats
    return known[id(node)]


def _plain(node: yaml.Node, variables: Mapping[str, str] | None, report: Report) -> object:
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
        if variables is None:
            return node.value
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


def _describe(path: Path, lines: Mapping[Where, int], error: ErrorDetails, model: type[BaseModel]) -> str:
    known = tuple(error["loc"])
    while known not in lines and known:
        known = known[:-1]
    return f"{path}:{lines.get(known, 1)}: {in_words(error, model)}"


def in_words(error: ErrorDetails, model: type[BaseModel]) -> str:
    """The field of `model` that is at fault, its value, and what would be right."""
    where = tuple(error["loc"])
    field = ".".join(str(part) for part in where)
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "model_type":
        text = f"needs a mapping with the keys {', '.join(_keys(where, model))}"
    elif error["type"] == "list_type":
        text = "needs a list"
    if error["type"] == "extra_forbidden":
        text = "is not a known key" + _nearest(str(where[-1]), where[:-1], model)
    elif error["type"] == "missing":
        text = "is required"
    elif (
        not isinstance(error["input"], dict | list)
        and error["type"] != "value_error"
        and not (where and where[-1] in _HIDDEN)  # an annotation as a whole has no place of its own
    ):
        text = f"{error['input']!r}: {text}"
    return f"{field}: {text}" if field else text


def _nearest(key: str, where: Where, root: type[BaseModel]) -> str:
    names = _keys(where, root)
    near = difflib.get_close_matches(key, names, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(sorted(names))}"


def _keys(where: Where, model: type[BaseModel]) -> list[str]:
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)
