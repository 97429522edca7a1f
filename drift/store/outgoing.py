"""Who was told of what, as people look at it: messages with the episode that they tell of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
import sqlalchemy as sa

from drift.records import Span
from drift.store import tables
from drift.store.reads import DeliveryRow

OF_ALERT: Final = b'"job_id":'
OF_EVENT: Final = b'"stream":'  # as long as the other


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
    `since` they were written at or after it, or still wait to be sent.
    """
    t = tables.outbox
    troubled = sa.case((t.c.state.in_(["due", "dead"]), 0), else_=1)
    query = sa.select(t).order_by(troubled, t.c.created_at.desc()).limit(limit)
    if since is not None:
        query = query.where((t.c.created_at >= since) | (t.c.state == "due"))
    if among is not None:
        query = query.where(_names(among))
    return [_message_of(row) for row in conn.execute(query)]


def within(conn: sa.Connection, stream: str, span: Span, *, limit: int = 500) -> list[MessageRow]:
    """The messages that were written in `span`, its end included, and name `stream`, oldest first."""
    t = tables.outbox
    mine = (t.c.created_at >= span.start) & (t.c.created_at <= span.end) & _names((stream,))
    rows = conn.execute(sa.select(t).where(mine).order_by(t.c.created_at).limit(limit))
    return [_message_of(row) for row in rows]


def undelivered(conn: sa.Connection, *, since: datetime) -> int:
    """How many messages wait for another attempt, or were given up at or after `since`."""
    t = tables.outbox
    waiting = (t.c.state == "due") & (t.c.attempts > 0)
    given_up = (t.c.state == "dead") & (t.c.created_at >= since)
    return conn.execute(sa.select(sa.func.count()).where(waiting | given_up)).scalar_one()


def _names(among: Collection[str]) -> sa.ColumnElement[bool]:
    """Whether the first stream that a message names is one of these. A body is bytes, of which not all need be JSON.

    What stands there is looked up among all names of that length at once: a body is not searched for each name.
    """
    names, body = [orjson.dumps(key) for key in among], tables.outbox.c.body
    named_by = sa.case((sa.func.substring(body, 1, 1) == b"[", OF_ALERT), else_=OF_EVENT)
    found_at = sa.func.nullif(sa.func.position(named_by.op("IN")(body)), 0)
    lengths = sa.func.unnest(sa.literal(sorted(set(map(len, names))), sa.ARRAY(sa.Integer)))
    length = lengths.table_valued("length", name="long").render_derived()
    stands_there = sa.func.substring(body, found_at + len(OF_ALERT), length.c.length)
    is_one = stands_there == sa.any_(sa.literal(names, sa.ARRAY(sa.LargeBinary)))
    return sa.exists().select_from(length).where(is_one)


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
