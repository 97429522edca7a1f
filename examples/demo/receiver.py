"""Stand in for an Alertmanager and a training pipeline: print each page, ticket and retrain request as it arrives.

`python -m examples.demo.receiver PORT`; the secret is in DRIFT_DEMO_SECRET.
"""

import json
import os
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from drift.errors import SignatureError
from drift.notify.signature import Secret, verify

console: Final = Console(highlight=False, soft_wrap=True)
secret: Final = Secret(os.environ["DRIFT_DEMO_SECRET"])
told: dict[str, str] = {}  # status by labels: alerts are repeated, and shown when they change
causes: dict[str, str | None] = {}
seen: set[str] = set()  # ids of retrain requests: each is worked on once


class Handler(BaseHTTPRequestHandler):
    """POST /api/v2/alerts as an Alertmanager takes it, POST /retrain as Standard Webhooks say; there is no silence."""

    def do_GET(self) -> None:
        self._answer(200, b"[]")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.path == "/api/v2/alerts":
            for alert in json.loads(body):
                if alert["labels"]["severity"] != "none":
                    show_alert(alert)
            self._answer(200)
        else:
            self._answer(show_retrain(dict(self.headers), body))

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        """Say nothing of each request."""


def show_alert(alert: dict[str, Any]) -> None:
    """Print an alert that is new or has changed its state."""
    over = datetime.fromisoformat(alert["endsAt"]) <= datetime.now(UTC)
    status, name = "resolved" if over else "firing", json.dumps(alert["labels"], sort_keys=True)
    labels, said = alert["labels"], alert["annotations"]
    if not over and said.get("cause") != causes.get(name) and told.get(name) == "firing":
        console.print(f"\n[bold] CAUSE [/] {labels['job_id']} ({labels['slo']}): {escape(said.get('diagnosis', ''))}")
        console.print(f"   [dim]next_step     [/dim]{escape(said.get('next_step', ''))}")
    causes[name] = said.get("cause")
    if told.get(name, "resolved") == status:
        return
    told[name] = status
    colour = "green" if over else "bold white on red" if labels["severity"] == "page" else "yellow"
    title = f"{labels['severity'].upper()} {status.upper()}"
    console.print(f"\n[{colour}] {title} [/] {escape(labels['alertname'])}: {escape(said['summary'])}")
    if not over:
        for key in ("diagnosis", "description", "next_step", "dashboard_url", "runbook_url"):
            if key in said:
                console.print(f"   [dim]{key:14}[/dim]{escape(said[key])}")


def show_retrain(headers: dict[str, str], body: bytes) -> int:
    """Print a retrain request that is really from drift; return the status to answer with."""
    try:
        id_ = verify(headers, body, [secret], now=datetime.now(UTC))
    except SignatureError as error:
        console.print(f"[red]refused a webhook:[/red] {escape(str(error))}")
        return 401
    if id_ not in seen:
        seen.add(id_)
        data = json.loads(body)["data"]
        console.print(f"\n[bold white on blue] RETRAIN [/] {data['model']}: {escape(data['why'])}")
        console.print(f"   [dim]signature ok, id {id_}, slo {data['slo']}, since {data['since']}[/dim]")
    return 202


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    server.serve_forever()
