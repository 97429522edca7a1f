"""Commands about canaries: what two versions side by side have come to."""

import json
from typing import Annotated

import typer
from rich.console import Console

from drift.cli.common import AsJson, told

app = typer.Typer(
    no_args_is_help=True,
    help="Two versions of a model side by side in production: promote the candidate, wait, or roll back.",
)


@app.command("list")
def list_canaries(as_json: AsJson = False) -> None:
    """List all trials, the newest first. Another version, or another rule, is another trial, which counts anew."""
    from drift.config import read_settings
    from drift.store.canaries import canaries
    from drift.wiring import canary_report
    from drift.wiring.database import migrated

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            trials = canaries(conn)
        if as_json:
            typer.echo(json.dumps([canary_report.as_json(trial) for trial in trials], indent=2))
        else:
            Console().print(canary_report.as_table(trials))


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its first letters are enough.")], as_json: AsJson = False
) -> None:
    """Show all that is known of one: what each signal has counted, and where the true difference lies."""
    from drift.config import read_settings
    from drift.pipeline.canary import named
    from drift.wiring import canary_report
    from drift.wiring.database import migrated

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            trial = named(conn, id_)
        if as_json:
            typer.echo(json.dumps(canary_report.as_json(trial), indent=2))
        else:
            Console().print(canary_report.as_text(trial))
