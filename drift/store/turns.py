"""Turns that last longer than a transaction: work of minutes that one process does at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def session(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A session of its own: what is taken in it is nobody else's until the block ends.

    Commit what it reads: a transaction that is minutes old would keep Postgres from tidying up.
    """
    with engine.connect() as conn:
        conn.detach()  # the locks go with the session: it must not come back into the pool
        yield conn


def take(conn: sa.Connection, key: str, kind: int) -> bool:
    """Have `key`, among the keys of that `kind`, for this session alone; False where another has it."""
    lock = sa.text("SELECT pg_try_advisory_lock(hashtextextended(:key, :kind))")
    return bool(conn.execute(lock, {"key": key, "kind": kind}).scalar_one())
