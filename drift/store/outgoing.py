"""Who was told of what, as people look at it: messages with the episode that they tell of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import orjson
import sqlalchemy as sa

from drift.alert import Alert, AlertKind, AlertState
from drift.store import tables
from drift.store.outbox import died
from drift.store.reads import DeliveryRow

PATIENCE: Final = timedelta(minutes=5)
"""What is due for longer than this and has not been tried has a receiver that gets nothing, or nobody delivers."""
OF_ALERT: Final = b'"job_id":'
OF_EVENT: Final = b'"stream":'  # as long as the other


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message and the objective of which stream it tells of; both are "" where it tells of something else."""

    delivery: DeliveryRow
    stream: str
    slo: str


Told: TypeAlias = Mapping[str, tuple[MessageRow, ...]]
"""Messages by the id of the alert (`Alert.id`) of whose episode they tell."""


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


def of_alerts(conn: sa.Connection, alerts: Collection[Alert]) -> Told:
    """The messages that told of each of these episodes, oldest first: that it fires, is over, or asks to retrain."""
    about = {alert.message_id(state): alert for alert in alerts for state in (AlertState.FIRING, AlertState.RESOLVED)}
    about |= _requests(conn, [alert for alert in alerts if alert.kind is AlertKind.PAGE])
    t = tables.outbox
    columns = [t.c[name] for name in DeliveryRow.__dataclass_fields__]
    ids = sa.literal(list(about), sa.ARRAY(sa.Text))
    rows = conn.execute(sa.select(*columns).where(t.c.id == sa.any_(ids)).order_by(t.c.created_at, t.c.receiver))
    found: dict[str, list[MessageRow]] = {}
    for row in rows:
        alert = about[row.id]
        found.setdefault(alert.id, []).append(MessageRow(DeliveryRow(**row._mapping), alert.stream, alert.slo))
    return {id_: tuple(messages) for id_, messages in found.items()}


def _requests(conn: sa.Connection, pages: Collection[Alert]) -> dict[str, Alert]:
    """What asked to retrain because of each of these pages, by the id of the request."""
    t = tables.retrain
    fired = {(alert.stream, alert.slo, alert.fired_at): alert for alert in pages if alert.fired_at is not None}
    mine = sa.tuple_(t.c.stream, t.c.slo, t.c.fired_at).in_(list(fired))
    rows = conn.execute(sa.select(t.c.id, t.c.stream, t.c.slo, t.c.fired_at).where(mine)) if fired else ()
    return {row.id: fired[row.stream, row.slo, row.fired_at] for row in rows}


def is_late(sent: DeliveryRow, now: datetime) -> bool:
    """Whether a message should have arrived: it was given up, tried in vain, or due for longer than `PATIENCE`."""
    waits = sent.state == "due" and (sent.attempts > 0 or sent.due_at < now - PATIENCE)
    return waits or sent.state == "dead"


def undelivered(conn: sa.Connection, *, since: datetime, now: datetime) -> int:
    """How many messages are late (`is_late`), of those that were given up the ones since `since`."""
    late = overdue(now) | died(since=since)
    return conn.execute(sa.select(sa.func.count()).select_from(tables.outbox).where(late)).scalar_one()


def overdue(now: datetime) -> sa.ColumnElement[bool]:
    """What is true of messages that wait and are late (`is_late`)."""
    t = tables.outbox
    return (t.c.state == "due") & ((t.c.attempts > 0) | (t.c.due_at < now - PATIENCE))


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
        return MessageRow(delivery, "", "")
    if isinstance(body, list):
        labels = body[0].get("labels", {}) if body else {}
        return MessageRow(delivery, labels.get("job_id", ""), labels.get("slo", ""))
    data = body.get("data", {})
    return MessageRow(delivery, data.get("stream", ""), data.get("slo", ""))
