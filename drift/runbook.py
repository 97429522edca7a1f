"""What to do about each alert, in pages that ship with drift: alerts link to them, incidents have them at hand."""

import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

_PACKAGE: Final = Path(__file__).resolve().parent
FOLDERS: Final = (_PACKAGE / "runbooks", _PACKAGE.parent / "docs" / "runbooks")  # in the wheel, in the checkout
_HEADING: Final = re.compile(r"^(?=##)", re.MULTILINE)
_THIRD: Final = re.compile(r"### (.+)")
_LEANS: Final = re.compile(r"\bAs for `(\w+)`")
_LINK: Final = re.compile(r"\[([^]]+)\]\([^)]+\)")


@cache
def runbooks() -> Mapping[str, Path]:
    """The pages by the names of their alerts, and the index."""
    folder = next(folder for folder in FOLDERS if folder.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.md"))}


def rendered(text: str) -> str:
    """A page in HTML; each heading can be linked to by its text, as `#effective_rank`."""
    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(text)
    for heading, title in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(title.content))
    for link in (child for token in tokens for child in token.children or [] if child.type == "link_open"):
        # Pages link to one another as files; here they lie side by side, without the suffix.
        link.attrSet("href", str(link.attrGet("href")).replace(".md", ""))
    return str(reader.renderer.render(tokens, reader.options, {}))


@cache
def beside(name: str, subject: str) -> str:
    """The page `name` in HTML, without its title and its links; "" where there is none.

    Of its sections on single subjects it has those on `subject` and on what that leans on ("As for `joint`"); all
    where none is on it.
    """
    if name not in runbooks():
        return ""
    _, *sections = _HEADING.split(_LINK.sub(r"\1", runbooks()[name].read_text(encoding="utf-8")))
    about = {found[1]: section for section in sections if (found := _THIRD.match(section))}
    wanted = {subject, *_LEANS.findall(about.get(subject, ""))} if subject in about else set(about)
    unwanted = {section for title, section in about.items() if title not in wanted}
    return rendered("".join(section for section in sections if section not in unwanted))


def anchor(title: str) -> str:
    """The anchor of a heading, as GitHub makes it of simple ones."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
