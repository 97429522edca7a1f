"""Alerts that somebody looks after."""

import sqlalchemy as sa

from drift.alert import Acknowledgement, AlertState
from drift.store import alert_ids, reads, tables
from drift.store.reads import AlertRow


def acknowledge(conn: sa.Connection, id_: str, said: Acknowledgement | None) -> AlertRow | None:
    """Say that somebody looks after the alert with that id (`Alert.id`), or with None that nobody does.

    None where no such alert fires. The first who says so stays.
    """
    t = tables.alert
    mine = alert_ids.having(conn, id_, among=t.c.state == AlertState.FIRING)
    if mine is None:
        return None
    if said is None:
        taken_back = sa.update(t).where(mine)
        conn.execute(taken_back.values(acknowledged_at=None, acknowledged_by=None, acknowledged_note=None))
    else:
        first = sa.update(t).where(mine, t.c.acknowledged_at.is_(None))
        conn.execute(first.values(acknowledged_at=said.at, acknowledged_by=said.by, acknowledged_note=said.note))
    return reads.alert_row(conn.execute(sa.select(t).where(mine)).one())
