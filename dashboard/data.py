"""Cached reads for the pages, and what was read last while the database is away.

Here, and nowhere else, it is seen to that nobody is shown streams that are not for that visitor.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar, cast

import streamlit as st

from dashboard import past
from dashboard.answers import Incidents, Narrow, Newest, Registered, Shown
from dashboard.door import HiddenError, config, sees, visitor
from dashboard.kept import Kept
from dashboard.past import EPISODES, EVERY
from dashboard.questions import Questions
from dashboard.series import History, Range
from dashboard.standing import Fleet, Line, measured, unjudged
from drift.config import Settings
from drift.errors import StoreError
from drift.records import Measurement
from drift.slo import Slo
from drift.store import maintenance, operations, outgoing, reads, views
from drift.store.connect import Connection, connect_reader
from drift.store.views import Reader

__all__ = ["Incidents", "Registered", "Shown", "config", "visitor"]
T = TypeVar("T")
TTL: Final = timedelta(seconds=2)
WITHIN: Final = timedelta(seconds=15)
"""How long a page waits for an answer; the server itself ends a statement after 10 s, as long as it does anything."""
KEPT: Final = 24
TRAIL: Final = 30  # windows that the fleet shows of each objective


def fleet(stream: str | None = None) -> Shown[Fleet]:
    """Everything that is known now; of the stream of that key alone, where one is named.

    Of one stream that is its newest measurements too. Of all of them `newest` reads those of the lines that are shown.

    Raises:
        StoreError: the database does not answer, and never did.
    """
    declared, _ = config()

    def read(conn: Connection) -> Fleet:
        streams, at = reads.streams(conn, key=stream), views.now(conn)
        names = {row.stream.name for row in streams}
        slos = declared.slos(stream).values() if declared and stream else ()
        found = _newest(conn, [(slo.stream, slo.sli.detector) for slo in slos])
        return Fleet(
            at=at,
            streams=tuple(streams),
            budgets=tuple(reads.latest_budgets(conn, stream=stream)),
            alerts=tuple(reads.alerts(conn, states=EVERY[:2], stream=stream, limit=10_000)),
            measurements=tuple(found),
            slots=tuple(views.slots(conn, unjudged(found, slos))),
            backlog=tuple(row for row in operations.queue(conn) if row.stream in names),
            troubled=outgoing.undelivered(conn, since=at - timedelta(days=1), now=at),
            maintenance=tuple(maintenance.active(conn, at)),
        )

    return asked(("fleet", stream), read)


def newest(shown: Sequence[Line]) -> list[Line]:
    """`shown` with the newest measurements of each; without, while the database does not answer."""

    def read(conn: Connection) -> Newest:
        found = _newest(conn, pairs)
        trails = views.trails(conn, pairs, last=TRAIL) if pairs else ()
        return Newest(tuple(found), tuple(trails), tuple(views.slots(conn, unjudged(found, slos))))

    slos = [line.slo for line in shown if line.slo]
    pairs = tuple(sorted({(line.row.stream.key, line.slo.sli.detector) for line in shown if line.slo}))
    try:
        found = asked(("newest", tuple(slos)), read).value
    except StoreError:
        found = Newest()
    return measured(shown, found)


def streams() -> Shown[Registered]:
    """Which streams there are.

    Raises:
        StoreError: the database does not answer, and never did.
    """

    return asked("streams", lambda conn: Registered(views.now(conn), tuple(reads.streams(conn))))


def among() -> tuple[str, ...] | None:
    """The streams that the visitor may see, None for all: asked for these, no limit is used up by those of others.

    Raises:
        StoreError: the database does not answer, and never did.
    """
    return None if visitor().sees_all else tuple(row.stream.key for row in streams().value.streams)


def history(chosen: Slo, others: tuple[Slo, ...], wanted: Range) -> Shown[History]:
    """What the stream of `chosen` went through in `wanted`.

    Raises:
        StoreError: the database does not answer, and never did for this.
    """
    key = "history", chosen, others, wanted
    return asked(key, lambda conn: past.read(conn, chosen, others, wanted), of=chosen.stream)


def incidents(last: timedelta | None) -> Shown[Incidents]:
    """Episodes that were open in the newest `last`, or ever.

    Raises:
        StoreError: the database does not answer, and never did for this.
    """

    mine = among()

    def read(conn: Connection) -> Incidents:
        at = views.now(conn)
        since = None if last is None else at - last
        found = reads.alerts(conn, states=EVERY, since=since, among=mine, limit=EPISODES + 1)
        alerts = tuple(found[:EPISODES])
        told = outgoing.of_alerts(conn, [row.alert for row in alerts])
        messages = tuple(outgoing.messages(conn, among=mine, since=since))
        return Incidents(at, alerts, told, messages, is_whole=len(found) <= EPISODES)

    return asked(("incidents", last, mine), read)


def asked(
    key: Hashable, read: Callable[[Connection], T], *, of: str | None = None, ttl: timedelta | None = None
) -> Shown[T]:
    """What `read` says, all of it at one moment; `key` names the question, an answer serves for `ttl`.

    `of` is the stream that it is about, or asks for all of them: where it is about more than one, who may not see them
    all is shown what the answer leaves of itself (`Narrow`), or nothing.

    Raises:
        StoreError: the database does not answer, and never did for this.
        HiddenError: it is not for this visitor.
    """
    at = url()
    reader, questions, whole = _reader(at), _questions(at), (key, at)

    def answer() -> T:
        with views.reading(reader) as conn:
            return read(conn)

    return _shown(whole, lambda: questions.ask(whole, answer), of=of, ttl=ttl)


def remembered(key: Hashable, ask: Callable[[], T], *, ttl: timedelta) -> Shown[T]:
    """What `ask` says, who asks somebody else than the database; `key` names the question, an answer serves for `ttl`.

    Raises:
        PrometheusError: there is no answer, and never was one.
    """
    return _shown(key, ask, ttl=ttl)


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


def _shown(key: Hashable, read: Callable[[], T], *, of: str | None = None, ttl: timedelta | None = None) -> Shown[T]:
    """The newest answer that `read` gives or gave, as far as it is for the visitor."""
    who = visitor()
    if who.sees_all:
        return _kept_or_read(key, read, ttl)
    may_see = sees()
    if of is not None and not may_see(of):
        raise HiddenError(f"`{of}` is not among the streams that {who.name} may see.")
    shown = _kept_or_read(key, read, ttl)
    if isinstance(shown.value, Narrow):
        return replace(shown, value=cast(T, shown.value.only(may_see)))
    if of is None:
        raise HiddenError(f"This page is about all streams, and {who.name} may see those of some tenants only.")
    return shown


def _kept_or_read(key: Hashable, read: Callable[[], T], ttl: timedelta | None) -> Shown[T]:
    """One answer serves all visitors for as long as `ttl`, whatever they may see of it."""
    return _kept().answer(key, read, ttl=TTL if ttl is None else ttl, pause=TTL)


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    return Kept(KEPT)


@st.cache_resource(max_entries=4, show_spinner=False, on_release=lambda reader: reader.dispose())
def _reader(url: str) -> Reader:
    return connect_reader(url)


@st.cache_resource(max_entries=4, show_spinner=False)
def _questions(url: str) -> Questions:
    return Questions(views.where(_reader(url)), WITHIN)
