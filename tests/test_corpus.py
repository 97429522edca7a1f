"""The example's documents: prose of real packages, read and never imported, always the same."""

import subprocess
import sys
from collections import Counter

import pytest

from drift.errors import SourceError
from examples.demo import corpus
from examples.demo.corpus import PACKAGES, Document, documents
from examples.demo.prose import sentences

DOCSTRING = """
Compute the mean of all rows, e.g. Over an axis, ignoring what
is missing in ``some`` of :func:`~numpy.linalg.rows` there. Too short. And this one is the second whole sentence here.

Parameters of this function that are given below
------------------------------------------------
axis : int
    The description of a parameter is no prose of ours to be taken.

    Another paragraph about a parameter is indented and so it is left out.

>>> the_doctest_is_code(1) and it has more words than eight of them.

.. note:: A directive starts this paragraph and so it is left out here.

See https://example.org/page for more about the things that it does not do.

The formula x = y + z is what this sentence wants to tell us about.
* A list item that has enough words to pass for a sentence.

The *last* paragraph is `taken <https://example.org>`_ as it is plain prose again.
"""


def test_only_prose_is_taken():
    assert list(sentences(DOCSTRING)) == [
        "Compute the mean of all rows, e.g. Over an axis, ignoring what is missing in some of rows there.",
        "And this one is the second whole sentence here.",
        "The last paragraph is taken as it is plain prose again.",
    ]


def test_real_documents_are_sentences_balanced_and_unique(tmp_path):
    found = documents(tmp_path, limit=60)
    assert Counter(d.package for d in found) == dict.fromkeys(PACKAGES, 60)
    assert len({d.text.lower() for d in found}) == len(found)
    assert all(8 <= len(d.text.split()) <= 40 for d in found)
    assert not [d.text for d in found if any(mark in d.text for mark in (">>>", "://", "``", "--", "::", "|", "\n"))]
    # Mixed: any stretch has all packages, so a slice is a sample.
    assert set(Counter(d.package for d in found[:60])) == set(PACKAGES)


def test_order_is_the_same_every_time_and_the_file_saves_the_work(tmp_path, monkeypatch):
    first = documents(tmp_path / "one", limit=20, packages=("numpy", "python"))
    assert documents(tmp_path / "two", limit=20, packages=("numpy", "python")) == first
    monkeypatch.setattr(corpus, "collected", None)
    assert documents(tmp_path / "one", limit=20, packages=("numpy", "python")) == first
    assert [path.name.partition("-")[0] for path in (tmp_path / "one").iterdir()] == ["corpus"]


def test_another_version_makes_another_file(tmp_path, monkeypatch):
    documents(tmp_path, limit=5, packages=("numpy",))
    monkeypatch.setattr(corpus, "version", lambda _: "0.0.1")
    documents(tmp_path, limit=5, packages=("numpy",))
    assert len(list(tmp_path.iterdir())) == 2


def test_packages_are_not_imported(tmp_path):
    script = f"""
import sys
from pathlib import Path
from examples.demo.corpus import documents
documents(Path({str(tmp_path)!r}), limit=5)
assert not {{"torch", "scipy", "sqlalchemy", "streamlit", "numpy"}} & set(sys.modules), "imported"
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_missing_package_says_what_to_install(tmp_path):
    with pytest.raises(SourceError, match="pip install no_such_package"):
        documents(tmp_path, packages=("no_such_package",))


@pytest.fixture
def two_packages(tmp_path, monkeypatch):
    def package(name, files):
        for path, content in files.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    shared = "This very sentence is in the documentation of both."
    package(
        "left",
        {
            "__init__.py": f'raise SystemExit("imported")\n\ndef f():\n    """{shared}"""\n',
            "nested.py": 'if 1:\n    class A:\n        """Only this class has the one sentence of its kind."""\n',
            "again.py": '"""Only THIS class has the one sentence of its kind."""',
            "tests/helpers.py": '"""Tests have their documentation too but nobody wants it."""',
            "broken.py": '"""This file is no valid Python and so is skipped.""" (',
        },
    )
    package(
        "right",
        {"__init__.py": f'"""{shared}"""\n\nx = 1\n"""A string that stands alone is not a docstring at all."""\n'},
    )
    monkeypatch.setattr(corpus, "directory", lambda name: tmp_path / name)
    monkeypatch.setattr(corpus, "version", lambda _: "1")
    return tmp_path


def test_what_two_packages_share_is_left_out_and_repeats_count_once(two_packages):
    found = documents(two_packages / "cache", packages=("left", "right"))
    assert [(d.text.lower(), d.package) for d in found] == [
        ("only this class has the one sentence of its kind.", "left")
    ]
    assert isinstance(found[0], Document)
