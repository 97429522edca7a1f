"""Who leads: the process that holds an advisory lock on a connection of its own.

The lock dies with the connection, so a killed leader is replaced at once. It needs a session of its own: PgBouncer must
not pool this connection by transaction.
"""

from threading import Lock
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

# Taking the lock again while it is ours would only raise its count, so the lock table is asked first.
_TAKE: Final = sa.text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted) "
    "OR pg_try_advisory_lock(hashtext('drift leader'))"
)


class Lease:
    """At most one process at a time holds it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._conn: sa.Connection | None = None
        self._turn = Lock()
        self.is_held = False

    def take(self) -> bool:
        """Take the lease, or make sure that it is still ours."""
        with self._turn:
            try:
                if self._conn is None:
                    self._conn = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self.is_held = bool(self._conn.execute(_TAKE).scalar_one())
            except DBAPIError:
                self.release()
            return self.is_held

    def release(self) -> None:
        """Let another lead. The connection is closed, not given back to the pool with the lock on it."""
        self.is_held = False
        if self._conn is not None:
            self._conn.invalidate()
            self._conn.close()
            self._conn = None
