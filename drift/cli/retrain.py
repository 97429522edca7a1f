"""Commands about retraining: what was asked for, and a person's word about it."""

import json
from typing import Annotated

import typer
from rich.console import Console

from drift.cli.common import AsJson, told

app = typer.Typer(
    no_args_is_help=True,
    help="Requests to retrain: what was asked for and what came of it; approve or reject one.",
)

IntentId = Annotated[str, typer.Argument(metavar="ID", help="Its first letters are enough.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing: say what would become of it.")]


@app.command("list")
def list_retrains(
    model: Annotated[str, typer.Option(help="Only of this model.")] = "",
    as_json: AsJson = False,
) -> None:
    """List all intents to retrain, the newest first, also those that asked nobody.

    `joined`: another request for the model was open; `cooling`: the last one is too recent (`retrain.cooldown`).
    """
    from drift.config import read_settings
    from drift.store.retrains import retrains
    from drift.wiring import retrain_report
    from drift.wiring.database import migrated

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            intents = retrains(conn, model=model or None)
        if as_json:
            typer.echo(json.dumps([retrain_report.as_json(intent) for intent in intents], indent=2))
        else:
            Console().print(retrain_report.as_table(intents))


@app.command()
def show(id_: IntentId, as_json: AsJson = False) -> None:
    """Show all that is known of one: why, who was asked, what came of it, and which other incidents joined it."""
    from drift.config import read_settings
    from drift.pipeline.retrains import named
    from drift.store.retrains import joined_to
    from drift.wiring import retrain_report
    from drift.wiring.database import migrated

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            intent = named(conn, id_)
            joined = joined_to(conn, intent.id)
        if as_json:
            typer.echo(json.dumps(retrain_report.as_json(intent, joined), indent=2))
        else:
            Console().print(retrain_report.as_text(intent, joined))


@app.command()
def approve(id_: IntentId, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Agree to a request that waits for approval (`retrain.approval`): its receivers are asked at once."""
    from drift.config import read_settings
    from drift.pipeline import retrains
    from drift.wiring.build import clock
    from drift.wiring.database import migrated, tried
    from drift.wiring.retrain_report import as_json as plain
    from drift.wiring.who import whoami

    with told(), migrated(read_settings()) as found:
        with tried(found.engine, dry_run=dry_run) as conn:
            done = retrains.approve(conn, retrains.named(conn, id_).id, by=whoami(), now=clock())
        said = "would be asked" if dry_run else "are asked"
        text = f"{done.id}: {done.state} for {done.model}; {', '.join(done.receivers)} {said}"
        typer.echo(json.dumps(plain(done), indent=2) if as_json else text)


@app.command()
def reject(
    id_: IntentId,
    reason: Annotated[str, typer.Option(help="Why, for who reads it later.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Close a request that is open: nobody is asked any more, and the model may be asked for again after its cooldown.

    Also for one whose pipeline will not be heard of.
    """
    from drift.config import read_settings
    from drift.pipeline import retrains
    from drift.records.retrains import MOST_TEXT
    from drift.wiring.build import clock
    from drift.wiring.database import migrated, tried
    from drift.wiring.retrain_report import as_json as plain
    from drift.wiring.who import whoami

    if len(reason) > MOST_TEXT:
        raise typer.BadParameter(f"--reason has {len(reason)} characters, at most {MOST_TEXT} are kept")
    with told(), migrated(read_settings()) as found:
        with tried(found.engine, dry_run=dry_run) as conn:
            id_ = retrains.named(conn, id_).id
            done = retrains.reject(conn, id_, by=whoami(), reason=reason, now=clock())
        said = "would be rejected" if dry_run else "is rejected"
        typer.echo(json.dumps(plain(done), indent=2) if as_json else f"{done.id} for {done.model} {said}")
