"""Commands about the service and its database."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from drift.cli.common import DEFAULT, AsJson, ConfigPath, tables, told

app = typer.Typer()


@app.command()
def run(
    config: ConfigPath = DEFAULT,
    dashboard: Annotated[bool, typer.Option(help="Serve the dashboard too.")] = True,
) -> None:
    """Monitor the streams of a file: API, clocks, `/metrics` and dashboard, until Ctrl-C.

    Without `DRIFT_DATABASE_URL` the embedded Postgres is used, under `DRIFT_HOME` (`.drift`). Windows that were missed
    while the service was down are made up for, oldest first.
    """
    from drift.config import load, read_settings
    from drift.wiring.run import run as serve

    with told():
        serve(load(config), config, read_settings(), with_dashboard=dashboard)


@app.command()
def dashboard(config: ConfigPath = DEFAULT) -> None:
    """Serve the dashboard alone, until Ctrl-C; `drift run` does so beside the service.

    It reads the database of `DRIFT_DASHBOARD_DATABASE_URL`, and listens on `DRIFT_HOST` and `DRIFT_DASHBOARD_PORT`. On
    an address that others reach it refuses to start unless people have to sign in (`access`).
    """
    from drift.config import load, read_settings
    from drift.wiring.dashboard import serve

    with told():
        serve(load(config), config, read_settings())


@app.command()
def demo(
    fault: Annotated[
        str, typer.Option(help="What goes wrong: a fault by name, `none`, or `script` for all of them in turn.")
    ] = "script",
    history: Annotated[bool, typer.Option(help="First replay three weeks of history.")] = True,
) -> None:
    """Watch the whole story on this machine: real text, real embeddings, a fault, a page, a retrain webhook.

    Faults: data-shift, truncation, missing-normalisation, quantisation, collapse, stale-model. Ctrl-C stops all of it;
    the next start goes on with the same data.
    """
    from drift.config import read_settings
    from drift.wiring.demo import demo as show

    with told():
        show(fault, read_settings(), with_history=history)


@app.command()
def check(
    config: ConfigPath = DEFAULT,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a file to start from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a file would work: validate it, build what it names, connect to it. Non-zero on any fault."""
    from drift.config import EXAMPLE, load, read_settings
    from drift.config import schema as json_schema
    from drift.wiring.check import checks

    if schema or example:
        typer.echo(json_schema() if schema else EXAMPLE)
        return
    with told():
        found = checks(load(config), read_settings())
        faults = 0
        console = Console(soft_wrap=True)
        rows = []
        for one in found:
            faults += bool(one.fault)
            rows.append({"what": one.what, "detail": one.detail, "fault": one.fault})
            if not as_json:
                mark = "[red]fault[/red]" if one.fault else "[green]ok[/green]   "
                console.print(f"{mark} {escape(f'{one.what}: {one.fault or one.detail}')}", highlight=False)
        if as_json:
            typer.echo(json.dumps(rows, indent=2))
        if faults:
            raise typer.Exit(1)


@app.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="`head` for the newest, `base` for none, or a revision.")] = "head",
    down: Annotated[bool, typer.Option("--down", help="Go down to that revision. Deletes data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before data is deleted.")] = False,
) -> None:
    """Bring the database to the newest schema (or down again). `drift run` does the former by itself."""
    from drift.config import read_settings
    from drift.store import migrate as migrations
    from drift.wiring.database import database

    with told(), database(read_settings()) as found:
        where = found.engine.url.render_as_string(hide_password=True)
        if not down:
            migrations.upgrade(found.engine, revision)
        else:
            if not yes:
                typer.confirm(f"This deletes data in {where}. Go on?", abort=True)
            migrations.downgrade(found.engine, revision)
        typer.echo(f"{where} is at {revision}")


@app.command()
def status(
    config: Annotated[Path, typer.Option(help="The file that declares `lateness`, where there is one.")] = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show the fleet: one line per stream and objective, the most urgent first."""
    from drift.config import read_settings
    from drift.store.fleet import standings
    from drift.wiring.build import clock
    from drift.wiring.database import migrated
    from drift.wiring.status import as_rows, as_table, lateness

    with told(), migrated(read_settings()) as found:
        now = clock()
        with found.engine.connect() as conn:
            fleet = standings(conn, now=now, lateness=lateness(config))
        if as_json:
            typer.echo(json.dumps(as_rows(fleet), indent=2))
        else:
            tables().print(as_table(fleet, now=now))


@app.command()
def replay(
    source: Annotated[Path, typer.Argument(help="Parquet or Arrow file (or folder) with `vector` and `time` columns.")],
    stream: Annotated[str, typer.Option(help="The stream whose traffic it is.")],
    config: Annotated[Path, typer.Option(help="The configuration file.")] = DEFAULT,
    since: Annotated[datetime | None, typer.Option(help="Only rows from here on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only rows before this, UTC.")] = None,
    window: Annotated[str, typer.Option(help="Length of a window, by default the stream's.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing: say which alerts there would be.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run past traffic through the very code that runs today, with time as an argument.

    Each window is measured as if its end were now. Alerts and webhooks are written down and not sent.
    """
    from drift.config import load, read_settings
    from drift.wiring.replay import Request, command

    with told():
        start, end = (None if at is None else at.replace(tzinfo=UTC) for at in (since, until))
        wanted = Request(source, stream, start, end, window)
        report = command(load(config), read_settings(), wanted, dry_run=dry_run)
        if as_json:
            typer.echo(json.dumps(report.as_json(), indent=2))
        else:
            Console(soft_wrap=True).print(report.as_text(), markup=False)
