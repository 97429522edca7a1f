"""Forgetting what is too old, kind by kind."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from drift.alert import AlertState
from drift.store import canaries, gates, pictures, retrains, tables
from drift.store import outbox as messages
from drift.store.outbox import MessageState
from drift.store.partitions import drop_before

ABANDONED_AFTER: Final = timedelta(days=4)  # longer than any message is retried


def forget(
    conn: sa.Connection,
    *,
    vectors: datetime,
    history: datetime,
    now: datetime,
    objectives: Collection[tuple[str, str]] = (),
) -> None:
    """Drop the vectors of windows that start before `vectors`, and all else that ended before `history`.

    Open alerts of objectives that no process counts any more are over; those of `objectives` (stream, name) are not,
    however long the service was down. A window's row stays without its vectors and texts until its month is dropped, so
    that it is never measured twice.
    """
    _abandon(conn, objectives, now)  # by the slots, so before they go
    window = tables.window
    bare = {"vectors": b"", "rows": 0, "segments": {}, "ids": [], "inputs": [], "labels": [], "encoder_versions": []}
    conn.execute(sa.update(window).where(window.c.start < vectors, window.c.rows > 0).values(**bare))
    for partitioned in (tables.window, tables.measurement):
        drop_before(conn, partitioned, history)
    for table in (tables.slot, tables.gap):
        conn.execute(sa.delete(table).where(table.c.end < history))
    conn.execute(sa.delete(tables.diagnosis).where(tables.diagnosis.c.end < history))
    conn.execute(sa.delete(tables.attribution).where(tables.attribution.c.start < history))
    conn.execute(sa.delete(tables.sketch).where(tables.sketch.c.start < history))
    # Rows of windows that were given up. Those that are still to be measured stay, however old they are.
    inbox, job, stream = tables.inbox, tables.job, tables.stream
    is_open = sa.exists().where(stream.c.key == inbox.c.stream, stream.c.open_from <= inbox.c.start)
    is_due = sa.exists().where(job.c.stream == inbox.c.stream, job.c.start <= inbox.c.start, job.c.end > inbox.c.start)
    conn.execute(sa.delete(inbox).where(inbox.c.start < vectors, ~is_open, ~is_due))
    conn.execute(sa.delete(tables.batch).where(tables.batch.c.at < vectors))
    conn.execute(sa.delete(tables.encoder).where(tables.encoder.c.at < vectors))
    conn.execute(sa.delete(tables.encoding).where(tables.encoding.c.day < history.date()))
    planned = tables.maintenance
    conn.execute(sa.delete(planned).where(sa.func.upper(planned.c.times) < history))
    alert, outbox = tables.alert, tables.outbox
    conn.execute(sa.delete(alert).where(alert.c.state == AlertState.RESOLVED, alert.c.resolved_at < history))
    conn.execute(sa.delete(outbox).where(outbox.c.state != MessageState.DUE, outbox.c.created_at < history))
    retrains.forget(conn, before=history)
    canaries.forget(conn, before=history)
    gates.forget(conn, before=history)
    pictures.forget(conn, vectors=vectors, history=history)


def _abandon(conn: sa.Connection, objectives: Collection[tuple[str, str]], now: datetime) -> None:
    """End what no process takes care of any more: its stream or its receiver has left every configuration."""
    messages.abandon(conn, before=now - ABANDONED_AFTER)
    alert, slot = tables.alert, tables.slot
    is_open = alert.c.state.in_([AlertState.PENDING, AlertState.FIRING])
    mine = (slot.c.stream == alert.c.stream) & (slot.c.slo == alert.c.slo)
    is_counted = sa.exists().where(mine, slot.c.end > now - ABANDONED_AFTER)
    left = conn.execute(sa.select(alert.c.stream, alert.c.slo).where(is_open, ~is_counted).distinct())
    for stream, slo in {(row.stream, row.slo) for row in left} - set(objectives):
        its = is_open & (alert.c.stream == stream) & (alert.c.slo == slo)
        conn.execute(sa.update(alert).where(its).values(state=AlertState.RESOLVED, resolved_at=now))
