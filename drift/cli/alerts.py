"""Commands about alerts that fired."""

import json
from typing import Annotated

import typer
from rich.console import Console

from drift.cli.common import AsJson, tables, told

app = typer.Typer(
    no_args_is_help=True, help="Alerts that fired: list them, say who looks after one, and which of them were false."
)


@app.command("list")
def list_alerts(
    stream: Annotated[str, typer.Option(help="Only of this stream, or segment.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most, the newest.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List alerts that fire or did, open ones first, then newest first, with their ids."""
    from drift.config import read_settings
    from drift.wiring.alerts import as_rows, as_table, fired
    from drift.wiring.database import migrated

    with told(), migrated(read_settings()) as found:
        rows = fired(found.engine, stream=stream, limit=limit)
        if as_json:
            typer.echo(json.dumps(as_rows(rows), indent=2))
        else:
            tables().print(as_table(rows))


@app.command()
def acknowledge(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `drift alert list` shows it.")],
    by: Annotated[str, typer.Option(help="Who looks after it; by default who runs this.")] = "",
    note: Annotated[str, typer.Option(help="What that one says, for who reads it.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Nobody does, after all.")] = False,
) -> None:
    """Say that somebody looks after an alert that fires: the dashboard shows who, and after how long.

    It stays as it is in other ways: who else is paged is for the Alertmanager to say. The first who says so stays.
    **Exit status**: 0; 1 where no such alert fires.
    """
    from drift.alert import Acknowledgement
    from drift.config import read_settings
    from drift.wiring.alerts import as_words, take
    from drift.wiring.build import clock
    from drift.wiring.database import migrated
    from drift.wiring.who import whoami

    with told(), migrated(read_settings()) as found:
        row = take(found.engine, id_, None if undo else Acknowledgement(by or whoami(), clock(), note))
        Console(soft_wrap=True).print(as_words(row), markup=False, highlight=False)


@app.command()
def mark_false(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `drift alert list` shows it.")],
    undo: Annotated[bool, typer.Option("--undo", help="It was not false after all.")] = False,
) -> None:
    """Say that an alert told of nothing: `drift check` counts such pages beside those that chance may raise.

    **Exit status**: 0; 1 where no such alert has fired.
    """
    from drift.config import read_settings
    from drift.store.false_alerts import Mark
    from drift.wiring.alerts import as_words, mark
    from drift.wiring.build import clock
    from drift.wiring.database import migrated
    from drift.wiring.who import whoami

    with told(), migrated(read_settings()) as found:
        row = mark(found.engine, id_, None if undo else Mark(whoami(), clock()))
        Console(soft_wrap=True).print(as_words(row), markup=False, highlight=False)
