"""`drift gate`: two encoders, or files of what they gave, in; a verdict out."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar

from drift.config import load, read_settings
from drift.config.read import documents, read
from drift.errors import ConfigError, SourceError
from drift.gate.decision import Decision
from drift.gate.thresholds import Thresholds, Verdict
from drift.pipeline.gates import settle
from drift.records import Gated, Judgement
from drift.wiring.build import clock
from drift.wiring.compare_command import require_writable
from drift.wiring.database import migrated
from drift.wiring.gate import Request, gate
from drift.wiring.gate_encoders import Progress
from drift.wiring.gate_page import page
from drift.wiring.gate_report import as_json, as_markdown, as_text
from drift.wiring.receivers import told_of_gates


@dataclass(frozen=True, slots=True)
class Output:
    """Where the report goes: to standard output, as JSON if so, and to files of Markdown and HTML if they are named.

    The decision is kept in the database if `record`. `notify` is a configuration whose webhooks with `events: [gate]`
    are told, from there.
    """

    as_json: bool = False
    markdown: Path | None = None
    html: Path | None = None
    notify: Path | None = None
    record: bool = False


def run(request: Request, thresholds: Path | None, output: Output) -> bool:
    """Decide, and report; return whether the candidate fails.

    Raises:
        DriftError: see `gate`; or the thresholds cannot be read.
        OSError: the report cannot be written.
    """
    limits = Thresholds() if thresholds is None else read_thresholds(thresholds)
    for path, option in ((output.markdown, "--markdown"), (output.html, "--html")):
        if path is not None:
            require_writable(path, option)
    told = () if output.notify is None else receivers_of(output.notify)
    with _bar(shown=not output.as_json) as progress:
        both = gate(request, limits, progress)
    found = both.decision
    if output.markdown is not None:
        output.markdown.write_text(as_markdown(found, request), encoding="utf-8")
    if output.html is not None:
        output.html.write_text(page(both, request), encoding="utf-8")
    said = json.dumps(as_json(found, request), indent=2)
    if told or output.record:
        keep(found, request, said, told)
    if output.as_json:
        print(said)
    else:
        Console().print(as_text(found, request))
    return found.verdict is Verdict.FAIL


def receivers_of(path: Path) -> tuple[str, ...]:
    """The webhooks that the configuration tells of gates.

    Raises:
        ConfigError: it cannot be read, or has none.
    """
    told = told_of_gates(load(path))
    if not told:
        raise ConfigError(f"--notify needs a receiver in {path}: add `events: [gate]` to one of receivers.webhooks")
    return told


def keep(found: Decision, request: Request, report: str, told: tuple[str, ...]) -> None:
    """Keep the decision in the configured database, from where the service tells `told` of it.

    Raises:
        StoreError: the database does not answer.
    """
    old, new = request.names
    judgement = Judgement(old, new, found.verdict, found.reasons, found.rows, report)
    with migrated(read_settings()) as database, database.engine.begin() as conn:
        settle(conn, Gated(uuid.uuid4().hex, judgement, clock()), told)


def run_quantised(request: Request, output: Output) -> None:
    """Report what each precision of the model `request.baseline` costs and gives.

    Raises:
        DriftError: see `quantised`; or a page is asked for, which there is none of.
        OSError: the report cannot be written.
    """
    # Imported late: torch takes seconds, and nothing else here needs it.
    from drift.wiring import gate_quantised_report as report  # noqa: PLC0415
    from drift.wiring.gate_quantised import quantised  # noqa: PLC0415

    if output.record or output.notify is not None:
        raise SourceError("--quantised decides nothing that --record or --notify could keep: leave them out")
    if output.html is not None:
        raise SourceError("--quantised is a table and has no --html: take --markdown, or --json")
    if output.markdown is not None:
        require_writable(output.markdown, "--markdown")
    with _bar(shown=not output.as_json) as progress:
        found = quantised(request, progress)
    if output.markdown is not None:
        output.markdown.write_text(report.as_markdown(found, request), encoding="utf-8")
    if output.as_json:
        print(json.dumps(report.as_json(found, request), indent=2))
    else:
        Console().print(report.as_text(found, request))


def read_thresholds(path: Path) -> Thresholds:
    """The limits that the YAML file sets; the others are the defaults.

    Raises:
        ConfigError: with one line for each fault: file, line, field, value, and what would be right.
    """
    found = documents(path)
    if len(found) != 1:
        raise ConfigError(f"{path}:1: needs one mapping of checks to limits, here are {len(found)} documents")
    limits, _ = read(path, found[0], Thresholds)
    return limits


@contextmanager
def _bar(*, shown: bool) -> Iterator[Progress]:
    """A progress bar on a terminal's standard error, elsewhere none."""
    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("encoding with both", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
