"""Alerts that on-call says were false: marked, and counted beside what chance was expected to raise."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from drift.alert import AlertKind
from drift.store import alert_ids, reads, tables
from drift.store.reads import AlertRow


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
    mine = alert_ids.having(conn, id_, among=t.c.fired_at.is_not(None))
    if mine is None:
        return None
    marked = sa.update(t).where(mine)
    if said is None:
        marked = marked.values(false_at=None, false_by=None)
    else:
        by, at = sa.func.coalesce(t.c.false_by, said.by), sa.func.coalesce(t.c.false_at, said.at)
        marked = marked.values(false_by=by, false_at=at)
    return reads.alert_row(conn.execute(marked.returning(t)).one())


def realised(conn: sa.Connection, names: Collection[str], *, since: datetime) -> Realised:
    """Pages of the streams `names` and their segments since then, `since` included; what was replayed paged nobody."""
    t = tables.alert
    mine = sa.func.split_part(t.c.stream, "/", 1).in_(list(names))
    pages = (t.c.kind == AlertKind.PAGE) & (t.c.fired_at >= since) & ~t.c.muted & mine
    row = conn.execute(sa.select(sa.func.count(), sa.func.count(t.c.false_at)).where(pages)).one()
    return Realised(*row)
