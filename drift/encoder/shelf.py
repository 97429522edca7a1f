"""A bounded key-value file for bytes, on sqlite: shared by processes, safe against a kill at any moment."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Final, TypeVar, final

import structlog

from drift.errors import EncoderError

log = structlog.get_logger()

T = TypeVar("T")

# sqlite's own bound on variables in one statement was 999 for long.
ASKED_AT_ONCE: Final = 500
PATIENCE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.05

# `at` counts up, so the oldest rows are the smallest, and dropping them is one range of the table's own order.
SETUP: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS shelf (at INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);
"""
PUT: Final = "INSERT INTO shelf (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"
DROP_OLDEST: Final = "DELETE FROM shelf WHERE at <= (SELECT max(at) FROM shelf) - ?"


@final
class Shelf:
    """Keeps the `capacity` values put last. Safe to share between threads and processes.

    What `put` returned from survives a kill of the process. A power cut may lose the last values, never the file.
    Nothing here is the only copy: a file that fails (disk full, locked for long) is logged, and nothing is found.
    """

    __slots__ = ("_connection", "_lock", "capacity", "path")

    def __init__(self, path: Path, capacity: int) -> None:
        self.path = path
        self.capacity = capacity
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = opened(path)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that are there."""
        return self._attempt(lambda connection: select(connection, keys)) or {}

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Add what is not there yet, then drop the oldest beyond `capacity`."""
        self._attempt(lambda connection: insert(connection, values, self.capacity))

    def close(self) -> None:
        """Let go of the file; nothing is found from here on."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        with self._lock:
            if self._connection is None:
                return None
            try:
                return work(self._connection)
            except sqlite3.Error as fault:
                log.warning("encoder cache failed", path=str(self.path), error=str(fault))
                return None


def opened(path: Path) -> sqlite3.Connection:
    """A connection to the file at `path`, made if need be. Raises EncoderError where it is no such file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Transactions are ours to begin: sqlite3's own start as readers, and two of those cannot both go on to write.
        connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)
        patiently(lambda: connection.executescript(SETUP))
    except (sqlite3.Error, OSError) as fault:
        raise EncoderError(
            f"the encoder's cache needs {path} to be a file of its own that can be written, found: {fault}; "
            "delete it (it only saves time), or set another path"
        ) from fault
    return connection


def patiently(work: Callable[[], object]) -> None:
    """Do it again while the file is locked: sqlite waits by itself, but not for the change of journal mode."""
    for _ in range(int(PATIENCE_SECONDS / RETRY_SECONDS)):
        try:
            work()
        except sqlite3.OperationalError as fault:
            if "locked" not in str(fault):
                raise
            sleep(RETRY_SECONDS)
        else:
            return
    work()


def select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The values of those keys that are there."""
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), ASKED_AT_ONCE):
        some = keys[start : start + ASKED_AT_ONCE]
        marks = ",".join("?" * len(some))
        found.update(connection.execute(f"SELECT key, value FROM shelf WHERE key IN ({marks})", some))
    return found


def insert(connection: sqlite3.Connection, values: Mapping[bytes, bytes], capacity: int) -> None:
    """Add what is not there yet and drop the oldest beyond `capacity`, both or neither."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(PUT, values.items())
        connection.execute(DROP_OLDEST, (capacity,))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
