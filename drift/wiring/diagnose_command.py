"""`drift diagnose`: two files in, the causes out."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from drift.diagnosis import Diagnosis, Progress, diagnose
from drift.encoder.load import EncoderSpec, load
from drift.wiring.compare import Request, reference_of, window_of


def run(
    current: Path, reference: Path, *, encoder: str, candidates: Sequence[str], seed: int, as_json: bool
) -> Diagnosis:
    """Diagnose `current` and print what was found; `encoder` and `candidates` are models as in `EncoderSpec`.

    Raises:
        DriftError: a file cannot be read or is too small, a model cannot be loaded, or gives vectors of another length.
    """
    request = Request(reference, current, seed=seed)
    with _bar(shown=not as_json) as progress:
        progress("reading")
        held, _ = reference_of(request)
        window = window_of(request, held)
        progress("loading models" if encoder else "looking at vectors")
        found = diagnose(
            window,
            held,
            load(EncoderSpec(model=encoder)) if encoder else None,
            rng=np.random.default_rng(seed),
            candidates={name: load(EncoderSpec(model=name)) for name in candidates},
            progress=progress,
        )
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        Console().print(as_text(found))
    return found


def as_text(found: Diagnosis) -> RenderableType:
    """The causes as a table, the first one in bold, and what was ruled out."""
    table = Table("cause", "score", "evidence", "next step", show_lines=True)
    for place, cause in enumerate(found.causes):
        cells = (cause.cause, f"{cause.score:.2f}", cause.evidence, cause.next_step)
        table.add_row(*map(Text, cells), style="" if place else "bold")
    return Group(table, Text(f"ruled out: {', '.join(found.ruled_out) or 'nothing'}", style="dim"))


@contextmanager
def _bar(*, shown: bool) -> Iterator[Progress]:
    """What is being tried, on a terminal's standard error; elsewhere nothing."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("", total=None)
        yield lambda what: bar.update(task, description=what)
