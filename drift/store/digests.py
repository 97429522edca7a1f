"""Tickets that no digest has told of yet."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from drift.alert import AlertKind, AlertState
from drift.slo import Severity
from drift.store import reads, tables
from drift.store.reads import AlertRow

_TICKETS = [kind for kind in AlertKind if kind.severity is Severity.TICKET]


def untold(conn: sa.Connection, *, since: datetime, until: datetime) -> list[AlertRow]:
    """Tickets that fired after `since` and by `until`, also those that are resolved, the oldest first.

    Those of replayed history are none.
    """
    t = tables.alert
    told = t.c.kind.in_(_TICKETS) & t.c.state.in_([AlertState.FIRING, AlertState.RESOLVED]) & ~t.c.muted
    mine = sa.select(t).where(told, t.c.digest.is_(None), t.c.fired_at > since, t.c.fired_at <= until)
    rows = conn.execute(mine.order_by(t.c.fired_at, t.c.stream, t.c.slo, t.c.kind))
    return [reads.alert_row(row) for row in rows]


def note(conn: sa.Connection, tickets: Collection[AlertRow], digest: str) -> None:
    """Remember that `digest` tells of them."""
    t = tables.alert
    alerts = [ticket.alert for ticket in tickets]
    identity = sa.tuple_(t.c.stream, t.c.slo, t.c.kind, t.c.started_at)
    theirs = identity.in_([(a.stream, a.slo, a.kind, a.started_at) for a in alerts])
    conn.execute(sa.update(t).where(theirs).values(digest=digest))
