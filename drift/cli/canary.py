"""Commands about canaries: what two versions side by side have come to."""

from typing import Annotated

import typer

from drift.cli.common import AsJson, show_kept

app = typer.Typer(
    no_args_is_help=True,
    help="Two versions of a model side by side in production: promote the candidate, wait, or roll back.",
)


@app.command("list")
def list_canaries(as_json: AsJson = False) -> None:
    """List all trials, the newest first. Another version, or another rule, is another trial, which counts anew."""
    from drift.store.canaries import canaries
    from drift.wiring import canary_report as report

    show_kept(canaries, report.as_table, lambda found: [*map(report.as_json, found)], as_json=as_json)


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its first letters are enough.")], as_json: AsJson = False
) -> None:
    """Show all that is known of one: what each signal has counted, and where the true difference lies."""
    from drift.pipeline.canary import named
    from drift.wiring import canary_report as report

    show_kept(lambda conn: named(conn, id_), report.as_text, report.as_json, as_json=as_json)
