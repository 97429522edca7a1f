"""Who was told of what, as people look at it: messages with the episode that they tell of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import sqlalchemy as sa

from drift.records import Span
from drift.store import tables
from drift.store.outbox import died
from drift.store.reads import DeliveryRow

PATIENCE: Final = timedelta(minutes=5)
"""What is due for longer than this and has not been tried has a receiver that gets nothing, or nobody delivers."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message and which episode of which alert it tells of; `labels` are the alert's, empty for a retrain request."""

    delivery: DeliveryRow
    stream: str
    slo: str
    starts_at: datetime | None
    labels: Mapping[str, str]


def messages(
    conn: sa.Connection,
    *,
    among: Collection[str] | None = None,
    since: datetime | None = None,
    limit: int = 500,
) -> list[MessageRow]:
    """Messages with what they tell of, those that did not arrive first, then newest first.

    With `among` none is missed that tells of one of these streams; some that only name one may be there too. With
    `since` they were written at or after it, were given up then, or still wait to be sent.
    """
    t = tables.outbox
    troubled = sa.case((t.c.state.in_(["due", "dead"]), 0), else_=1)
    query = sa.select(t).order_by(troubled, t.c.created_at.desc()).limit(limit)
    if since is not None:
        query = query.where((t.c.created_at >= since) | (t.c.state == "due") | died(since=since))
    if among is not None:
        query = query.where(_names(among))
    return [_message_of(row) for row in conn.execute(query)]


def within(conn: sa.Connection, stream: str, span: Span, *, limit: int = 500) -> list[MessageRow]:
    """The messages that were written in `span`, its end included, and name `stream`, oldest first."""
    t = tables.outbox
    mine = (t.c.created_at >= span.start) & (t.c.created_at <= span.end) & _names((stream,))
    rows = conn.execute(sa.select(t).where(mine).order_by(t.c.created_at).limit(limit))
    return [_message_of(row) for row in rows]


def is_late(sent: DeliveryRow, now: datetime) -> bool:
    """Whether a message should have arrived: it was given up, tried in vain, or due for longer than `PATIENCE`."""
    waits = sent.state == "due" and (sent.attempts > 0 or sent.due_at < now - PATIENCE)
    return waits or sent.state == "dead"


def undelivered(conn: sa.Connection, *, since: datetime, now: datetime) -> int:
    """How many messages are late (`is_late`), of those that were given up the ones since `since`."""
    t = tables.outbox
    waiting = (t.c.state == "due") & ((t.c.attempts > 0) | (t.c.due_at < now - PATIENCE))
    return conn.execute(sa.select(sa.func.count()).where(waiting | died(since=since))).scalar_one()


def _names(among: Collection[str]) -> sa.ColumnElement[bool]:
    """Whether a message names one of these streams. A body is bytes, of which not all need be JSON: as it is."""
    names = sa.func.unnest(sa.literal([orjson.dumps(key) for key in among], sa.ARRAY(sa.LargeBinary)))
    name = names.table_valued("name", name="named").render_derived()
    return sa.exists().select_from(name).where(sa.func.position(name.c.name.op("IN")(tables.outbox.c.body)) > 0)


def _message_of(row: sa.Row[tuple[object, ...]]) -> MessageRow:
    """A row of the table `outbox`."""
    f = row._mapping
    delivery = DeliveryRow(**{name: f[name] for name in DeliveryRow.__dataclass_fields__})
    try:
        body = orjson.loads(f["body"])
    except orjson.JSONDecodeError:
        return MessageRow(delivery, "", "", None, {})
    if isinstance(body, list):
        alert = body[0] if body else {}
        labels = alert.get("labels", {})
        return MessageRow(
            delivery, labels.get("job_id", ""), labels.get("slo", ""), _time(alert.get("startsAt")), labels
        )
    data = body.get("data", {})
    return MessageRow(delivery, data.get("stream", ""), data.get("slo", ""), _time(body.get("time")), {})


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
