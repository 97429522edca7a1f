"""What to do about each alert, as pages that alerts link to."""

from collections.abc import Mapping
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

_PACKAGE: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = (_PACKAGE / "runbooks", _PACKAGE.parent / "docs" / "runbooks")  # in the wheel, in the checkout
INDEX: Final = "README"
_STYLE: Final = "body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui;color-scheme:light dark}"


@cache
def runbooks() -> Mapping[str, Path]:
    """The pages by the names of their alerts, and the index."""
    folder = next(folder for folder in FOLDERS if folder.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.md"))}


def render(name: str, text: str) -> str:
    """A page in HTML; each heading can be linked to by its text, as `#effective_rank`."""
    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(text)
    for heading, title in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(title.content))
    for link in (child for token in tokens for child in token.children or [] if child.type == "link_open"):
        # Pages link to one another as files; here they lie side by side, without the suffix.
        link.attrSet("href", str(link.attrGet("href")).replace(".md", ""))
    body = reader.renderer.render(tokens, reader.options, {})
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(name)}</title>'
    return f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>'


def anchor(title: str) -> str:
    """The anchor of a heading, as GitHub makes it of simple ones."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def add_runbooks(app: FastAPI) -> None:
    """Serve the pages."""

    @app.get("/runbook", tags=["reads"], response_class=HTMLResponse)
    def index() -> str:
        """The list of runbooks, and what to look at of the service itself."""
        return page(INDEX).replace('href="', 'href="runbook/')

    @app.get("/runbook/{alert}", tags=["reads"], response_class=HTMLResponse)
    def page(alert: str) -> str:
        """What to do about an alert of that name. Alerts of streams without a runbook of their own link here."""
        if (path := runbooks().get(alert)) is None:
            known = ", ".join(name for name in runbooks() if name != INDEX)
            raise HTTPException(404, f"no runbook is named {alert!r}; there are: {known}")
        return render(alert, path.read_text(encoding="utf-8"))
