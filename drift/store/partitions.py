"""Monthly partitions of the tables that grow with time."""

from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from drift.store import tables

PARTITIONED: Final = (tables.window, tables.measurement)


def ensure_month(conn: sa.Connection, at: datetime) -> None:
    """Make the partitions for the month of `at`, unless they are there.

    Two workers may try at once: an advisory lock lets one wait for the other.
    """
    first, after = _month(at)
    names = [f"{table.name}_{first:%Y_%m}" for table in PARTITIONED]
    there = sa.text(
        "SELECT count(*) FROM pg_class WHERE relname = ANY(:names) AND relnamespace = to_regnamespace(:schema)"
    )
    if conn.execute(there, {"names": names, "schema": tables.SCHEMA}).scalar_one() == len(names):
        return
    conn.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('drift partitions'))"))
    for table, name in zip(PARTITIONED, names, strict=True):
        conn.execute(
            sa.text(
                f'CREATE TABLE IF NOT EXISTS {tables.SCHEMA}."{name}" PARTITION OF {table.fullname} '
                f"FOR VALUES FROM ('{first.isoformat()}') TO ('{after.isoformat()}')"
            )
        )


def drop_before(conn: sa.Connection, table: sa.Table, at: datetime) -> list[str]:
    """Drop the partitions of `table` that end at or before `at`; return their names."""
    names = conn.execute(
        sa.text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = to_regclass(:t)"
        ),
        {"t": table.fullname},
    ).scalars()
    old = []
    for name in names:
        year, month = name.rsplit("_", 2)[1:]
        if _month(datetime(int(year), int(month), 1, tzinfo=UTC))[1] <= at:
            conn.execute(sa.text(f'DROP TABLE IF EXISTS {tables.SCHEMA}."{name}"'))
            old.append(name)
    return old


def _month(at: datetime) -> tuple[datetime, datetime]:
    first = datetime(at.year, at.month, 1, tzinfo=UTC)
    after = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return first, after
