"""Decisions of the gate, and the retrainings that wait for one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import Gated, Judgement, Retrain, RetrainState
from drift.store import retrains, tables, turns

TURN: Final = 4


@contextmanager
def claimed(engine: sa.Engine, names: Sequence[str], *, since: datetime) -> Iterator[Retrain | None]:
    """The oldest retraining that gave a version since then, for which no gate has decided and nobody else runs one.

    Only for alerts of the streams `names`. Nobody else gets it until the block ends, and no transaction is open
    meanwhile: a gate takes minutes, and one that old would keep Postgres from tidying up.
    """
    with turns.session(engine) as conn:
        found = _claim(conn, names, since)
        conn.commit()
        yield found


def _claim(conn: sa.Connection, names: Sequence[str], since: datetime) -> Retrain | None:
    t, g = tables.retrain, tables.gate
    decided = sa.exists().where(g.c.id == t.c.id)
    name = sa.func.split_part(t.c.stream, "/", 1)
    fresh = (t.c.state == RetrainState.SUCCEEDED) & (t.c.ended_at >= since) & name.in_(names)
    for id_ in conn.execute(sa.select(t.c.id).where(fresh, ~decided).order_by(t.c.ended_at)).scalars().all():
        # Asked again once it is taken: who had it may have decided meanwhile.
        if turns.take(conn, id_, TURN) and not is_decided(conn, id_):
            return retrains.retrain(conn, id_)
    return None


def is_decided(conn: sa.Connection, id_: str) -> bool:
    """Whether a gate of that id has decided."""
    return conn.execute(sa.select(tables.gate.c.id).where(tables.gate.c.id == id_)).first() is not None


def keep(conn: sa.Connection, gated: Gated) -> bool:
    """Keep a decision; False where one of that id was kept before."""
    row = asdict(gated) | asdict(gated.judgement)
    del row["judgement"]
    row["reasons"] = list(gated.judgement.reasons)
    new = insert(tables.gate).values(row).on_conflict_do_nothing().returning(tables.gate.c.id)
    return conn.execute(new).first() is not None


def decisions(conn: sa.Connection, *, limit: int = 200) -> list[Gated]:
    """What was decided, the newest first."""
    t = tables.gate
    return [_gated(row) for row in conn.execute(sa.select(t).order_by(t.c.decided_at.desc(), t.c.id).limit(limit))]


def of_ids(conn: sa.Connection, ids: Sequence[str]) -> list[Gated]:
    """The decisions that followed on those retrainings, oldest first."""
    t = tables.gate
    return [_gated(row) for row in conn.execute(sa.select(t).where(t.c.id.in_(ids)).order_by(t.c.decided_at))]


def beginning_with(conn: sa.Connection, prefix: str) -> list[Gated]:
    """The decisions whose id begins with `prefix`, at most two: enough to tell whether it names one."""
    t = tables.gate
    found = sa.select(t).where(t.c.id.startswith(prefix, autoescape=True)).order_by(t.c.id).limit(2)
    return [_gated(row) for row in conn.execute(found)]


def forget(conn: sa.Connection, *, before: datetime) -> None:
    """Drop decisions of before `before`."""
    conn.execute(sa.delete(tables.gate).where(tables.gate.c.decided_at < before))


def _gated(row: sa.Row[tuple[object, ...]]) -> Gated:
    f = dict(row._mapping)
    judgement = Judgement(
        *(f["baseline"], f["candidate"], f["verdict"], tuple(f["reasons"])), rows=f["rows"], report=f["report"]
    )
    return Gated(f["id"], judgement, f["decided_at"], f["model"], f["stream"], f["version"])
