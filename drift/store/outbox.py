"""Messages that must go out, written in the transaction of the change that they tell of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.errors import DeliveryError
from drift.store import tables


class MessageKind(StrEnum):
    """What a message is about, which decides how it is retried."""

    ALERT = "alert"
    RETRAIN = "retrain"
    DIGEST = "digest"


class MessageState(StrEnum):
    """Muted messages come from replayed history, superseded ones had not been sent when newer news came."""

    DUE = "due"
    SENT = "sent"
    DEAD = "dead"
    MUTED = "muted"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be written down for one receiver.

    What it says holds until there is newer news of its `subject`, "" where there never will be.
    """

    id: str
    receiver: str
    kind: MessageKind
    body: bytes
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message for one receiver that is due; `attempts` were made before."""

    id: str
    receiver: str
    kind: MessageKind
    body: bytes
    attempts: int
    created_at: datetime


def put(conn: sa.Connection, draft: Draft, *, state: MessageState, now: datetime) -> bool:
    """Write a message down; False when one with the same id for the same receiver was there before."""
    told = {
        "id": draft.id,
        "subject": draft.subject or draft.id,
        "receiver": draft.receiver,
        "kind": draft.kind,
        "body": draft.body,
    }
    row = {**told, "state": state, "created_at": now, "due_at": now, "attempts": 0, "error": ""}
    new = insert(tables.outbox).values(row).on_conflict_do_nothing().returning(tables.outbox.c.id)
    return conn.execute(new).first() is not None


def claim(conn: sa.Connection, receiver: str, *, now: datetime) -> Delivery | None:
    """The message for `receiver` that is due longest and that nobody else sends, locked until the transaction ends.

    Messages that newer news of their subject has overtaken, while they waited or were being tried, are given up.
    """
    t, newer = tables.outbox, tables.outbox.alias("newer")
    same = (newer.c.receiver == t.c.receiver) & (newer.c.subject == t.c.subject)
    waiting = (t.c.receiver == receiver) & (t.c.state == MessageState.DUE)
    overtaken = sa.select(t.c.id).where(waiting, sa.exists().where(same, newer.c.created_at > t.c.created_at))
    # One that is being sent right now is left alone: whoever sends it holds its row, for as long as that takes.
    idle = overtaken.with_for_update(of=t, skip_locked=True).scalar_subquery()
    mine = (t.c.receiver == receiver) & t.c.id.in_(idle)
    conn.execute(sa.update(t).where(mine).values(state=MessageState.SUPERSEDED))
    due = sa.select(t).where(t.c.state == MessageState.DUE, t.c.due_at <= now, t.c.receiver == receiver)
    row = conn.execute(due.order_by(t.c.due_at).limit(1).with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    return Delivery(row.id, row.receiver, MessageKind(row.kind), row.body, row.attempts, row.created_at)


def abandon(conn: sa.Connection, *, before: datetime) -> int:
    """Give up messages from before `before` that nobody has delivered since; return how many."""
    t = tables.outbox
    left = (t.c.state == MessageState.DUE) & (t.c.created_at < before) & (t.c.due_at < before)
    said = "nobody delivers to its receiver any more: it is in no configuration"
    gone = sa.update(t).where(left).values(state=MessageState.DEAD, error=said).returning(t.c.id)
    return len(conn.execute(gone).all())


def sent(conn: sa.Connection, delivery: Delivery, *, status: int, now: datetime) -> None:
    """Note that the receiver took it."""
    _set(conn, delivery, state=MessageState.SENT, sent_at=now, status=status, error="")


def failed(conn: sa.Connection, delivery: Delivery, error: DeliveryError, *, again_at: datetime | None) -> None:
    """Note a failed attempt; without a time for another the message is dead."""
    state = MessageState.DEAD if again_at is None else MessageState.DUE
    moved = {} if again_at is None else {"due_at": again_at}
    _set(conn, delivery, state=state, status=error.status, error=str(error)[:2000], **moved)


def _set(conn: sa.Connection, delivery: Delivery, **values: object) -> None:
    t = tables.outbox
    mine = (t.c.id == delivery.id) & (t.c.receiver == delivery.receiver)
    conn.execute(sa.update(t).where(mine).values(attempts=t.c.attempts + 1, **values))
