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
    EVENT = "event"


class MessageState(StrEnum):
    """Muted messages come from replayed history, superseded ones were overtaken before they had been sent."""

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
    """A message for one receiver; `attempts` were made before, the next one is due at `due_at`."""

    id: str
    receiver: str
    kind: MessageKind
    body: bytes
    attempts: int
    created_at: datetime
    due_at: datetime


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
    row["held"] = False
    new = insert(tables.outbox).values(row).on_conflict_do_nothing().returning(tables.outbox.c.id)
    return conn.execute(new).first() is not None


def died(*, since: datetime) -> sa.ColumnElement[bool]:
    """What is true of messages that were given up at or after `since`, whenever they were written."""
    # The last attempt of a dead message was made when it was due last.
    return (tables.outbox.c.state == MessageState.DEAD) & (tables.outbox.c.due_at >= since)


def claim(conn: sa.Connection, receiver: str, *, now: datetime) -> Delivery | None:
    """A message for `receiver` that nobody else sends, locked until the transaction ends; None while none is due.

    It is the oldest of those that are due and those that are held: so what waited for a receiver that was down arrives
    in order of age. Messages that newer news of their subject has overtaken, while they waited or were being tried, are
    given up. A receiver that is disabled, or asked to be left alone, gets nothing.
    """
    t, e = tables.outbox, tables.endpoint
    supersede(conn, receiver)
    waiting = (t.c.receiver == receiver) & (t.c.state == MessageState.DUE)
    is_due = t.c.due_at <= now
    closed = e.c.disabled_at.is_not(None) | (e.c.paused_until > now)
    is_open = ~sa.exists().where(e.c.receiver == receiver, closed)
    any_due = sa.exists(sa.select(sa.literal(1)).where(waiting, is_due).correlate(None))
    free = sa.select(t).where(waiting, is_due | (t.c.held & any_due), is_open)
    row = conn.execute(free.order_by(t.c.created_at, t.c.id).limit(1).with_for_update(of=t, skip_locked=True)).first()
    return None if row is None else _delivery(row)


def supersede(conn: sa.Connection, receiver: str) -> None:
    """Give up messages that newer news of their subject has overtaken."""
    t, newer = tables.outbox, tables.outbox.alias("newer")
    same = (newer.c.receiver == t.c.receiver) & (newer.c.subject == t.c.subject)
    waiting = (t.c.receiver == receiver) & (t.c.state == MessageState.DUE)
    overtaken = sa.select(t.c.id).where(waiting, sa.exists().where(same, newer.c.created_at > t.c.created_at))
    # One that is being sent right now is left alone: whoever sends it holds its row, for as long as that takes.
    idle = overtaken.with_for_update(of=t, skip_locked=True).scalar_subquery()
    mine = (t.c.receiver == receiver) & t.c.id.in_(idle)
    conn.execute(sa.update(t).where(mine).values(state=MessageState.SUPERSEDED))


def others_due(conn: sa.Connection, delivery: Delivery, *, now: datetime) -> list[Delivery]:
    """The other messages for the same receiver that are due and that nobody sends, locked like it."""
    t = tables.outbox
    mine = (t.c.receiver == delivery.receiver) & (t.c.state == MessageState.DUE) & (t.c.due_at <= now)
    query = sa.select(t).where(mine, t.c.id != delivery.id).order_by(t.c.created_at).with_for_update(skip_locked=True)
    return [_delivery(row) for row in conn.execute(query)]


def release(conn: sa.Connection, receiver: str, *, now: datetime) -> None:
    """Have what is held for `receiver` go out now: it answers again."""
    t = tables.outbox
    held = sa.select(t.c.id).where(t.c.receiver == receiver, t.c.state == MessageState.DUE, t.c.held)
    free = held.with_for_update(skip_locked=True).scalar_subquery()
    mine = (t.c.receiver == receiver) & t.c.id.in_(free)
    conn.execute(sa.update(t).where(mine).values(held=False, due_at=sa.func.least(t.c.due_at, now)))


def withdraw(conn: sa.Connection, id_: str, *, why: str) -> None:
    """Give up the message of that id wherever it has not been sent."""
    t = tables.outbox
    idle = sa.select(t.c.receiver).where(t.c.id == id_, t.c.state == MessageState.DUE).with_for_update(skip_locked=True)
    mine = (t.c.id == id_) & t.c.receiver.in_(idle.scalar_subquery())
    conn.execute(sa.update(t).where(mine).values(state=MessageState.SUPERSEDED, error=why))


def abandon(conn: sa.Connection, *, before: datetime) -> int:
    """Give up messages from before `before` that nobody has delivered since; return how many.

    Those for a receiver that is disabled wait until it is enabled.
    """
    t, e = tables.outbox, tables.endpoint
    is_disabled = sa.exists().where(e.c.receiver == t.c.receiver, e.c.disabled_at.is_not(None))
    left = (t.c.state == MessageState.DUE) & (t.c.created_at < before) & (t.c.due_at < before) & ~is_disabled
    said = "nobody delivers to its receiver any more: it is in no configuration"
    gone = sa.update(t).where(left).values(state=MessageState.DEAD, error=said).returning(t.c.id)
    return len(conn.execute(gone).all())


def sent(conn: sa.Connection, delivery: Delivery, *, status: int, now: datetime) -> None:
    """Note that the receiver took it."""
    _set(conn, delivery, state=MessageState.SENT, sent_at=now, status=status, error="")


def failed(
    conn: sa.Connection, delivery: Delivery, error: DeliveryError, *, again_at: datetime | None, held: bool = False
) -> None:
    """Note a failed attempt; without a time for another the message is dead. `held` says that nobody answered."""
    state = MessageState.DEAD if again_at is None else MessageState.DUE
    moved = {} if again_at is None else {"due_at": again_at, "held": held}
    _set(conn, delivery, state=state, status=error.status, error=str(error)[:2000], **moved)


def _set(conn: sa.Connection, delivery: Delivery, **values: object) -> None:
    t = tables.outbox
    mine = (t.c.id == delivery.id) & (t.c.receiver == delivery.receiver)
    conn.execute(sa.update(t).where(mine).values(attempts=t.c.attempts + 1, **values))


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    f = row._mapping
    told = (f["id"], f["receiver"], MessageKind(f["kind"]), f["body"], f["attempts"], f["created_at"], f["due_at"])
    return Delivery(*told)
