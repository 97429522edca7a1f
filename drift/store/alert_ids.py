"""Which row is that of an alert: the one with its identity, or with the id by which people name it."""

from typing import Final

import sqlalchemy as sa

from drift.alert import Alert, AlertKind, AlertState
from drift.store import tables

AT_ONCE: Final = 500


def same(alert: Alert) -> sa.ColumnElement[bool]:
    """What is true of the row of this episode of `alert` alone."""
    t = tables.alert
    mine = (t.c.stream == alert.stream) & (t.c.slo == alert.slo) & (t.c.kind == alert.kind)
    return mine & (t.c.started_at == alert.started_at)


def having(conn: sa.Connection, id_: str, *, among: sa.ColumnElement[bool]) -> sa.ColumnElement[bool] | None:
    """What is true of the one alert with that id (`Alert.id`) of those `among`; None where there is none."""
    t = tables.alert
    identity = (t.c.stream, t.c.slo, t.c.kind, t.c.started_at)
    some = sa.select(*identity).where(among).order_by(t.c.started_at.desc())
    # An id is a hash of these, so one has to look: at the newest first, which people name, and at a few at a time.
    with conn.execute(some.execution_options(yield_per=AT_ONCE)) as rows:
        for stream, slo, kind, started_at in rows:
            if Alert(stream, slo, AlertKind(kind), AlertState.FIRING, started_at).id == id_:
                return sa.tuple_(*identity).in_([(stream, slo, kind, started_at)])
    return None
