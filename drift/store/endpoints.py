"""What is remembered of receivers: which are disabled, and which asked to be left alone."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.store import tables


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """A receiver by name: `disabled_at` is set where it gets nothing more, and `why`."""

    receiver: str
    disabled_at: datetime | None
    why: str
    paused_until: datetime | None

    def is_closed(self, now: datetime) -> bool:
        """Whether nothing is sent to it now."""
        return self.disabled_at is not None or (self.paused_until is not None and self.paused_until > now)


def endpoints(conn: sa.Connection) -> dict[str, EndpointRow]:
    """Receivers of which there is something to remember, by name."""
    rows = conn.execute(sa.select(tables.endpoint).order_by(tables.endpoint.c.receiver))
    return {r.receiver: EndpointRow(r.receiver, r.disabled_at, r.why, r.paused_until) for r in rows}


def disable(conn: sa.Connection, receiver: str, *, why: str, now: datetime) -> None:
    """Send nothing more to `receiver` until it is enabled. What waits for it goes on waiting."""
    _keep(conn, receiver, disabled_at=now, why=why)


def enable(conn: sa.Connection, receiver: str) -> bool:
    """Send to `receiver` again; False when it was not disabled."""
    t = tables.endpoint
    mine = (t.c.receiver == receiver) & t.c.disabled_at.is_not(None)
    enabled = sa.update(t).where(mine).values(disabled_at=None, why="", paused_until=None).returning(t.c.receiver)
    return conn.execute(enabled).first() is not None


def pause(conn: sa.Connection, receiver: str, *, until: datetime) -> None:
    """Leave `receiver` alone until then, as it asked."""
    _keep(conn, receiver, paused_until=until)


def _keep(conn: sa.Connection, receiver: str, **values: object) -> None:
    new = insert(tables.endpoint).values(receiver=receiver, **({"why": ""} | values))
    conn.execute(new.on_conflict_do_update(index_elements=["receiver"], set_=values))
