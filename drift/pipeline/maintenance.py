"""Plan maintenance: a wish becomes the times that a window is on, or an error that says what would be right.

A slot of which any part lies in a window is excluded, since its rows come in part from what is being worked on. Slots
that were counted before the window was added stay as they are: alerts have gone out on them.
"""

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drift.config.values import format_duration
from drift.errors import MaintenanceError, UnknownMaintenanceError
from drift.pipeline.recurrence import starts
from drift.records import Coverage, Maintenance, Planned, Span
from drift.store import maintenance, reads
from drift.store.connect import Connection

LONGEST: Final = timedelta(days=7)
"""One time that a window is on, at most: what takes longer is no maintenance, and would hide what is wrong."""
MOST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for: either an `end` or a `length`, and with an `rrule` the last day of it, unless it says.

    Times without an offset are those of `timezone`; without a `start` it begins now.
    """

    covers: Coverage
    owner: str
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    length: timedelta | None = None
    rrule: str = ""
    until: datetime | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks, when, and what the new window is to be called."""

    by: str
    at: datetime
    id: str = ""


def id_of(seed: UUID) -> str:
    """A name that is short enough to be typed."""
    return f"m-{seed.hex[:10]}"


def plan(wish: Wish, author: Author) -> Maintenance:
    """The window that is wished for.

    Raises:
        MaintenanceError: the wish cannot be met.
    """
    owner, reason = (_said(name, text) for name, text in (("owner", wish.owner), ("reason", wish.reason)))
    zone = _zone(wish.timezone)
    first = _first(wish, zone, author.at.replace(microsecond=0))
    rule = wish.rrule.strip().removeprefix("RRULE:")
    if len(rule) > MOST_TEXT:
        raise MaintenanceError(f"rrule has {len(rule)} characters, at most {MOST_TEXT} are read")
    if not rule and wish.until is not None:
        raise MaintenanceError("until says when a rule ends: give an rrule with it, or end alone")
    until = None if wish.until is None else _utc(wish.until, zone)
    begun = starts(rule, first.start, zone, until) if rule else (first.start,)
    times = tuple(Span(start, start + first.length) for start in begun)
    for one, after in pairwise(times):
        if after.start <= one.end:
            raise MaintenanceError(
                f"rrule {rule!r} is on again at {after.start:%Y-%m-%d %H:%M} UTC, before the time that ends at "
                f"{one.end:%Y-%m-%d %H:%M} UTC is over: it would never end. Make each shorter, or the rule rarer"
            )
    if times[-1].end <= author.at:
        raise MaintenanceError(
            f"end {times[-1].end:%Y-%m-%d %H:%M:%S} UTC is over: what was counted stays counted, so it must lie after "
            f"now, {author.at:%Y-%m-%d %H:%M:%S} UTC"
        )
    return Maintenance(
        author.id, wish.covers, times, owner, reason, rule, wish.timezone, created_at=author.at, created_by=author.by
    )


def add(conn: Connection, planned: Maintenance) -> None:
    """Keep a planned window; slots that are counted from now on respect it.

    Raises:
        MaintenanceError: it covers no stream that is known.
    """
    require_known(conn, planned.covers)
    maintenance.add(conn, planned)


def require_known(conn: Connection, covers: Coverage) -> None:
    """Raise MaintenanceError where no registered stream is covered."""
    rows = reads.streams(conn)
    if any(covers.includes(row.stream) for row in rows):
        return
    keys = sorted({row.stream.key for row in rows})
    if covers.stream and covers.stream not in {name for row in rows for name in (row.stream.name, row.stream.key)}:
        near = difflib.get_close_matches(covers.stream, keys, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(keys) or 'none yet'}"
        raise MaintenanceError(f"stream {covers.stream[:200]!r} is not registered; {hint}")
    models = ", ".join(sorted({row.stream.model for row in rows})) or "none yet"
    raise MaintenanceError(
        f"model {covers.model[:200]!r} is not that of {Coverage(covers.stream)}; known are: {models}"
    )


def cancel(conn: Connection, id_: str, author: Author) -> Maintenance:
    """End the window now; what was excluded stays excluded.

    Raises:
        MaintenanceError: there is none of that id, or it is over.
    """
    require_unfinished(conn, id_, author.at)
    maintenance.cancel(conn, id_, by=author.by, now=author.at)
    return require(conn, id_)


def require_unfinished(conn: Connection, id_: str, now: datetime) -> Maintenance:
    """The window of that id.

    Raises:
        MaintenanceError: there is none, or it is over or cancelled.
    """
    found = require(conn, id_)
    if found.cancelled_at is not None:
        when = f"{found.cancelled_at:%Y-%m-%d %H:%M:%S} UTC by {found.cancelled_by}"
        raise MaintenanceError(f"maintenance {id_} was cancelled before, at {when}")
    if found.state(now) is Planned.PAST:
        raise MaintenanceError(f"maintenance {id_} was over at {found.times[-1].end:%Y-%m-%d %H:%M:%S} UTC")
    return found


def require(conn: Connection, id_: str) -> Maintenance:
    """The window of that id.

    Raises:
        UnknownMaintenanceError: there is none.
    """
    found = maintenance.find(conn, id_)
    if found is None:
        raise UnknownMaintenanceError(f"no maintenance has the id {id_!r}: `drift maintenance list` shows them")
    return found


def _first(wish: Wish, zone: ZoneInfo, now: datetime) -> Span:
    """The first time that it is on."""
    start = now if wish.start is None else _utc(wish.start, zone)
    if (wish.end is None) == (wish.length is None):
        both = "both are given" if wish.end else "neither is given"
        raise MaintenanceError(f"needs either an end or a length (--for 2h), {both}: maintenance must end")
    end = start + wish.length if wish.length else _utc(wish.end or now, zone)
    if end <= start:
        raise MaintenanceError(f"end {end:%Y-%m-%d %H:%M:%S} UTC must lie after start {start:%Y-%m-%d %H:%M:%S} UTC")
    if end - start > LONGEST:
        raise MaintenanceError(
            f"end is {format_duration(end - start)} after start, at most {format_duration(LONGEST)} are allowed: "
            "add another window when that one is nearly over"
        )
    return Span(start, end)


def _said(name: str, text: str) -> str:
    text = " ".join(text.split())
    if len(text) > MOST_TEXT:
        raise MaintenanceError(f"{name} has {len(text)} characters, at most {MOST_TEXT} are kept")
    if not text or not text.isprintable():
        raise MaintenanceError(f"{name} {text[:40]!r}: say it in 1 to {MOST_TEXT} printable characters")
    return text


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MaintenanceError(
            f"timezone {name[:40]!r} is not known: write a name such as Europe/Berlin or UTC"
        ) from None


def _utc(at: datetime, zone: ZoneInfo) -> datetime:
    """The moment, to the second: Alertmanager knows no finer ones than milliseconds."""
    # Of this century, so that what is reckoned from it stays a time that can be written.
    if not 2000 <= at.year < 2100:
        raise MaintenanceError(f"time {at} is out of range: write one of this century")
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC).replace(microsecond=0)
