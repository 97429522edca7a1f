"""The database of this process: the one that is configured, else the embedded one."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final, TextIO

import structlog

from drift.config import Settings
from drift.errors import DriftError
from drift.store import migrate
from drift.store.connect import Connection, Engine, connect, require_usable
from drift.store.embedded import EmbeddedPostgres, Status

log = structlog.get_logger()
WATCH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Database:
    """A database that answers. `reader_url` is for those who may only read."""

    url: str
    reader_url: str
    engine: Engine


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """A database that answers, migrated or not. An embedded Postgres that was not running is stopped again.

    Raises:
        StoreError: it does not answer, is too old, or cannot be started.
    """
    with _used(settings, stops=embedded(settings).status() is not Status.RUNNING) as found:
        yield found


@contextmanager
def migrated(settings: Settings) -> Iterator[Database]:
    """A database that answers and has the newest schema."""
    with database(settings) as found:
        migrate.upgrade(found.engine)
        yield found


@contextmanager
def tried(engine: Engine, *, dry_run: bool) -> Iterator[Connection]:
    """A transaction, which a dry run undoes at its end."""
    with engine.connect() as conn, conn.begin() as transaction:
        yield conn
        if dry_run:
            transaction.rollback()


@contextmanager
def hosted(settings: Settings) -> Iterator[Database]:
    """The same for the service itself, which stops the embedded Postgres with it, whoever started that."""
    with _used(settings, stops=True) as found:
        migrate.upgrade(found.engine)
        yield found


def embedded(settings: Settings) -> EmbeddedPostgres:
    """The embedded Postgres of these settings, running or not."""
    return EmbeddedPostgres(settings.home / "postgres")


@contextmanager
def _used(settings: Settings, *, stops: bool) -> Iterator[Database]:
    if settings.database_url:
        with _connected(settings.database_url, settings.dashboard_database_url or settings.database_url) as found:
            yield found
        return
    server = embedded(settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    # Every process that uses the server holds this lock, and loses it with its life: the last one stops the server.
    with (settings.home / "postgres.users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        server.start()
        try:
            with _connected(server.url(), server.reader_url) as found, _kept_running(server):
                yield found
        finally:
            if stops and _is_last(users):
                server.stop()


@contextmanager
def _kept_running(server: EmbeddedPostgres) -> Iterator[None]:
    """Start the server again when it dies, until the block ends: nobody else would."""
    over = Event()

    def watch() -> None:
        while not over.wait(WATCH_SECONDS):
            if server.status() is not Status.STOPPED:
                continue
            log.warning("embedded Postgres had stopped", folder=str(server.root))
            try:
                server.start()
            except DriftError as error:
                log.warning("embedded Postgres not started", error=str(error))
            else:
                log.info("embedded Postgres started again", folder=str(server.root))

    watcher = Thread(target=watch, name="embedded postgres", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _is_last(users: TextIO) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _connected(url: str, reader_url: str) -> Iterator[Database]:
    engine = connect(url)
    try:
        require_usable(engine)
        yield Database(url, reader_url, engine)
    finally:
        engine.dispose()
