"""Messages over webhooks as people ask for them: looked up, and sent anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from drift.store import tables
from drift.store.outbox import MessageKind, MessageState
from drift.store.reads import DeliveryRow


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message to one receiver with how its delivery goes, and the bytes that are signed."""

    delivery: DeliveryRow
    body: bytes


def beginning_with(conn: sa.Connection, prefix: str, *, limit: int = 20) -> list[StoredMessage]:
    """Messages over webhooks whose ids begin with `prefix`, oldest first."""
    t = tables.outbox
    mine = t.c.id.startswith(prefix, autoescape=True) & (t.c.kind != MessageKind.ALERT)
    rows = conn.execute(sa.select(t).where(mine).order_by(t.c.created_at, t.c.id, t.c.receiver).limit(limit))
    return [StoredMessage(_delivery(row), row.body) for row in rows]


def dead(conn: sa.Connection, *, receiver: str = "") -> list[DeliveryRow]:
    """Messages over webhooks that were given up, oldest first; of one receiver only, where it is named."""
    t = tables.outbox
    query = sa.select(t).where(t.c.state == MessageState.DEAD, t.c.kind != MessageKind.ALERT)
    if receiver:
        query = query.where(t.c.receiver == receiver)
    return [_delivery(row) for row in conn.execute(query.order_by(t.c.created_at, t.c.id))]


def replay(conn: sa.Connection, chosen: Sequence[DeliveryRow], *, now: datetime) -> int:
    """Have the `chosen` messages sent anew, with the same id and all attempts before them; return how many there were.

    What is due already is left as it is, and so is what was never to be sent.
    """
    t = tables.outbox
    keys = [(one.id, one.receiver) for one in chosen]
    ended = t.c.state.in_([MessageState.DEAD, MessageState.SENT])
    anew = {"state": MessageState.DUE, "due_at": now, "attempts": 0, "held": False, "error": "", "sent_at": None}
    mine = sa.update(t).where(ended, sa.tuple_(t.c.id, t.c.receiver).in_(keys)).values(anew)
    return len(conn.execute(mine.returning(t.c.id)).all())


def _delivery(row: sa.Row[tuple[object, ...]]) -> DeliveryRow:
    return DeliveryRow(**{name: row._mapping[name] for name in DeliveryRow.__dataclass_fields__})
