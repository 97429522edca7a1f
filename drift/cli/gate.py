"""The command that decides whether an encoder may take another's place."""

from pathlib import Path
from typing import Annotated

import typer

from drift.cli.common import AsJson, told

app = typer.Typer()


@app.command()
def gate(
    baseline: Annotated[
        str, typer.Option(metavar="A", help='What serves: "bundled", a directory, a hub name; a file.')
    ],
    candidate: Annotated[str, typer.Option(metavar="B", help="What should take its place, of the same kind.")],
    probe: Annotated[Path | None, typer.Option(help="Parquet or Arrow with `input`: what models encode.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="YAML: check, and its `warn` and `fail`.")] = None,
    segment: Annotated[str, typer.Option(help="Judge the values of this column one by one, too.")] = "",
    rows: Annotated[int, typer.Option(min=32, help="Inputs at most, drawn at random.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Decides which inputs of files, and the probe's folds.")] = 0,
    as_json: AsJson = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report to this file too, for a pull request.")
    ] = None,
) -> None:
    """Decide whether a candidate encoder may take a baseline's place: pass, warn or fail, and why.

    **Models** encode the inputs of `--probe`; a column `label` there lets a probe's accuracy count. **Two files** of
    embeddings (.npy, Parquet or Arrow with `vector`) of the same inputs are paired by `id`, or by their order; labels
    are read from them. **Exit status**: 0 pass or warn, 1 fail, 2 an error.

    By default the candidate should be the baseline in all but name (another precision, runtime, library), and the old
    index stay. Where the index is made anew, say `compatibility: {warn: null, fail: null}` in `--thresholds`.
    """
    from drift.wiring.gate import Request
    from drift.wiring.gate_command import Output, run

    with told(failed=2):
        request = Request(baseline, candidate, probe, rows, seed, segment)
        failed = run(request, thresholds, Output(as_json, markdown))
    raise typer.Exit(int(failed))
