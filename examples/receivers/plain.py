"""A receiver of retrain requests by Python's own HTTP server: verify, work on each id once, tell how it goes.

`RETRAIN_SECRET=whsec_… python -m examples.receivers.plain PORT runs.sqlite`; put what you run in place of `train()`.
Where the service has `access.tokens`, DRIFT_TOKEN is one with the role sender.
"""

import json
import logging
import os
import sqlite3
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.error import HTTPError

from drift.webhook import SignatureError, verify

REQUESTED: Final = "io.drift.retrain.requested"
SECRETS: Final = os.environ["RETRAIN_SECRET"].split()  # two while they are rotated
TOKEN: Final = os.environ.get("DRIFT_TOKEN", "")
AGAIN: Final = 60.0
"""Seconds until what the service has not heard is told again."""
SETTLED: Final = (404, 409, 422)
"""What the service answers to a report that it will never take."""
log = logging.getLogger(__name__)
reporting = threading.Lock()  # two runs that end together would tell of each other's end too


def train(data: dict[str, object]) -> str:
    """Train anew; return the new version. Yours goes here."""
    return f"{data['version']}-retrained"


@contextmanager
def opened(path: str) -> Iterator[sqlite3.Connection]:
    """The table of runs, in a transaction."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS run (id TEXT PRIMARY KEY, body BLOB, report TEXT, told INTEGER DEFAULT 0)"
        )
        yield db


def kind_of(body: bytes) -> str:
    """The type of an event. Raises ValueError: the body is none."""
    event = json.loads(body)
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ValueError("an event needs a `type`")  # noqa: TRY004  what has arrived is wrong, and no call
    return str(event["type"])


def remember(path: str, id_: str, body: bytes) -> bool:
    """Keep the request; False when it came before. It is on disk before the sender hears 202."""
    with opened(path) as db:
        return db.execute("INSERT OR IGNORE INTO run (id, body) VALUES (?, ?)", (id_, body)).rowcount == 1


def work(path: str, id_: str, body: bytes) -> None:
    """Do what was asked for, and tell the service how it goes; a service that does not hear it keeps nobody from it."""
    data = json.loads(body)["data"]
    tell(data["links"]["status"], {"status": "started"})
    try:
        report = {"status": "succeeded", "version": train(data)}
    except Exception as error:  # noqa: BLE001  whatever it is, the service should know
        report = {"status": "failed", "detail": str(error)[:2000]}
    with opened(path) as db:
        db.execute("UPDATE run SET report = ? WHERE id = ?", (json.dumps(report), id_))
    report_ends(path)


def unfinished(path: str) -> list[tuple[str, bytes]]:
    """What was asked for before the last stop and is not done."""
    with opened(path) as db:
        return db.execute("SELECT id, body FROM run WHERE report IS NULL").fetchall()


def report_ends(path: str) -> None:
    """Tell of the runs that have ended and of which the service has not heard."""
    with reporting:
        with opened(path) as db:
            ended = db.execute("SELECT id, body, report FROM run WHERE report IS NOT NULL AND NOT told").fetchall()
        for id_, body, report in ended:
            if tell(json.loads(body)["data"]["links"]["status"], json.loads(report)):
                with opened(path) as db:
                    db.execute("UPDATE run SET told = 1 WHERE id = ?", (id_,))


def tell(url: str, report: dict[str, str]) -> bool:
    """Post `report` to the service; False where it should be told again."""
    try:
        status, said = post(url, report)
    except (OSError, HTTPException, ValueError) as error:
        log.warning("%s has not heard %s: %s", url, report["status"], error)
        return False
    if status >= 300:
        log.warning("%s answers %s to %s: %s", url, status, report["status"], said)
    return status < 300 or status in SETTLED


def post(url: str, report: dict[str, str]) -> tuple[int, str]:
    """The status and the text of the answer to `report`."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {TOKEN}"} if TOKEN else {})
    request = urllib.request.Request(url, json.dumps(report).encode(), headers, method="POST")
    try:
        answer = urllib.request.urlopen(request, timeout=15)
    except HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read(1000).decode(errors="replace")


def resume(path: str, stop: threading.Event) -> None:
    """At the start: go on with what is not done, and until `stop` tell again what the service has not heard."""
    for id_, body in unfinished(path):
        threading.Thread(target=work, args=(path, id_, body)).start()
    threading.Thread(target=report_until, args=(path, stop), daemon=True).start()


def report_until(path: str, stop: threading.Event) -> None:
    """See `resume`."""
    while True:
        report_ends(path)
        if stop.wait(AGAIN):
            return


class Handler(BaseHTTPRequestHandler):
    """POST with a signed event: 401 for what drift did not send, 202 for what is kept, whether new or not.

    400 for what is no event.
    """

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 9:
            return self._answer(400, "a content-length is a number of at most 9 digits")
        body = self.rfile.read(int(length))
        try:
            id_ = verify(self.headers, body, SECRETS)
            kind = kind_of(body)
        except SignatureError as error:
            return self._answer(401, str(error))
        except ValueError as error:
            return self._answer(400, str(error))
        path = self.server.runs  # type: ignore[attr-defined]
        if kind == REQUESTED and remember(path, id_, body):
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
    resume(runs, threading.Event())
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.runs = runs  # type: ignore[attr-defined]
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
