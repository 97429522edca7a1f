"""A receiver of retrain requests by Python's own HTTP server: verify, work on each id once, tell how it goes.

`RETRAIN_SECRET=whsec_… python -m examples.receivers.plain PORT runs.sqlite`; put `train()` in place of what you run.
"""

import json
import os
import sqlite3
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from drift.webhook import SignatureError, verify

REQUESTED: Final = "io.drift.retrain.requested"
SECRETS: Final = os.environ["RETRAIN_SECRET"].split()  # two while they are rotated


def train(data: dict[str, object]) -> str:
    """Train anew; return the new version. Yours goes here."""
    return f"{data['version']}-retrained"


@contextmanager
def opened(path: str) -> Iterator[sqlite3.Connection]:
    """The table of runs, in a transaction."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS run (id TEXT PRIMARY KEY, body BLOB, state TEXT)")
        yield db


def remember(path: str, id_: str, body: bytes) -> bool:
    """Keep the request; False when it came before. It is on disk before the sender hears 202."""
    with opened(path) as db:
        return db.execute("INSERT OR IGNORE INTO run VALUES (?, ?, 'asked')", (id_, body)).rowcount == 1


def work(path: str, id_: str, body: bytes) -> None:
    """Do what was asked for, and tell the service how it goes."""
    data = json.loads(body)["data"]
    tell(data["links"]["status"], {"status": "started"})
    try:
        version = train(data)
    except Exception as error:  # noqa: BLE001  whatever it is, the service should know
        tell(data["links"]["status"], {"status": "failed", "detail": str(error)[:2000]})
        state = "failed"
    else:
        tell(data["links"]["status"], {"status": "succeeded", "version": version})
        state = "succeeded"
    with opened(path) as db:
        db.execute("UPDATE run SET state = ? WHERE id = ?", (state, id_))


def unfinished(path: str) -> list[tuple[str, bytes]]:
    """What was asked for before the last stop and is not done: call `work` for it at the start."""
    with opened(path) as db:
        return db.execute("SELECT id, body FROM run WHERE state = 'asked'").fetchall()


def tell(url: str, report: dict[str, str]) -> None:
    """Post `report` to the service."""
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(report).encode(), headers, method="POST")
    urllib.request.urlopen(request, timeout=15).close()


class Handler(BaseHTTPRequestHandler):
    """POST with a signed event: 401 for what drift did not send, 202 for what is kept, whether new or not."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        try:
            id_ = verify(self.headers, body, SECRETS)
        except SignatureError as error:
            return self._answer(401, str(error))
        path = self.server.runs  # type: ignore[attr-defined]
        if json.loads(body)["type"] == REQUESTED and remember(path, id_, body):
            threading.Thread(target=work, args=(path, id_, body)).start()
        return self._answer(202, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        """Say nothing of each request."""


def main(port: int, runs: str) -> None:
    """Serve until stopped."""
    for id_, body in unfinished(runs):
        threading.Thread(target=work, args=(runs, id_, body)).start()
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.runs = runs  # type: ignore[attr-defined]
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
