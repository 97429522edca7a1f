"""The command that writes rules for Prometheus."""

import typer

from drift.cli.common import DEFAULT, ConfigPath, told

app = typer.Typer()


@app.command()
def rules(config: ConfigPath = DEFAULT) -> None:
    """Print the alerts of a file's objectives as recording and alerting rules over `/metrics`, in YAML.

    For those who want Prometheus to decide: leave `receivers.alertmanagers` empty then, or everybody is told twice.
    Scrape at least twice a slot, and keep what the longest look-back needs (three days, by default). **Exit status**:
    0; 1 for a file that would not work. `promtool check rules` accepts what is printed.
    """
    from drift.config import load
    from drift.wiring.prometheus_rules import rules as written

    with told():
        typer.echo(written(load(config)), nl=False)
