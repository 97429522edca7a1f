"""Commands about webhooks: who is told, what arrived, and sending it anew."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from drift.cli.common import DEFAULT, AsJson, show_kept, told

app = typer.Typer(no_args_is_help=True, help="Webhooks: who is told, what has arrived; test, replay, enable.")

ConfigOption = Annotated[Path, typer.Option("--config", help="The configuration file.")]
Receiver = Annotated[str, typer.Argument(metavar="NAME", help="A webhook's name in the configuration.")]


@app.command("list")
def list_webhooks(config: ConfigOption = DEFAULT, as_json: AsJson = False) -> None:
    """List the webhooks of the configuration: which are disabled, and how many messages wait or were given up."""
    from drift.config import load
    from drift.wiring import webhook_report as report

    show_kept(
        lambda conn: report.standings(conn, load(config)),
        report.as_table,
        lambda found: [*map(report.as_json, found)],
        as_json=as_json,
    )


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A message's id, or its first letters.")],
    as_json: AsJson = False,
) -> None:
    """Show a message, and how its delivery to each receiver goes."""
    from drift.config import read_settings
    from drift.wiring import webhook_report, webhooks
    from drift.wiring.database import migrated

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            messages = webhooks.messages_of(conn, id_)
        if as_json:
            typer.echo(json.dumps([webhook_report.message_as_json(one) for one in messages], indent=2))
        else:
            Console(soft_wrap=True).print(webhook_report.messages_as_text(messages), markup=False)


@app.command("test")
def send_test(name: Receiver, config: ConfigOption = DEFAULT, as_json: AsJson = False) -> None:
    """Send a signed event `io.drift.test` now, and say what the receiver answers. Non-zero unless it answers 2xx.

    Nothing is kept of it. An adapter would start a run: only its connection is tried.
    """
    from drift.config import load
    from drift.wiring import webhooks

    with told():
        said = webhooks.send_test(load(config), name)
        typer.echo(json.dumps({"receiver": name, "answer": said}) if as_json else f"{name}: {said}")


@app.command()
def replay(
    id_: Annotated[str, typer.Argument(metavar="[ID]", help="A message's id, or its first letters.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="All messages that were given up.")] = False,
    receiver: Annotated[str, typer.Option(help="Only to this receiver.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Really send several; without it, say which.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing: say which would be sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send messages anew, with the same id and a new timestamp: one by its id, or all that were given up.

    Receivers know a message by its id, and work on none twice. Of several, it first says which they are.
    """
    from drift.config import read_settings
    from drift.wiring import webhooks
    from drift.wiring.build import clock
    from drift.wiring.database import migrated

    if bool(id_) == dead:
        raise typer.BadParameter("say what to send anew: either an ID or --dead")
    with told(), migrated(read_settings()) as found, found.engine.begin() as conn:
        chosen = webhooks.chosen(conn, id_, receiver=receiver)
        really = not dry_run and (yes or len(chosen) < 2)
        if really:
            webhooks.replay(conn, chosen, now=clock())
        if as_json:
            rows = [{"id": one.id, "receiver": one.receiver} for one in chosen]
            typer.echo(json.dumps({"sent_anew": really, "messages": rows}, indent=2))
            return
        for one in chosen:
            typer.echo(f"{one.id} to {one.receiver}: {one.state} after {one.attempts} attempts; {one.error or 'ok'}")
        typer.echo(f"{len(chosen)} to be sent anew" + ("" if really else ": not yet, add --yes to send them"))


@app.command()
def enable(name: Receiver, config: ConfigOption = DEFAULT) -> None:
    """Send to a webhook again that answered 410 (gone). What has waited for it goes out, oldest first."""
    from drift.config import load, read_settings
    from drift.store import endpoints
    from drift.wiring import webhooks
    from drift.wiring.database import migrated

    with told():
        with migrated(read_settings()) as found, found.engine.begin() as conn:
            was = endpoints.enable(conn, name)
        if not was:  # One that is in no configuration any more is enabled as well, so that nothing waits for ever.
            webhooks.declared(load(config), name)
        typer.echo(f"{name} is enabled" if was else f"{name} was not disabled")
