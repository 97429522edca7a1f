"""Commands about the embedded Postgres."""

import typer

from drift.cli.common import told

app = typer.Typer(no_args_is_help=True, help="The embedded Postgres, used where DRIFT_DATABASE_URL is not set.")


@app.command("stop")
def db_stop() -> None:
    """Stop the embedded Postgres, whoever started it. Its data stays."""
    from drift.config import read_settings
    from drift.wiring.database import embedded

    with told():
        server = embedded(read_settings())
        server.stop()
        typer.echo(f"{server.root}: {server.status()}")


@app.command("start")
def db_start() -> None:
    """Start the embedded Postgres, and leave it running; prints the address to connect to."""
    from drift.config import read_settings
    from drift.wiring.database import embedded

    with told():
        server = embedded(read_settings())
        server.start()
        typer.echo(server.url())


@app.command("status")
def db_status() -> None:
    """Say whether the embedded Postgres runs."""
    from drift.config import read_settings
    from drift.wiring.database import embedded

    with told():
        server = embedded(read_settings())
        typer.echo(f"{server.root}: {server.status()}")
