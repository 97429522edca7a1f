"""Which versions a stream was declared to have, and since when: what a deployment changes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import Stream
from drift.store import tables


@dataclass(frozen=True, slots=True)
class VersionRow:
    """From `since` on the stream of that name was declared to have this version of this model."""

    stream: str
    since: datetime
    model: str
    version: str


def note(conn: sa.Connection, stream: Stream) -> None:
    """Keep that `stream` has its model and version from now on, by the database's clock, unless it had them before."""
    t = tables.version
    newest = sa.select(t.c.model, t.c.version).where(t.c.stream == stream.name).order_by(t.c.since.desc()).limit(1)
    known = newest.subquery()
    same = sa.exists().where(known.c.model == stream.model, known.c.version == stream.version)
    now = sa.func.now()
    row = sa.select(sa.literal(stream.name), now, sa.literal(stream.model), sa.literal(stream.version))
    new = insert(t).from_select(["stream", "since", "model", "version"], row.where(~same))
    conn.execute(new.on_conflict_do_nothing())


def versions(conn: sa.Connection, name: str, *, limit: int = 100) -> list[VersionRow]:
    """The versions of the stream of that name, oldest first; of more than `limit` the newest."""
    t = tables.version
    rows = conn.execute(sa.select(t).where(t.c.stream == name).order_by(t.c.since.desc()).limit(limit)).all()
    return [_row(row) for row in reversed(rows)]


def every(conn: sa.Connection, *, limit: int = 1000) -> list[VersionRow]:
    """The versions of all streams, newest first."""
    t = tables.version
    return [_row(row) for row in conn.execute(sa.select(t).order_by(t.c.since.desc(), t.c.stream).limit(limit))]


def _row(row: sa.Row[Any]) -> VersionRow:
    return VersionRow(row.stream, row.since.astimezone(UTC), row.model, row.version)
