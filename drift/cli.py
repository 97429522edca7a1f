"""The command line. Each command parses its words and hands over to the wiring, imported when it runs."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from drift.errors import DriftError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Know before your users do that the embeddings in production have gone bad, why, and what to do about it.\n\n"
    "`drift demo` shows the whole story on real text; `drift check drift.yaml` says whether your own file would work; "
    "`drift run drift.yaml` monitors.",
)
db = typer.Typer(no_args_is_help=True, help="The embedded Postgres, used where DRIFT_DATABASE_URL is not set.")
app.add_typer(db, name="db")
ConfigPath = Annotated[Path, typer.Argument(help="The configuration file.", show_default=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, not a table for people.")]
DEFAULT = Path("drift.yaml")


@contextmanager
def _told(failed: int = 1) -> Iterator[None]:
    """Faults that are meant for people end the command with their text; a closed terminal ends it as Ctrl-C does.

    Any fault ends it with the status `failed`, also one that nobody meant where 1, Python's own, says something else.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)  # SIGINT too: a shell's `&` has it ignored
    try:
        yield
    except (DriftError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        raise typer.Exit(failed) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except Exception:
        if failed == 1:
            raise
        Console(stderr=True).print_exception()
        raise typer.Exit(failed) from None


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

    with _told():
        serve(load(config), config, read_settings(), with_dashboard=dashboard)


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

    with _told():
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
    with _told():
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

    with _told(), database(read_settings()) as found:
        where = found.engine.url.render_as_string(hide_password=True)
        if not down:
            migrations.upgrade(found.engine, revision)
        else:
            if not yes:
                typer.confirm(f"This deletes data in {where}. Go on?", abort=True)
            migrations.downgrade(found.engine, revision)
        typer.echo(f"{where} is at {revision}")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the fleet: one line per stream and objective, the most urgent first."""
    from drift.config import read_settings
    from drift.wiring.build import clock
    from drift.wiring.database import migrated
    from drift.wiring.status import as_rows, as_table

    with _told(), migrated(read_settings()) as found:
        if as_json:
            typer.echo(json.dumps(as_rows(found.engine, now=clock()), indent=2))
        else:
            Console().print(as_table(found.engine, now=clock()))


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

    with _told():
        start, end = (None if at is None else at.replace(tzinfo=UTC) for at in (since, until))
        wanted = Request(source, stream, start, end, window)
        report = command(load(config), read_settings(), wanted, dry_run=dry_run)
        if as_json:
            typer.echo(json.dumps(report.as_json(), indent=2))
        else:
            Console(soft_wrap=True).print(report.as_text(), markup=False)


@app.command()
def compare(
    reference: Annotated[Path, typer.Argument(metavar="REF", help="Healthy embeddings: .npy, Parquet or Arrow.")],
    current: Annotated[Path, typer.Argument(metavar="CUR", help="The embeddings in question.")],
    rows: Annotated[int, typer.Option(min=64, help="Reference rows at most, drawn at random.")] = 20_480,
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

    with _told(failed=2):
        drifted = run(Request(reference, current, rows, window, alpha, seed, segment), as_json=as_json, html=html)
    raise typer.Exit(int(drifted))


@app.command()
def diagnose(
    current: Annotated[Path, typer.Argument(metavar="CURRENT", help="The embeddings in question, with inputs.")],
    reference: Annotated[Path, typer.Option(metavar="REF", help="Healthy embeddings: .npy, Parquet or Arrow.")],
    encoder: Annotated[
        str, typer.Option(metavar="MODEL", help='What should have made them: "bundled", a directory, or a hub name.')
    ] = "",
    candidate: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="What may have made them instead; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which rows are encoded again.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Name what is wrong with a file of embeddings: the data, or which fault of the serving path.

    Parquet and Arrow need a column `vector`; with a column `input` and an encoder up to 256 rows are encoded again, and
    failing ones under each known fault. Without them, vectors alone tell less. No configuration, no database.
    """
    from drift.wiring.diagnose_command import run

    with _told():
        run(current, reference, encoder=encoder, candidates=candidate or [], seed=seed, as_json=as_json)


@db.command("stop")
def db_stop() -> None:
    """Stop the embedded Postgres, whoever started it. Its data stays."""
    from drift.config import read_settings
    from drift.wiring.database import embedded

    with _told():
        server = embedded(read_settings())
        server.stop()
        typer.echo(f"{server.root}: {server.status()}")


@db.command("start")
def db_start() -> None:
    """Start the embedded Postgres, and leave it running; prints the address to connect to."""
    from drift.config import read_settings
    from drift.wiring.database import embedded

    with _told():
        server = embedded(read_settings())
        server.start()
        typer.echo(server.url())


@db.command("status")
def db_status() -> None:
    """Say whether the embedded Postgres runs."""
    from drift.config import read_settings
    from drift.wiring.database import embedded

    with _told():
        server = embedded(read_settings())
        typer.echo(f"{server.root}: {server.status()}")


if __name__ == "__main__":
    sys.exit(app())
