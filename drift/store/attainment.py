"""What objectives attained over months: how long each was bad, by calendar quarter."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from drift.records import Span
from drift.slo import Events
from drift.store import tables

_QUARTER: Final = sa.func.date_trunc("quarter", tables.slot.c.start, "UTC")
"""Of when it began: what ends at midnight was of the day before."""


@dataclass(frozen=True, slots=True)
class BadTime:
    """How long the windows of an objective were bad that began in the quarter that begins at `quarter`."""

    stream: str
    slo: str
    quarter: datetime
    bad: timedelta


@dataclass(frozen=True, slots=True)
class Counted:
    """What an objective counted in the windows that began in the quarter that begins at `quarter`."""

    stream: str
    slo: str
    quarter: datetime
    events: Events


@dataclass(frozen=True, slots=True)
class Begun:
    """When the oldest kept window of an objective began, and when its newest ended."""

    stream: str
    slo: str
    first: datetime
    last: datetime


def bad_times(conn: sa.Connection, *, since: datetime) -> list[BadTime]:
    """Bad time by quarter (of UTC), of windows that began at `since` or later; objectives without any are left out."""
    t = tables.slot
    # Read from the index of bad slots alone, which has their times: few of millions are.
    query = sa.select(t.c.stream, t.c.slo, _QUARTER, sa.func.sum(t.c.end - t.c.start))
    bad = query.where(t.c.outcome == "bad", t.c.start >= since).group_by(t.c.stream, t.c.slo, _QUARTER)
    return [BadTime(row[0], row[1], row[2].astimezone(UTC), row[3]) for row in conn.execute(bad)]


def events(conn: sa.Connection, *, since: datetime) -> list[Counted]:
    """Events by quarter (of UTC), of windows that began at `since` or later; objectives without any are left out."""
    t = tables.slot
    # Read from the index of slots with events alone.
    query = sa.select(t.c.stream, t.c.slo, _QUARTER, sa.func.sum(t.c.good), sa.func.sum(t.c.total))
    counted = query.where(t.c.total.is_not(None), t.c.start >= since).group_by(t.c.stream, t.c.slo, _QUARTER)
    return [Counted(row[0], row[1], row[2].astimezone(UTC), Events(row[3], row[4])) for row in conn.execute(counted)]


def begun(conn: sa.Connection) -> list[Begun]:
    """Of each objective that has counted a window, over what time these lie."""
    t, w = tables.slot, tables.watch
    mine = (t.c.stream == w.c.stream) & (t.c.slo == w.c.slo)
    first = sa.select(t.c.start).where(mine).order_by(t.c.start).limit(1).lateral("first")
    last = sa.select(t.c.end).where(mine).order_by(t.c.start.desc()).limit(1).lateral("last")
    joined = w.join(first, sa.true()).join(last, sa.true())
    rows = conn.execute(sa.select(w.c.stream, w.c.slo, first.c.start, last.c.end).select_from(joined))
    return [Begun(row[0], row[1], row[2].astimezone(UTC), row[3].astimezone(UTC)) for row in rows]


def bad_windows(conn: sa.Connection, streams: Collection[str], slo: str, span: Span) -> dict[str, int]:
    """How many windows of each of `streams` that began in `span` were bad for `slo`; those without any are left out."""
    t = tables.slot
    mine = (t.c.stream.in_(list(streams)), t.c.slo == slo, t.c.start >= span.start, t.c.start < span.end)
    query = sa.select(t.c.stream, sa.func.count()).where(t.c.outcome == "bad", *mine).group_by(t.c.stream)
    return {row[0]: row[1] for row in conn.execute(query)}


def bad_days(conn: sa.Connection, names: Collection[str], *, since: datetime) -> dict[datetime, timedelta]:
    """By the start of each day of UTC, how long windows of the streams `names` and of their segments were bad.

    Of windows that began at `since` or later; each objective's time counts by itself.
    """
    t = tables.slot
    day = sa.func.date_trunc("day", t.c.start, "UTC")
    mine = sa.func.split_part(t.c.stream, "/", 1).in_(list(names))
    query = sa.select(day, sa.func.sum(t.c.end - t.c.start)).where(t.c.outcome == "bad", t.c.start >= since, mine)
    return {row[0].astimezone(UTC): row[1] for row in conn.execute(query.group_by(day))}


def effective_shares(conn: sa.Connection, names: Collection[str], *, since: datetime) -> dict[str, float]:
    """Of each of the streams `names`, which share of the reference's directions its windows use, from `since` on.

    The mean over windows by `effective_rank`, which counts as 1 where it is more; streams without any are left out.
    """
    t = tables.measurement
    share = sa.func.avg(sa.func.least(t.c.value, 1.0))
    mine = (t.c.stream.in_(list(names)), t.c.detector == "effective_rank", t.c.start >= since)
    return {
        row[0]: float(row[1]) for row in conn.execute(sa.select(t.c.stream, share).where(*mine).group_by(t.c.stream))
    }
