"""Alerts that on-call says were false: marked, and counted beside what chance was expected to raise."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from drift.alert import Alert, AlertKind, AlertState
from drift.store import reads, tables
from drift.store.reads import AlertRow

AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """Who said that an alert was false, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Realised:
    """Pages that fired, and how many of them were marked as false."""

    pages: int
    false: int


def mark(conn: sa.Connection, id_: str, said: Mark | None) -> AlertRow | None:
    """Say that the alert with that id (`Alert.id`) was false, or with None that it was not; None where there is none.

    One that is marked keeps its first mark.
    """
    t = tables.alert
    identity = (t.c.stream, t.c.slo, t.c.kind, t.c.started_at)
    fired = sa.select(*identity).where(t.c.fired_at.is_not(None)).order_by(t.c.started_at.desc())
    # An id is a hash of these, so one has to look: at the newest first, which people mark, and at a few at a time.
    with conn.execute(fired.execution_options(yield_per=AT_ONCE)) as rows:
        found = next((row for row in rows if _id(*row) == id_), None)
    if found is None:
        return None
    marked = sa.update(t).where(sa.tuple_(*identity).in_([tuple(found)]))
    if said is None:
        marked = marked.values(false_at=None, false_by=None)
    else:
        by, at = sa.func.coalesce(t.c.false_by, said.by), sa.func.coalesce(t.c.false_at, said.at)
        marked = marked.values(false_by=by, false_at=at)
    return reads.alert_row(conn.execute(marked.returning(t)).one())


def _id(stream: str, slo: str, kind: str, started_at: datetime) -> str:
    return Alert(stream, slo, AlertKind(kind), AlertState.FIRING, started_at).id


def realised(conn: sa.Connection, names: Collection[str], *, since: datetime) -> Realised:
    """Pages of the streams `names` and their segments since then, `since` included; what was replayed paged nobody."""
    t = tables.alert
    mine = sa.func.split_part(t.c.stream, "/", 1).in_(list(names))
    pages = (t.c.kind == AlertKind.PAGE) & (t.c.fired_at >= since) & ~t.c.muted & mine
    row = conn.execute(sa.select(sa.func.count(), sa.func.count(t.c.false_at)).where(pages)).one()
    return Realised(*row)
