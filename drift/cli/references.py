"""Commands about references: what windows are held against."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from drift.cli.common import DEFAULT, AsJson, show_kept, tables, told

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
    from drift.store.references import references
    from drift.wiring.reference_report import as_rows, as_table

    show_kept(references, as_table, as_rows, as_json=as_json)


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
            tables().print(as_text(known))


@app.command()
def create(
    stream: StreamName,
    source: Annotated[
        Path | None, typer.Option("--from", help="Healthy rows: Parquet or Arrow with `vector`, or `input` to encode.")
    ] = None,
    golden: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(metavar="SINCE UNTIL", help="Stored windows that start in this period, UTC."),
    ] = None,
    despite_alerts: Annotated[
        bool, typer.Option("--despite-alerts", help="Where alerts fired in the period, leave out those windows.")
    ] = False,
    config: Annotated[Path, typer.Option(help="The configuration file.")] = DEFAULT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing: say what would be made.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a reference from a file, or from a period of production in which all was well.

    It becomes the stream's newest, and the one in use from the next start on unless another is pinned. The vectors of
    windows are kept for as long as `retention.vectors` says, so a period can reach no further back. The same rows give
    the same version.
    """
    from drift.config import load, read_settings
    from drift.wiring import made_report, make_reference
    from drift.wiring.database import migrated

    if (source is None) == (golden is None):
        raise typer.BadParameter("say what to make it from: either --from FILE or --golden SINCE UNTIL")
    with told(), migrated(settings := read_settings()) as found:
        place = make_reference.place_of(declared := load(config), settings, stream)
        if source is not None:
            made = make_reference.from_file(place, source)
        elif golden is not None:
            span = make_reference.span_of(*(at.replace(tzinfo=UTC) for at in golden))
            made = make_reference.from_period(place, declared, found.engine, span, despite_alerts=despite_alerts)
        if not dry_run:
            with found.engine.begin() as conn:
                made = make_reference.keep(conn, place, made)
        if as_json:
            typer.echo(json.dumps(made_report.as_json(made), indent=2))
        else:
            typer.echo(made_report.as_text(made))


@app.command()
def pin(
    stream: StreamName,
    version: Version = "",
    none: Annotated[bool, typer.Option("--none", help="Pin nothing: use what was made last.")] = False,
) -> None:
    """Have a stream held against exactly one version until it is unpinned, whatever is made after it.

    A running service takes it up at its next start.
    """
    from drift.config import read_settings
    from drift.store import references
    from drift.wiring.database import migrated
    from drift.wiring.kept_references import SHORT, find
    from drift.wiring.reference_report import NEXT_START

    if bool(version) == none:
        raise typer.BadParameter("say what to pin: either a VERSION or --none")
    with told(), migrated(read_settings()) as found, found.engine.begin() as conn:
        if version:
            row = find(conn, stream, version)
            references.pin(conn, stream, row.version)
            typer.echo(f"{stream} is pinned to {row.version[:SHORT]}. {NEXT_START}")
        else:
            references.unpin(conn, stream)
            row = find(conn, stream)
            typer.echo(f"{stream} is not pinned; in use is {row.version[:SHORT]}. {NEXT_START}")


@app.command()
def recompute(
    stream: StreamName,
    config: Annotated[Path, typer.Option(help="The configuration file.")] = DEFAULT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, whatever comes out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Encode the inputs of the reference in use again, with today's encoder and libraries, and compare row by row.

    If any row differs by more than rounding, what was computed is kept as a new reference, in use from the next start
    on unless another is pinned. **Exit status**: 0 unchanged, 1 changed, 2 an error.
    """
    from drift.config import load, read_settings
    from drift.wiring.compare_references import again
    from drift.wiring.database import migrated
    from drift.wiring.difference_report import again_as_json, again_as_text

    with told(failed=2):
        with migrated(settings := read_settings()) as found:
            done = again(load(config), settings, found.engine, stream, dry_run=dry_run)
        typer.echo(json.dumps(again_as_json(done), indent=2) if as_json else again_as_text(done))
    raise typer.Exit(int(done.found.changed))


@app.command()
def diff(
    stream: StreamName,
    old: Annotated[str, typer.Argument(metavar="OLD", help="A version; its first characters are enough.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Say what differs between two references: where they came from, which encoder, which rows, and by how much.

    Rows are paired by their input, or by their vector where there are no inputs. Rows that are new are tested by the
    panel against the old reference.
    """
    from drift.config import read_settings
    from drift.wiring.compare_references import between
    from drift.wiring.database import migrated
    from drift.wiring.difference_report import between_as_json, between_as_text

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            both = between(conn, stream, old, new)
        typer.echo(json.dumps(between_as_json(both), indent=2) if as_json else between_as_text(both))
