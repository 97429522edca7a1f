"""Commands about files of embeddings: no configuration, no database."""

from pathlib import Path
from typing import Annotated

import typer

from drift.cli.common import AsJson, told

app = typer.Typer()


@app.command()
def compare(
    reference: Annotated[Path, typer.Argument(metavar="REF", help="Healthy embeddings: .npy, Parquet or Arrow.")],
    current: Annotated[Path, typer.Argument(metavar="CUR", help="The embeddings in question.")],
    rows: Annotated[int, typer.Option(min=320, help="Reference rows at most, drawn at random.")] = 20_480,
    window: Annotated[int, typer.Option(min=16, help="Current rows at most; of REF's a quarter (panel: 1/20).")] = 512,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Share of false alarms of the panel.")] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Decides how the reference is split at random.")] = 0,
    segment: Annotated[str, typer.Option(help="Attribute a change to the values of this column of both files.")] = "",
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots to this file too.")] = None,
) -> None:
    """Compare two files of embeddings: by the panel, every detector, and the shape. No configuration, no database.

    Parquet and Arrow need a column `vector`; `id` and `label` are used if there. **Exit status**: 0 no drift, 1 drift,
    2 an error. Drift is: the panel says so, the shape is not healthy, too many rows of CUR cannot be used, or the probe
    errs. Two samples of one source are drift in somewhat more than `--alpha` of cases.
    """
    from drift.wiring.compare import Request
    from drift.wiring.compare_command import run

    with told(failed=2):
        drifted = run(Request(reference, current, rows, window, alpha, seed, segment), as_json=as_json, html=html)
    raise typer.Exit(int(drifted))
