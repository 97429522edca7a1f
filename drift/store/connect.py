"""Connections to Postgres."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from drift.errors import StoreError

__all__ = [
    "UNREACHABLE",
    "Connection",
    "DBAPIError",
    "DataError",
    "Engine",
    "OperationalError",
    "PoolTimeoutError",
    "connect",
    "connect_reader",
    "require_usable",
]

OLDEST: Final = 140_000  # Postgres 14, as server_version_num says it
UNREACHABLE: Final = (OperationalError, InterfaceError, PoolTimeoutError)
"""What is raised where Postgres cannot be reached, or has no connection to spare; all else is a fault of ours."""
OVERFLOW: Final = 48
"""More connections, for a moment: each receiver holds one while it is asked, and those that hang must leave some."""


def connect(url: str, *, pool_size: int = 8) -> sa.Engine:
    """An engine that the service reads and writes with. Commits are durable before they return."""
    return _engine(url, pool_size, _OPTIONS)


def connect_reader(url: str) -> sa.Engine:
    """An engine whose transactions can only read, whatever the role may do."""
    options = {**_OPTIONS, "options": f"{_SESSION} -c default_transaction_read_only=on"}
    return _engine(url, 4, options)


def _engine(url: str, pool_size: int, options: Mapping[str, object]) -> sa.Engine:
    # Parameters carry inputs and secrets, and an error's text goes into logs, gaps and the dashboard.
    return sa.create_engine(
        _psycopg(url),
        pool_size=pool_size,
        max_overflow=OVERFLOW,
        pool_pre_ping=True,
        connect_args=dict(options),
        hide_parameters=True,
    )


# A role called like our schema would have it as its default one, which alembic then takes for no schema at all.
_SESSION: Final = "-c timezone=UTC -c search_path=public"
# A server that vanishes is noticed within a minute. Left to itself TCP waits for it a quarter of an hour, or for ever,
# and so long nothing would be repeated to any Alertmanager.
_ALIVE: Final = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,  # milliseconds
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_OPTIONS: Final = {"options": _SESSION, "application_name": "drift", **_ALIVE}


def _psycopg(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # Not repeated: it may hold a password.
        raise StoreError(
            "the database URL cannot be read: write postgresql://user:password@host:5432/database"
        ) from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise StoreError(
            f"the database URL names {parsed.drivername!r}, needed is Postgres: postgresql://user:password@host/database"
        )
    return parsed.set(drivername="postgresql+psycopg")


def require_usable(engine: sa.Engine) -> None:
    """Raise StoreError unless the server answers and is Postgres 14 or later."""
    try:
        with engine.connect() as conn:
            version = int(conn.execute(sa.text("SHOW server_version_num")).scalar_one())
    except OperationalError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"Postgres at {where} does not answer: {error.orig}") from None
    if version < OLDEST:
        raise StoreError(f"Postgres {version // 10_000} is too old: 14 or later is needed")
