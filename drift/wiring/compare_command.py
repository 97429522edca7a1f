"""`drift compare`: two files in, a report out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import W_OK, access
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar

from detectors.panel.statistics import Progress
from drift.errors import SourceError
from drift.wiring.compare import Request, compare
from drift.wiring.compare_page import page
from drift.wiring.compare_report import as_json as to_json
from drift.wiring.compare_report import as_text


def run(request: Request, *, as_json: bool, html: Path | None) -> bool:
    """Compare, print the report, write the page if `html` names a file; return whether this is drift.

    Raises:
        DriftError: see `compare`.
        OSError: the page cannot be written.
    """
    if html is not None:
        require_writable(html, "--html")
    with _bar(shown=not as_json) as progress:
        found = compare(request, progress=progress)
    if html is not None:
        html.write_text(page(found), encoding="utf-8")
    if as_json:
        print(json.dumps(to_json(found), indent=2))
    else:
        Console().print(as_text(found))
    return bool(found.reasons)


def require_writable(path: Path, option: str) -> None:
    """Raise SourceError where no file can be written at `path`, before minutes go into what would be written."""
    try:
        found = path.exists()
        if found and not path.is_file():  # a pipe's reader would take being opened and closed for all of it
            writable = not path.is_dir() and access(path, W_OK)
        else:
            path.open("ab").close()  # root is told that it may write anywhere, in /proc too
            writable = True
            if not found:
                path.resolve().unlink()  # where a link leads, and not the link
    except OSError:
        writable = False
    if not writable:
        raise SourceError(
            f"{option} needs a file that can be written, {path} cannot: name one in a folder that is there"
        )


@contextmanager
def _bar(*, shown: bool) -> Iterator[Progress]:
    """A progress bar on a terminal's standard error, elsewhere none."""
    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("drawing windows of the reference", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
