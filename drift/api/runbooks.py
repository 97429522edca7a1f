"""What to do about each alert, as pages that alerts link to."""

from html import escape
from typing import Final

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from drift.runbook import rendered, runbooks

INDEX: Final = "README"
_STYLE: Final = "body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui;color-scheme:light dark}"


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
        return _document(alert, rendered(path.read_text(encoding="utf-8")))


def _document(name: str, body: str) -> str:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(name)}</title>'
    return f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>'
