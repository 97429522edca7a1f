"""`drift diagnose`: two files, or a stored window, in; the causes out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from drift.config import Config, EncoderConfig, Settings
from drift.diagnosis import Progress, diagnose
from drift.errors import ConfigError, UnmeasurableError
from drift.pipeline.diagnose import make
from drift.records import Diagnosis, Span
from drift.store import windows
from drift.store.diagnoses import Request as Asked
from drift.wiring import kept_references
from drift.wiring.build import build_monitor, clock, source_of
from drift.wiring.canary_inputs import build_canary_inputs
from drift.wiring.compare import Request, reference_of, window_of
from drift.wiring.database import migrated
from drift.wiring.encoders import candidates_of, encoder_of, open_encoder, spec_of

MOST: Final = 512
"""Rows of a file that are looked at."""


@dataclass(frozen=True, slots=True)
class Models:
    """What should have made the vectors, "" where it is not said, and what may have: as `drift gate` names them."""

    encoder: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """How many of the usable rows of the file `path` were looked at, held against `reference` rows of another."""

    path: Path
    rows: int
    usable: int
    reference: int

    def __str__(self) -> str:
        """What was left out, and why; "" where nothing was."""
        if self.rows >= self.usable:
            return ""
        why = f"a fourth of the {self.reference} reference rows" if self.rows < MOST else f"{MOST} at most"
        return f"looked at {self.rows} of {self.usable} rows of {self.path}: {why}"


def of_files(
    current: Path, reference: Path, models: Models, *, seed: int, progress: Progress
) -> tuple[Looked, Diagnosis]:
    """What is wrong with the file `current`, held against the file `reference`, and how much of it was looked at.

    Raises:
        DriftError: a file cannot be read or is too small, a model cannot be loaded, or gives vectors of another length.
    """
    request = Request(reference, current, window=MOST, seed=seed)
    progress("reading")
    held, _ = reference_of(request)
    window = window_of(request, held)
    progress("loading models" if models.encoder else "looking at vectors")
    usable = window.received - sum(window.rejected.values())
    return Looked(current, len(window.rows), usable, len(held.rows)), diagnose(
        window,
        held,
        open_encoder(spec_of(models.encoder)) if models.encoder else None,
        rng=np.random.default_rng(seed),
        candidates={name: open_encoder(spec_of(name)) for name in models.candidates},
        progress=progress,
    )


def chosen(models: Models, own: EncoderConfig) -> EncoderConfig:
    """The encoder that `models` name, the stream's `own` where they name none; so with candidates and threads."""
    encoder = spec_of(models.encoder) if models.encoder else own
    said = encoder.model_fields_set
    kept = {name: getattr(own, name) for name in ("threads", "candidates") if name not in said}
    return encoder.model_copy(update=kept | ({"candidates": models.candidates} if models.candidates else {}))


def of_stream(
    key: str,
    config: Config,
    settings: Settings,
    models: Models,
    *,
    reference: str,
    at: datetime | None,
    progress: Progress,
) -> tuple[Span, Diagnosis]:
    """What is wrong with a stored window of the stream or segment `key`, and which: the newest, or that at `at`.

    It is held against the reference whose version begins with `reference`, "" for the one in use.

    Raises:
        DriftError: the stream, the window or the reference is not known, or a model cannot be loaded.
    """
    declared = config.stream(key.partition("/")[0])
    if declared is None or key not in {part.key for part in declared.measured_streams}:
        known = ", ".join(part.key for stream in config.streams for part in stream.measured_streams)
        raise ConfigError(f"no file and no stream is called {key!r}; known streams are: {known}")
    encoder = chosen(models, declared.encoder or EncoderConfig())
    progress("loading models and reference")
    with migrated(settings) as found, found.engine.begin() as conn:
        span = windows.newest(conn, key, at=at)
        if span is None:
            when = "yet" if at is None else f"at {at.isoformat()}, or not any more (`retention.vectors`)"
            raise UnmeasurableError(f"stream {key!r} has no window with rows {when}")
        now = clock()
        monitor = build_monitor(config, declared, found.engine, settings.home, conn, now=now)
        canary = build_canary_inputs(config, declared, monitor, source_of(declared, monitor.encoder), conn, now=now)
        if canary is not None and key == canary.monitor.stream.key:
            monitor = canary.monitor
        if models.encoder or models.candidates:
            declared = declared.model_copy(update={"encoder": encoder})
            tried = candidates_of(declared, settings.home)
            monitor = replace(monitor, encoder=encoder_of(declared, settings.home), candidates=tried)
        if reference:
            held = kept_references.load(conn, kept_references.find(conn, key, reference))
            monitor = replace(monitor, references={**monitor.references, key: held})
        return span, make(conn, monitor, Asked(key, "", span), progress)


def show(found: Diagnosis, of: Span | Looked, *, as_json: bool) -> None:
    """Print what was found, and of which stored window or how much of which file."""
    if as_json:
        what: dict[str, object] = {"rows": of.rows, "of": of.usable} if isinstance(of, Looked) else {}
        what |= {"start": of.start.isoformat(), "end": of.end.isoformat()} if isinstance(of, Span) else {}
        print(json.dumps(what | asdict(found), indent=2))
        return
    said = f"window {of.start:%Y-%m-%d %H:%M:%S} to {of.end:%H:%M:%S} UTC" if isinstance(of, Span) else str(of)
    if said:
        Console().print(said, highlight=False, soft_wrap=True)
    Console().print(as_text(found))


def as_text(found: Diagnosis) -> RenderableType:
    """The causes as a table, the first one in bold, and what was ruled out."""
    table = Table("cause", "score", "evidence", "next step", show_lines=True)
    for place, cause in enumerate(found.causes):
        cells = (cause.cause, f"{cause.score:.2f}", cause.evidence, cause.next_step)
        table.add_row(*map(Text, cells), style="" if place else "bold")
    by = [f"ruled out: {', '.join(slugs)}" + (f" ({why})" if why else "") for why, slugs in found.ruled_out_by.items()]
    return Group(table, *(Text(each, style="dim") for each in by or ["ruled out: nothing"]))


@contextmanager
def bar(*, shown: bool) -> Iterator[Progress]:
    """What is being tried, on a terminal's standard error; elsewhere nothing."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("", total=None)
        yield lambda what: bar.update(task, description=what)
