"""Commands about references: what windows are held against."""

import json
from typing import Annotated

import typer
from rich.console import Console

from drift.cli.common import AsJson, told

app = typer.Typer(
    no_args_is_help=True,
    help="What windows are held against: make, list, pin and compare references. They are never overwritten.",
)

StreamName = Annotated[
    str, typer.Argument(metavar="STREAM", help="The stream, or one of its segments: search/lang=de.")
]
Version = Annotated[
    str, typer.Argument(metavar="[VERSION]", help="Its first characters are enough.", show_default=False)
]


@app.command("list")
def list_references(as_json: AsJson = False) -> None:
    """List all references of all streams, the newest of each first, and say which are in use."""
    from drift.config import read_settings
    from drift.store.references import references
    from drift.wiring.database import migrated
    from drift.wiring.reference_report import as_rows, as_table

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            kept = references(conn)
        if as_json:
            typer.echo(json.dumps(as_rows(kept), indent=2))
        else:
            Console().print(as_table(kept))


@app.command()
def show(stream: StreamName, version: Version = "", as_json: AsJson = False) -> None:
    """Show all that is known of one reference; of the one in use, where no version is given.

    Where it came from, who made it and when, how many rows have what, and the encoder down to its libraries.
    """
    from drift.config import read_settings
    from drift.wiring.database import migrated
    from drift.wiring.kept_references import details, find
    from drift.wiring.reference_report import as_json as plain
    from drift.wiring.reference_report import as_text

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            known = details(conn, find(conn, stream, version))
        if as_json:
            typer.echo(json.dumps(plain(known), indent=2))
        else:
            Console().print(as_text(known))
