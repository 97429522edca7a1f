"""The command line. Each command parses its words and hands over to the wiring, imported when it runs."""

from typing import Final

import typer

from drift.cli import (
    alerts,
    canary,
    database,
    diagnosis,
    files,
    gate,
    maintenance,
    references,
    retrain,
    rules,
    service,
    slo,
    webhook,
)

app: Final = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Know before your users do that the embeddings in production have gone bad, why, and what to do about it.\n\n"
    "`drift demo` shows the whole story on real text; `drift check drift.yaml` says whether your own file would work; "
    "`drift run drift.yaml` monitors.",
)
app.add_typer(service.app)
app.add_typer(files.app)
app.add_typer(diagnosis.app)
app.add_typer(gate.app, name="gate")
app.add_typer(canary.app, name="canary")
app.add_typer(references.app, name="reference")
app.add_typer(alerts.app, name="alert")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(retrain.app, name="retrain")
app.add_typer(webhook.app, name="webhook")
app.add_typer(rules.app)
app.add_typer(slo.app, name="slo")
app.add_typer(database.app, name="db")
