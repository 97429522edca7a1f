"""Alerts that somebody looks after."""

import sqlalchemy as sa

from drift.alert import Acknowledgement, AlertState
from drift.store import reads, tables
from drift.store.reads import AlertRow


def acknowledge(conn: sa.Connection, id_: str, said: Acknowledgement | None) -> AlertRow | None:
    """Say that somebody looks after the alert with that id (`Alert.id`), or with None that nobody does.

    None where no such alert fires. The first who says so stays.
    """
    t = tables.alert
    firing = [reads.alert_of(row) for row in conn.execute(sa.select(t).where(t.c.state == AlertState.FIRING))]
    alert = next((alert for alert in firing if alert.id == id_), None)
    if alert is None:
        return None
    mine = (t.c.stream == alert.stream) & (t.c.slo == alert.slo) & (t.c.kind == alert.kind)
    mine &= t.c.started_at == alert.started_at
    if said is None:
        taken_back = sa.update(t).where(mine)
        conn.execute(taken_back.values(acknowledged_at=None, acknowledged_by=None, acknowledged_note=None))
    else:
        first = sa.update(t).where(mine, t.c.acknowledged_at.is_(None))
        conn.execute(first.values(acknowledged_at=said.at, acknowledged_by=said.by, acknowledged_note=said.note))
    return reads.alert_row(conn.execute(sa.select(t).where(mine)).one())
