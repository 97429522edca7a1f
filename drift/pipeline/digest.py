"""Tickets wait for the morning: once a day each team is told of those that began since, as one message."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from drift.notify.digest import Ticket, digest, digest_id
from drift.store import digests, outbox
from drift.store.connect import Connection
from drift.store.outbox import Draft, MessageKind, MessageState
from drift.store.reads import AlertRow

OLDEST: Final = timedelta(days=7)
"""A ticket that began longer ago is no news: the first digest of an old database is not one of a year."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When in the day digests are made, by the clocks of `zone`, and the webhooks that are sent them."""

    at: time
    zone: ZoneInfo
    receivers: tuple[str, ...]

    def last(self, now: datetime) -> datetime:
        """The newest moment of a digest, by `now`, in `zone`."""
        today = datetime.combine(now.astimezone(self.zone), self.at, self.zone)
        # Compared in UTC: two times of one zone would be compared by the clock on the wall, which may go back.
        return today if today.astimezone(UTC) <= now else today - timedelta(days=1)


def write(conn: Connection, schedule: Schedule, *, now: datetime) -> int:
    """Write down the digests that are due, one for each team with tickets; return how many are new.

    A ticket is in one digest only: in the first that is made after it was counted, however late that was. It may be
    called at any time, by several processes: a team has one digest a day.
    """
    due = schedule.last(now)
    until = due.astimezone(UTC)
    tickets = sorted(digests.untold(conn, since=until - OLDEST, until=until), key=_owner)
    made = 0
    for owner, group in groupby(tickets, key=_owner):
        mine, id_ = list(group), digest_id(owner, due.date())
        body = digest(id_, owner, [Ticket(row.alert, row.annotations) for row in mine], until=until).body()
        drafts = (Draft(id_, receiver, MessageKind.DIGEST, body) for receiver in schedule.receivers)
        new = [outbox.put(conn, draft, state=MessageState.DUE, now=now) for draft in drafts]
        # Where the day's digest is out already, what was counted since waits for the next one.
        if any(new):
            digests.note(conn, mine, id_)
            made += 1
    return made


def _owner(row: AlertRow) -> str:
    return row.labels.get("team", "")
