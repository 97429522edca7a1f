"""An exported program (`torch.export`, .pt2) as data: what could run code when it is read is refused or left out.

`torch.export.load` unpickles example inputs, some weights and custom objects, evaluates the sizes' expressions, and
compiles guards and names into Python. So a file is read here first, and given to it as a copy that has none of these.
"""

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drift.errors import EncoderError

ENTRIES: Final = re.compile(
    r"[^/]+/(models/model\.json|data/weights/(weight_\d+|model_weights_config\.json)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)|data/sample_inputs/model\.pt"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id|alignment)|\.format_version"
    r"|\.storage_alignment)"
)
TARGET: Final = re.compile(
    r"torch\.ops\.aten\.(?!from_file|save)\w+\.\w+|torch\.sym_\w+|math\.(ceil|floor|trunc|sqrt)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|neg|mod|pow|eq|ne|lt|le|gt|ge|and_|or_|getitem)"
)
WORD: Final = re.compile(r"[\w.:+-]*", re.ASCII)
TREES: Final = (None, "builtins.tuple", "builtins.list", "builtins.dict")
OBJECTS: Final = ("as_custom_obj", "as_operator", "as_graph")
SIZES: Final = frozenset(
    [
        "Symbol",
        "Integer",
        "Add",
        "Mul",
        "Pow",
        "Max",
        "Min",
        "Mod",
        "FloorDiv",
        "CleanDiv",
        "CeilDiv",
        "PythonMod",
        "IntTrueDiv",
        "ModularIndexing",
        "Identity",
    ]
)
FREE: Final = frozenset(("in_spec", "out_spec", "expr_str", "as_string", "as_strings"))
"""Values that are looked at otherwise, or are given to operators as they are."""
NODES: Final = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Constant,
    ast.Call,
    ast.Name,
    ast.keyword,
    ast.operator,
    ast.unaryop,
    ast.Load,
)


def harmless(path: Path) -> io.BytesIO:
    """A copy of the program at `path` that holds its graph and tensors alone.

    Raises:
        EncoderError: it holds more than that, or is no program.
    """
    copy = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as out:
            require_known(archive, path)
            for name in archive.namelist():
                out.writestr(name, _plain(archive.read(name), name, path))
    except (zipfile.BadZipFile, OSError, ValueError, RecursionError) as fault:
        raise EncoderError(f"{path} needs to be a program saved by torch.export.save, found {fault}") from fault
    copy.seek(0)
    return copy


def require_known(archive: zipfile.ZipFile, path: Path) -> None:
    """Only what torch.export.save writes, each once, and nothing that unpacks to more than the file's size."""
    names = archive.namelist()
    if unknown := [name for name in names if not ENTRIES.fullmatch(name)]:
        raise EncoderError(
            f"{path} holds {unknown[0]}: drift reads graphs and tensors, no custom objects, compiled code or files of "
            "torch before 2.8, which can run code; save it again with torch.export.save"
        )
    if len(set(names)) < len(names) or any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
        raise EncoderError(f"{path} has entries that torch.export.save does not write, twice or compressed")
    if not any(name.endswith("models/model.json") for name in names):
        raise EncoderError(f"{path} has no program called `model`: save it with torch.export.save")


def _plain(content: bytes, name: str, path: Path) -> bytes:
    if name.endswith("data/sample_inputs/model.pt"):
        return b""  # pickled, and not needed
    if not name.endswith(".json"):
        return content
    found = json.loads(content)
    if any(_pickled(found)):
        raise EncoderError(f"{path} has pickled tensors in {name}, which can run code: export plain tensors")
    if name.endswith("models/model.json"):
        found["guards_code"] = []
        for node in found["graph_module"]["graph"]["nodes"]:
            node["metadata"] = {}
        for fault in faults(found):
            raise EncoderError(f"{path} has {fault}, which drift does not run: export operators of torch alone")
    return json.dumps(found).encode()


def _pickled(found: object) -> Iterator[bool]:
    for key, value in _pairs(found):
        if key == "use_pickle" and value is not False:
            yield True


def faults(program: object) -> Iterator[str]:
    """What in a program's graph is more than operators on tensors and sizes."""
    for key, value in _pairs(program):
        if key in OBJECTS and value is not None:
            yield f"an argument {key}"
        elif key in {"in_spec", "out_spec"} and isinstance(value, str):
            yield from (f"a tree of {kind}" for kind in _kinds(json.loads(value)) if kind not in TREES)
        elif key == "expr_str" and not is_size(str(value)):
            yield f"the size {str(value)[:80]!r}"
        elif key == "target" and isinstance(value, str) and not TARGET.fullmatch(value):
            yield f"the operator {value!r}"
        elif key not in FREE and not WORD.fullmatch(key):
            yield f"the name {key[:80]!r}"
        elif isinstance(value, str) and key not in FREE and not WORD.fullmatch(value):
            yield f"the name {value[:80]!r}"


def _pairs(found: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a JSON tree with the key that it, or the list around it, has."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from _pairs(value, str(name))
        yield key, found
    elif isinstance(found, list):
        for value in found:
            yield from _pairs(value, key)
    else:
        yield key, found


def _kinds(spec: object) -> Iterator[object]:
    """The types of containers that a written tree has."""
    if isinstance(spec, list):
        for each in spec:
            yield from _kinds(each)
    elif isinstance(spec, dict):
        yield spec.get("type")
        context = spec.get("context")
        if context is not None and not re.fullmatch(r'null|\[[\w", ]*\]', str(context), re.ASCII):
            yield f"context {context!r}"
        yield from _kinds(spec.get("children_spec", []))


def is_size(text: str) -> bool:
    """Whether an expression is arithmetic on symbols and numbers, so that evaluating it does no more."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return len(text) < 1000 and all(
        isinstance(node, NODES)
        and (not isinstance(node, ast.Name) or node.id in SIZES)
        and (not isinstance(node, ast.Pow | ast.LShift))
        and (not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node.value.isidentifier())
        for node in ast.walk(tree)
    )
