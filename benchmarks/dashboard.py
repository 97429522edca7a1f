"""How long the dashboard takes to show a crowd of streams. `python -m benchmarks.dashboard` prints a table.

1,000 streams of five objectives with 90 days of hourly windows are written first (`benchmarks/crowd.py`: minutes, and
eight gigabytes), on an embedded Postgres with its default memory; `--keep` says where, for more than one run. A page
is timed in Chromium, whose cache is warm, from the request to the last row or chart that is drawn; each time it is
another stream, or old enough that the dashboard asks the database again. Memory is the dashboard's alone. What the very
first visitor waits for, while the configuration of all streams is read, is not timed.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks import crowd
from dashboard import data
from dashboard.views.fleet import MOST
from drift.config import load
from drift.store import migrate, reads
from drift.store.connect import connect
from drift.store.embedded import DURABLE, EmbeddedPostgres

FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
# What is filled by a script can be filled again.
FILLING: Final = (("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off"), ("max_wal_size", "8GB"))
QUICK: Final = replace(DURABLE, parameters=(*DURABLE.parameters, *FILLING))
ROWS: Final = "() => document.querySelectorAll('.drift tbody tr').length >= {}"
CHARTS: Final = "() => document.querySelectorAll('svg.chart').length >= {}"
LIMIT_MEGABYTES: Final = 600


@dataclass(frozen=True, slots=True)
class Look:
    """A page: its address given how often it was looked at, what must be there, and how long that may take."""

    name: str
    limit: float
    drawn: str
    address: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds from request to drawn, each of `seconds` one look."""

    look: Look
    seconds: tuple[float, ...]

    @property
    def is_within(self) -> bool:
        return statistics.median(self.seconds) <= self.look.limit


def looks(streams: int) -> tuple[Look, ...]:
    """The pages that have a limit. Streams differ from look to look, so that none has been read before."""

    def stream(i: int) -> str:
        return crowd.name((crowd.LIVED + i) % streams)

    # Five objectives: two charts of what was measured where it is a test, the budget, the burn, and the other four.
    return (
        Look("Fleet", 1.5, ROWS.format(min(MOST, 5 * streams)), lambda _: ""),
        Look("Stream", 1.0, CHARTS.format(8), lambda i: f"stream?stream={stream(i)}"),
        Look("Stream, 90 days", 1.0, CHARTS.format(8), lambda i: f"stream?stream={stream(40 + i)}&range=all"),
        Look("Matrix of 90 days", 2.0, CHARTS.format(1), lambda i: f"times?stream={stream(i)}&last=90+d"),
    )


def run(url: str, config: Path, *, streams: int, each: int, wait: float) -> tuple[list[Took], float]:
    """Each page looked at `each` times, with `wait` seconds before; and the dashboard's memory at most, in MB."""
    with _serving(url, config) as (address, pid), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*FLAGS])
        tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        found = []
        for look in looks(streams):
            _seconds(tab, f"{address}/{look.address(each)}", look.drawn)  # imports, and the browser's cache
            seconds = []
            for i in range(each):
                time.sleep(wait)
                seconds.append(_seconds(tab, f"{address}/{look.address(i)}", look.drawn))
            found.append(Took(look, tuple(seconds)))
        browser.close()
        return found, _peak_megabytes(pid)


def _seconds(tab: Page, address: str, drawn: str) -> float:
    tab.goto("about:blank")
    began = time.perf_counter()
    tab.goto(address, wait_until="commit")
    tab.wait_for_function(drawn, polling="raf", timeout=60_000)
    return time.perf_counter() - began


@contextmanager
def _serving(url: str, config: Path) -> Iterator[tuple[str, int]]:
    """The dashboard on a free port: its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "drift", "dashboard", str(config)]
    environment = {**os.environ, "DRIFT_DASHBOARD_DATABASE_URL": url, "DRIFT_DASHBOARD_PORT": str(port)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            with urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the dashboard did not answer at {address} within 30 s")


def _peak_megabytes(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


@contextmanager
def filled(home: Path, *, streams: int, days: int) -> Iterator[tuple[str, Path]]:
    """The URL of a reader of a database of that many streams in `home`, made unless it is there, and its file."""
    server = EmbeddedPostgres(home / "postgres", QUICK)
    server.start()
    try:
        config = crowd.write_config(home, streams)
        engine = connect(server.url())
        migrate.upgrade(engine)
        with engine.connect() as conn:
            is_new = not reads.streams(conn)
        if is_new:
            crowd.fill(engine, load(config), now=datetime.now(UTC), days=days)
        engine.dispose()
        yield server.reader_url, config
    finally:
        server.stop()


def table(found: list[Took], megabytes: float) -> Table:
    made = Table(title="From request to drawn, in Chromium")
    for column in ("page", "seconds", "worst", "limit", ""):
        made.add_column(column, justify="left" if column in {"page", ""} else "right")
    for took in found:
        worst, middle = max(took.seconds), statistics.median(took.seconds)
        said = "" if took.is_within else "over"
        made.add_row(took.look.name, f"{middle:.2f}", f"{worst:.2f}", f"{took.look.limit:.1f}", said)
    said = "" if megabytes <= LIMIT_MEGABYTES else "over"
    made.add_row("memory of the dashboard, MB", f"{megabytes:.0f}", "", f"{LIMIT_MEGABYTES}", said)
    return made


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--each", type=int, default=5, help="how often each page is looked at")
    parser.add_argument("--keep", type=Path, help="where the database is made, and left for another run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drift-bench-") as temporary:
        home = asked.keep or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o755)  # the server's service user must reach it
        began = time.perf_counter()
        with filled(home, streams=asked.streams, days=asked.days) as (url, config):
            Console().print(f"{asked.streams:,} streams of {asked.days} days: {time.perf_counter() - began:.0f} s")
            wait = data.TTL.total_seconds() + 0.1
            found = run(url, config, streams=asked.streams, each=asked.each, wait=wait)
        Console().print(table(*found))


if __name__ == "__main__":
    main()
