"""Commands about maintenance windows: stretches of time that are not held against anybody."""

import json
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console

from drift.cli.common import AsJson, tables, told

app = typer.Typer(
    no_args_is_help=True,
    help="Planned maintenance: slots in it spend no budget and raise no alert, and Alertmanagers are silent.",
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing: say what would be done.")]


@app.command()
def add(
    stream: Annotated[
        str, typer.Argument(metavar="STREAM", help="The stream with its segments, or one segment's key.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="All streams.")] = False,
    model: Annotated[str, typer.Option(help="Of these only those of this model.")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    reason: Annotated[str, typer.Option(help="What is being done.")] = "",
    start: Annotated[str, typer.Option(help="When it begins, such as 2026-12-01T02:00; by default now.")] = "",
    end: Annotated[str, typer.Option(help="When it ends; or say how long, with --for.")] = "",
    length: Annotated[
        str, typer.Option("--for", metavar="LENGTH", help="How long it takes, such as 2h; at most 7d.")
    ] = "",
    rrule: Annotated[str, typer.Option(help="How it repeats (RFC 5545): 'FREQ=WEEKLY;BYDAY=SU;COUNT=8'.")] = "",
    until: Annotated[str, typer.Option(help="The last moment at which a rule may begin, unless it says.")] = "",
    tz: Annotated[str, typer.Option(help="The zone of times without an offset, and of the rule.")] = "UTC",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Plan maintenance of a stream, or of all.

    A slot of which any part lies in it is excluded; its measurement is kept. What was counted before stays as it is, so
    plan ahead. Each time lasts exactly as long, and begins at the same local time when clocks change.
    **Exit status**: 0; 1 for what cannot be planned.
    """
    from drift.config import read_settings
    from drift.pipeline.maintenance import Author, id_of
    from drift.wiring.build import clock
    from drift.wiring.database import migrated
    from drift.wiring.maintenance import Words, planned
    from drift.wiring.maintenance_report import as_text, plain
    from drift.wiring.who import whoami

    with told():
        words = Words(stream, every, model, owner, reason, start, end, length, rrule, until, tz)
        with migrated(read_settings()) as found:
            now = clock()
            window = planned(found.engine, words, Author(whoami(), now, id_of(uuid4())), dry_run=dry_run)
        if as_json:
            typer.echo(json.dumps(plain(window, now), indent=2))
        else:
            Console(soft_wrap=True).print(as_text(window, now, dry_run=dry_run), markup=False, highlight=False)


@app.command("list")
def list_windows(as_json: AsJson = False) -> None:
    """List maintenance windows: those that are on, those to come, then those that are over or cancelled."""
    from drift.config import read_settings
    from drift.wiring.build import clock
    from drift.wiring.database import migrated
    from drift.wiring.maintenance import windows
    from drift.wiring.maintenance_report import as_table, plain

    with told(), migrated(read_settings()) as found:
        now = clock()
        known = windows(found.engine, now)
        if as_json:
            typer.echo(json.dumps([plain(window, now) for window in known], indent=2))
        else:
            tables().print(as_table(known, now))


@app.command()
def cancel(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `drift maintenance list` shows it.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """End maintenance now: slots count again, and the running service ends silences within a minute.

    What was excluded stays excluded. **Exit status**: 0; 1 where it is not known, or over.
    """
    from drift.config import read_settings
    from drift.pipeline.maintenance import Author
    from drift.wiring.build import clock
    from drift.wiring.database import migrated
    from drift.wiring.maintenance import ended
    from drift.wiring.maintenance_report import as_cancelled, plain
    from drift.wiring.who import whoami

    with told(), migrated(read_settings()) as found:
        now = clock()
        window = ended(found.engine, id_, Author(whoami(), now), dry_run=dry_run)
        if as_json:
            typer.echo(json.dumps(plain(window, now), indent=2))
        else:
            Console(soft_wrap=True).print(as_cancelled(window, dry_run=dry_run), markup=False, highlight=False)
