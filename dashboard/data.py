"""Cached reads for the pages, and what was read last while the database is away."""

import argparse
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Generic, TypeVar, cast

import streamlit as st

from dashboard.declared import Declared
from dashboard.series import History, Range, Series
from dashboard.standing import Fleet
from drift.alert import Alert, AlertState
from drift.config import Settings, load
from drift.errors import ConfigError, PrometheusError, StoreError
from drift.records import Maintenance, Span
from drift.slo import Slo
from drift.store import diagnoses, maintenance, objectives, reads, views
from drift.store.connect import Connection, connect_reader
from drift.store.reads import AlertRow, StreamRow
from drift.store.views import MessageRow, Reader

T = TypeVar("T")
TTL: Final = timedelta(seconds=2)
POINTS: Final = 800  # a wide screen shows no more
FEW_POINTS: Final = 300
EPISODES: Final = 500
KEPT: Final = 24
EVERY: Final = (AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED)


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

    Raises:
        StoreError: the database does not answer, and never did.
    """
    declared, _ = config()

    def read() -> Fleet:
        with views.reading(_reader(url())) as conn:
            streams, at = reads.streams(conn, key=stream), views.now(conn)
            keys = {row.stream.key for row in streams}
            pairs = {
                (key, slo.sli.detector) for key in keys for slo in (declared.slos(key) if declared else {}).values()
            }
            return Fleet(
                at=at,
                streams=tuple(streams),
                budgets=tuple(reads.latest_budgets(conn, stream=stream)),
                alerts=tuple(reads.alerts(conn, states=EVERY[:2], stream=stream, limit=10_000)),
                measurements=tuple(views.latest_measurements(conn, sorted(pairs))),
                backlog=tuple(row for row in reads.backlog(conn) if row.stream in keys),
                troubled=views.undelivered(conn, since=at - timedelta(days=1)),
                maintenance=tuple(maintenance.active(conn, at)),
            )

    return _shown(("fleet", url(), stream), read)


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
            at = views.now(conn)
            span = wanted.span(at, views.reach(conn, chosen.stream, chosen.name))
            kept = objectives.calibrations(conn, now=at, stream=chosen.stream)
            found = reads.alerts(conn, states=EVERY, since=span.start, stream=chosen.stream, limit=EPISODES)
            alerts = tuple(row for row in found if row.alert.started_at < span.end)

            planned = _planned(conn, chosen.stream, span)

            def series(slo: Slo, most: int) -> Series:
                measured = views.thinned_measurements(conn, slo, span, most=most)
                gaps = views.gap_runs(conn, slo.stream, slo.sli.detector, span)
                promised = kept.get((slo.stream, slo.name))
                return Series(slo, span, tuple(measured), tuple(gaps), (), _of(slo, alerts), promised, planned)

            full = series(chosen, POINTS)
            budgets = views.thinned_budgets(conn, chosen.stream, chosen.name, span, most=POINTS)
            full = replace(full, budgets=tuple(budgets))
            rest = tuple(series(slo, FEW_POINTS) for slo in others)
            moved = views.attributed(conn, chosen.stream, span.start, span.end, detector=chosen.sli.detector)
            messages = tuple(views.messages(conn) if alerts else ())
            why = next(iter(diagnoses.made(conn, chosen.stream, since=span.start, until=span.end, limit=1)), None)
            return History(span, full, rest, alerts, messages, next(iter(moved), None), why)

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


def remembered(key: Hashable, ask: Callable[[], T], *, ttl: timedelta) -> Shown[T]:
    """What `ask` says, who asks somebody else than the database; `key` names the question, an answer serves for `ttl`.

    Raises:
        PrometheusError: there is no answer, and never was one.
    """
    return _shown(key, ask, ttl)


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


def _planned(conn: Connection, key: str, span: Span) -> tuple[Maintenance, ...]:
    """The maintenance windows of a stream that are on at some time in `span`."""
    stream = next((row.stream for row in reads.streams(conn) if row.stream.key == key), None)
    return tuple(one for one in maintenance.during(conn, span) if stream and one.covers.includes(stream))


def _of(slo: Slo, alerts: tuple[AlertRow, ...]) -> tuple[Alert, ...]:
    return tuple(row.alert for row in alerts if row.alert.slo == slo.name)


def _shown(key: Hashable, read: Callable[[], T], ttl: timedelta | None = None) -> Shown[T]:
    """The newest answer that `read` gives or gave. One answer serves all viewers for as long as `ttl`."""
    kept, at = _kept(), time.monotonic()
    known = cast(tuple[T, float] | None, kept.get(key))
    if known is not None and at - known[1] < (TTL if ttl is None else ttl).total_seconds():
        return Shown(known[0], timedelta(seconds=at - known[1]))
    try:
        value = read()
    except (StoreError, PrometheusError) as error:
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
