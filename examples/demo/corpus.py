"""Real documents, offline: sentences from the documentation of Python packages that are installed anyway.

Source files are parsed and never imported, so this is fast and without side effects.
"""

import ast
import hashlib
import importlib.util
import json
import os
import platform
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from drift.errors import SourceError

from .prose import sentences

STANDARD_LIBRARY: Final = "python"
PACKAGES: Final = ("numpy", "scipy", "torch", "sqlalchemy", "streamlit", STANDARD_LIBRARY)
# Tests repeat themselves, and what is vendored or generated belongs to another package.
SKIPPED: Final = frozenset(
    {"test", "tests", "testing", "_testing", "_vendor", "_vendored", "_extern", "externals", "proto", "__pycache__"}
    | {"site-packages", "dist-packages", "idlelib", "lib2to3", "encodings", "turtledemo", "pydoc_data"}
)
# Changes whenever the rules for what is a document change, so that no old file is taken for a new one.
RULES: Final = 1
BLOCKS: Final = ("body", "orelse", "handlers", "finalbody")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Document:
    """One sentence of 8 to 40 words, and the package whose documentation it is from."""

    text: str
    package: str

    @property
    def id(self) -> str:
        """The same on every machine."""
        return f"{self.package}-{scattered(self.text)[:10]}"


def documents(cache: Path, *, limit: int = 1200, packages: Sequence[str] = PACKAGES) -> list[Document]:
    """At most `limit` documents per package, in an order that is mixed and always the same.

    Reads them from a file under `cache`, and writes it the first time; another version of a package makes another
    file. Raises SourceError where a package is not installed.
    """
    wanted = [RULES, limit, *(f"{package} {version_of(package)}" for package in packages)]
    key = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]
    path = cache / f"corpus-{key}.json"
    if not path.is_file():
        write(path, json.dumps([[d.text, d.package] for d in collected(packages, limit)]))
    return [Document(text, package) for text, package in json.loads(path.read_text("utf-8"))]


def collected(packages: Sequence[str], limit: int) -> list[Document]:
    """The documents, from the packages' source files."""
    found = {package: first_sentences(directory(package), limit) for package in packages}
    # A sentence that two packages share has no right label.
    owners: dict[str, int] = {}
    for texts in found.values():
        for key in texts:
            owners[key] = owners.get(key, 0) + 1
    kept = [
        Document(text, package)
        for package, texts in found.items()
        for text in [text for key, text in texts.items() if owners[key] == 1][:limit]
    ]
    return sorted(kept, key=lambda document: scattered(document.text))


def first_sentences(root: Path, limit: int) -> dict[str, str]:
    """Sentences under `root` by their lower case, somewhat more than `limit`; files are taken in a scattered order."""
    found: dict[str, str] = {}
    for path in sorted(sources(root), key=lambda path: scattered(path.relative_to(root).as_posix())):
        for docstring in docstrings(path):
            for text in sentences(docstring):
                found.setdefault(text.lower(), text)
        if len(found) >= limit * 1.1:
            break
    return found


def sources(root: Path) -> Iterator[Path]:
    """Python files under `root`, without those of other packages and of tests."""
    for folder, below, names in os.walk(root):
        # In place, so that os.walk does not go there: site-packages lies within the standard library.
        below[:] = [name for name in below if name not in SKIPPED]
        for name in names:
            if name.endswith(".py") and not name.startswith(("test_", "conftest")):
                yield Path(folder, name)


def docstrings(path: Path) -> Iterator[str]:
    """Docstrings of a file's module, classes and functions; none if it is not valid Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    # Statements only: nothing within an expression has a docstring, and ast.walk takes longer than the parser.
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Documented) and (docstring := ast.get_docstring(node)):
            yield docstring
        for block in BLOCKS:
            waiting.extend(getattr(node, block, ()))


def directory(package: str) -> Path:
    """Where the package's source files are; the package is not imported."""
    if package == STANDARD_LIBRARY:
        return Path(sysconfig.get_path("stdlib"))
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SourceError(
            f"the example needs the documentation of {package}, which is not installed: pip install {package}"
        )
    return Path(found.origin).parent


def version_of(package: str) -> str:
    """The installed version."""
    directory(package)
    return platform.python_version() if package == STANDARD_LIBRARY else version(package)


def scattered(text: str) -> str:
    """A sort key that mixes, and is the same on every machine."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def write(path: Path, text: str) -> None:
    """Write all of it or nothing: a half-written file would be read as the corpus from then on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
