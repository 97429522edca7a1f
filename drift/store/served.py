"""Which version of each stream serves since when."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import Stream
from drift.store import tables


@dataclass(frozen=True, slots=True)
class Served:
    """A version of the stream of that name; it serves from its window at `since` until the next one's."""

    stream: str
    model: str
    version: str
    since: datetime


def note(conn: sa.Connection, stream: Stream, since: datetime) -> None:
    """Keep that the version of `stream` serves from `since` on, unless it is the one that has served so far."""
    t = tables.served
    newest = sa.select(t.c.model, t.c.version).where(t.c.stream == stream.name).order_by(t.c.since.desc()).limit(1)
    row = conn.execute(newest).first()
    if row is not None and tuple(row) == (stream.model, stream.version):
        return
    said = {"model": stream.model, "version": stream.version}
    new = insert(t).values(stream=stream.name, since=since, **said)
    conn.execute(new.on_conflict_do_update(index_elements=["stream", "since"], set_=said))


def versions(conn: sa.Connection, *, limit: int = 1000) -> list[Served]:
    """The versions of all streams, the newest first."""
    t = tables.served
    rows = conn.execute(sa.select(t).order_by(t.c.since.desc(), t.c.stream).limit(limit))
    return [Served(r.stream, r.model, r.version, r.since.astimezone(UTC)) for r in rows]
