"""Cached reads for the pages, and what was read last while the database is away."""

import argparse
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Generic, TypeVar, cast

import streamlit as st

from dashboard import past
from dashboard.declared import Declared
from dashboard.past import EPISODES, EVERY
from dashboard.series import History, Range
from dashboard.standing import Fleet, Line, measured
from drift.config import Settings, load
from drift.errors import ConfigError, StoreError
from drift.records import Measurement
from drift.slo import Slo
from drift.store import maintenance, reads, views
from drift.store.connect import Connection, connect_reader
from drift.store.reads import AlertRow, StreamRow
from drift.store.views import MessageRow, Reader

T = TypeVar("T")
TTL: Final = timedelta(seconds=2)
KEPT: Final = 24


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """What a page shows, how long ago it was read, and why it is not newer ("" when it is)."""

    value: T
    age: timedelta
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Incidents:
    """Episodes of alerts, newest first, and the messages that told of them."""

    at: datetime
    alerts: tuple[AlertRow, ...]
    messages: tuple[MessageRow, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """The streams that are known at `at`, by key."""

    at: datetime
    streams: tuple[StreamRow, ...]


def config() -> tuple[Declared | None, str]:
    """The configuration that was named after `--`, or None and why there is none."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--config", type=Path)
    path: Path | None = parser.parse_known_args(sys.argv[1:])[0].config
    if path is None:
        return None, "no configuration was named: start the dashboard with `-- --config drift.yaml`"
    return _config(path, path.stat().st_mtime_ns if path.is_file() else 0)


def fleet(stream: str | None = None) -> Shown[Fleet]:
    """Everything that is known now; of the stream of that key alone, where one is named.

    Of one stream that is its newest measurements too. Of all of them `newest` reads those of the lines that are shown.

    Raises:
        StoreError: the database does not answer, and never did.
    """
    declared, _ = config()

    def read() -> Fleet:
        with views.reading(_reader(url())) as conn:
            streams, at = reads.streams(conn, key=stream), views.now(conn)
            keys = {row.stream.key for row in streams}
            detectors = {slo.sli.detector for slo in (declared.slos(stream) if declared and stream else {}).values()}
            return Fleet(
                at=at,
                streams=tuple(streams),
                budgets=tuple(reads.latest_budgets(conn, stream=stream)),
                alerts=tuple(reads.alerts(conn, states=EVERY[:2], stream=stream, limit=10_000)),
                measurements=tuple(_newest(conn, [(stream, each) for each in detectors] if stream else [])),
                backlog=tuple(row for row in reads.backlog(conn) if row.stream in keys),
                troubled=views.undelivered(conn, since=at - timedelta(days=1)),
                maintenance=tuple(maintenance.active(conn, at)),
            )

    return _shown(("fleet", url(), stream), read)


def newest(shown: Sequence[Line]) -> list[Line]:
    """`shown` with the newest measurement of each; without, while the database does not answer."""
    pairs = tuple((line.row.stream.key, line.slo.sli.detector) for line in shown if line.slo)
    try:
        found = asked(("newest", pairs), lambda conn: _newest(conn, pairs)).value
    except StoreError:
        found = []
    return measured(shown, found)


def streams() -> Shown[Registered]:
    """Which streams there are.

    Raises:
        StoreError: the database does not answer, and never did.
    """

    def read() -> Registered:
        with views.reading(_reader(url())) as conn:
            return Registered(views.now(conn), tuple(reads.streams(conn)))

    return _shown(("streams", url()), read)


def history(chosen: Slo, others: tuple[Slo, ...], wanted: Range) -> Shown[History]:
    """What the stream of `chosen` went through in `wanted`.

    Raises:
        StoreError: the database does not answer, and never did for this.
    """

    def read() -> History:
        with views.reading(_reader(url())) as conn:
            return past.read(conn, chosen, others, wanted)

    return _shown(("history", url(), chosen, others, wanted), read)


def incidents(last: timedelta | None) -> Shown[Incidents]:
    """Episodes that were open in the newest `last`, or ever.

    Raises:
        StoreError: the database does not answer, and never did for this.
    """

    def read() -> Incidents:
        with views.reading(_reader(url())) as conn:
            at = views.now(conn)
            since = None if last is None else at - last
            alerts = reads.alerts(conn, states=EVERY, since=since, limit=EPISODES)
            return Incidents(at, tuple(alerts), tuple(views.messages(conn)))

    return _shown(("incidents", url(), last), read)


def asked(key: Hashable, read: Callable[[Connection], T], *, ttl: timedelta | None = None) -> Shown[T]:
    """What `read` says, all of it at one moment; `key` names the question, an answer serves for `ttl`.

    Raises:
        StoreError: the database does not answer, and never did for this.
    """

    def answer() -> T:
        with views.reading(_reader(url())) as conn:
            return read(conn)

    return _shown((key, url()), answer, ttl)


def url() -> str:
    """The database to read.

    Raises:
        StoreError: none was named.
    """
    settings = Settings()
    found = settings.dashboard_database_url or settings.database_url
    if not found:
        raise StoreError("no database was named: set DRIFT_DASHBOARD_DATABASE_URL, or DRIFT_DATABASE_URL")
    return found


def _newest(conn: Connection, pairs: Sequence[tuple[str, str]]) -> list[Measurement]:
    return views.latest_measurements(conn, pairs) if pairs else []


def _shown(key: Hashable, read: Callable[[], T], ttl: timedelta | None = None) -> Shown[T]:
    """The newest answer that `read` gives or gave. One answer serves all viewers for as long as `ttl`."""
    kept, at = _kept(), time.monotonic()
    known = cast(tuple[T, float] | None, kept.get(key))
    if known is not None and at - known[1] < (TTL if ttl is None else ttl).total_seconds():
        return Shown(known[0], timedelta(seconds=at - known[1]))
    try:
        value = read()
    except StoreError as error:
        if known is None:
            raise
        return Shown(known[0], timedelta(seconds=at - known[1]), str(error))
    kept.pop(key, None)
    kept[key] = (value, at)
    while len(kept) > KEPT:
        kept.pop(next(iter(kept)), None)
    return Shown(value, timedelta())


@st.cache_resource(show_spinner=False)
def _kept() -> dict[Hashable, tuple[object, float]]:
    """Answers by question, with the moment of the process's clock; the longest not renewed comes first."""
    return {}


@st.cache_resource(max_entries=4, show_spinner=False, on_release=lambda reader: reader.dispose())
def _reader(url: str) -> Reader:
    return connect_reader(url)


@st.cache_resource(max_entries=4, show_spinner=False)
def _config(path: Path, changed_at: int) -> tuple[Declared | None, str]:  # noqa: ARG001  # read again when it changes
    try:
        return Declared.of(load(path)), ""
    except ConfigError as error:
        return None, str(error)
