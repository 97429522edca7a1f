"""Intents to retrain. Changes of state are compare-and-set."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import IN_FLIGHT, Retrain, RetrainState
from drift.store import tables

_ASKED = (
    *(RetrainState.REQUESTED, RetrainState.STARTED),
    *(RetrainState.SUCCEEDED, RetrainState.FAILED, RetrainState.REJECTED),
)


def wait_turn(conn: sa.Connection, model: str) -> None:
    """Be the only one who decides about `model` until the transaction ends: two incidents must not both find no flight.

    A transaction measures one stream and so decides about one model; two of them cannot wait for one another.
    """
    conn.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:model, 3))"), {"model": model})


def add(conn: sa.Connection, intent: Retrain, body: bytes) -> bool:
    """Keep `intent`; False when the same incident has asked before."""
    row = asdict(intent) | {"receivers": list(intent.receivers), "body": body}
    new = (
        insert(tables.retrain).values(row).on_conflict_do_nothing(index_elements=["id"]).returning(tables.retrain.c.id)
    )
    return conn.execute(new).first() is not None


def flight(conn: sa.Connection, model: str) -> Retrain | None:
    """The request for `model` that is open."""
    t = tables.retrain
    row = conn.execute(sa.select(t).where(t.c.model == model, t.c.state.in_(IN_FLIGHT))).first()
    return None if row is None else _retrain(row)


def last(conn: sa.Connection, model: str) -> Retrain | None:
    """The request for `model` that was made or rejected last."""
    t = tables.retrain
    made = sa.func.coalesce(t.c.requested_at, t.c.ended_at)
    # One that waited for approval until it was given up has not been made.
    is_made = t.c.state.in_(_ASKED) & (t.c.requested_at.is_not(None) | (t.c.state == RetrainState.REJECTED))
    row = conn.execute(sa.select(t).where(t.c.model == model, is_made).order_by(made.desc()).limit(1)).first()
    return None if row is None else _retrain(row)


def retrain(conn: sa.Connection, id_: str) -> Retrain | None:
    """The intent of that id."""
    row = conn.execute(sa.select(tables.retrain).where(tables.retrain.c.id == id_)).first()
    return None if row is None else _retrain(row)


def beginning_with(conn: sa.Connection, prefix: str) -> list[str]:
    """The ids that begin with `prefix`, at most two: enough to tell whether it names one."""
    t = tables.retrain
    found = sa.select(t.c.id).where(t.c.id.startswith(prefix, autoescape=True)).order_by(t.c.id).limit(2)
    return list(conn.execute(found).scalars())


def body(conn: sa.Connection, id_: str) -> bytes:
    """What the receivers of that intent are sent."""
    return bytes(conn.execute(sa.select(tables.retrain.c.body).where(tables.retrain.c.id == id_)).scalar_one())


def counts(conn: sa.Connection, states: Sequence[RetrainState]) -> dict[RetrainState, int]:
    """How many intents have each of `states`; none that no intent has."""
    t = tables.retrain
    counted = sa.select(t.c.state, sa.func.count()).where(t.c.state.in_(states)).group_by(t.c.state)
    return {RetrainState(row[0]): row[1] for row in conn.execute(counted)}


def retrains(
    conn: sa.Connection, *, states: Sequence[RetrainState] = (), model: str | None = None, limit: int = 200
) -> list[Retrain]:
    """Intents, newest first; of `states` only, where any are given."""
    t = tables.retrain
    query = sa.select(t).order_by(t.c.asked_at.desc(), t.c.id).limit(limit)
    if states:
        query = query.where(t.c.state.in_(states))
    if model is not None:
        query = query.where(t.c.model == model)
    return [_retrain(row) for row in conn.execute(query)]


def joined_to(conn: sa.Connection, id_: str) -> list[Retrain]:
    """The intents that asked nobody because of that one, oldest first."""
    t = tables.retrain
    rows = conn.execute(sa.select(t).where(t.c.because == id_).order_by(t.c.asked_at, t.c.id))
    return [_retrain(row) for row in rows]


def of_alert(conn: sa.Connection, stream: str, slo: str, fired_at: datetime) -> list[Retrain]:
    """The intents of the alert of an objective that fired then, oldest first."""
    t = tables.retrain
    mine = (t.c.stream == stream) & (t.c.slo == slo) & (t.c.fired_at == fired_at)
    return [_retrain(row) for row in conn.execute(sa.select(t).where(mine).order_by(t.c.asked_at, t.c.id))]


def move(conn: sa.Connection, before: Retrain, after: Retrain) -> bool:
    """Keep `after`, if the intent is still in the state of `before`; False when somebody was faster."""
    t = tables.retrain
    names = ("state", "by", "requested_at", "started_at", "ended_at", "new_version", "detail")
    mine = (t.c.id == before.id) & (t.c.state == before.state)
    moved = sa.update(t).where(mine).values({name: getattr(after, name) for name in names})
    return conn.execute(moved.returning(t.c.id)).first() is not None


def forget(conn: sa.Connection, *, before: datetime) -> None:
    """Drop intents of before `before` that are not open."""
    t = tables.retrain
    conn.execute(sa.delete(t).where(t.c.asked_at < before, t.c.state.not_in(IN_FLIGHT)))


def _retrain(row: sa.Row[tuple[object, ...]]) -> Retrain:
    f = dict(row._mapping)
    del f["body"]
    return Retrain(**f | {"state": RetrainState(f["state"]), "receivers": tuple(f["receivers"])})
