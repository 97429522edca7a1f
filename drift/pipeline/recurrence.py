"""When a recurring window begins: an RRULE of iCalendar (RFC 5545), counted in local time and given in UTC."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from drift.errors import MaintenanceError

FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
REACH: Final = timedelta(days=366)
"""From the first time to the last, at most: who is still in charge of it should say so once a year."""
MOST: Final = 1000


def starts(rule: str, first: datetime, zone: ZoneInfo, until: datetime | None) -> tuple[datetime, ...]:
    """The moments at which it begins, in UTC: `first` and those that `rule` gives after it, up to and with `until`.

    A time that a change of the clocks leaves out is taken with the offset before it, and of one that it gives twice the
    first counts, as RFC 5545 says. So a window at 02:30 stays one at 02:30.

    Raises:
        MaintenanceError: it is no such rule, it does not end or not soon enough, or `first` is not one of its moments.
    """
    parts = _parts(rule)
    local = first.astimezone(zone).replace(tzinfo=None)
    count, last = _ending(rule, parts, zone, until)
    edge = first + REACH
    if last is not None and last > edge:
        raise MaintenanceError(
            f"rrule {rule!r} goes on until {last:%Y-%m-%d}, at most {edge:%Y-%m-%d}: add it again then"
        )
    found = _expanded(rule, parts, local, (last or edge).astimezone(zone).replace(tzinfo=None))
    local_times = list(islice(found, count or MOST + 1))
    # Where clocks go forward two local times may be one moment.
    moments = list(dict.fromkeys(at.replace(tzinfo=zone).astimezone(UTC) for at in local_times))
    if len(local_times) > MOST:
        raise MaintenanceError(f"rrule {rule!r} is on more than {MOST} times: let it end earlier")
    if not moments or moments[0] != first:
        really = f"its first time is {moments[0].astimezone(zone):%Y-%m-%dT%H:%M:%S}" if moments else "it never is on"
        raise MaintenanceError(f"start {local:%Y-%m-%dT%H:%M:%S} in {zone.key} is no time of rrule {rule!r}: {really}")
    if count is not None and len(local_times) < count:
        raise MaintenanceError(f"rrule {rule!r} reaches beyond {edge:%Y-%m-%d}: at most {REACH.days} days are planned")
    return tuple(moments)


def _parts(rule: str) -> dict[str, str]:
    """The parts of the rule by name, in capitals."""
    parts = {}
    for part in rule.upper().split(";"):
        name, equals, value = part.partition("=")
        if not (name and equals and value) or name in parts or not part.isprintable() or " " in part:
            raise MaintenanceError(
                f"rrule {rule!r}: {part!r} cannot be read: write it once, as in FREQ=WEEKLY;BYDAY=SU;COUNT=8"
            )
        parts[name] = value
    if parts.get("FREQ") not in FREQUENCIES:
        raise MaintenanceError(f"rrule {rule!r}: FREQ must be one of {', '.join(FREQUENCIES)}")
    if not parts.get("INTERVAL", "1").isdecimal() or int(parts.get("INTERVAL", "1")) < 1:
        raise MaintenanceError(f"rrule {rule!r}: INTERVAL must be a whole number from 1 on")
    return parts


def _ending(
    rule: str, parts: dict[str, str], zone: ZoneInfo, until: datetime | None
) -> tuple[int | None, datetime | None]:
    """How often it is on, or the last moment at which it may begin; takes both out of `parts`."""
    count, last = parts.pop("COUNT", None), parts.pop("UNTIL", None)
    if [count, last, until].count(None) != 2:
        raise MaintenanceError(
            f"rrule {rule!r} needs one end: COUNT=8, or UNTIL=20270131, or until beside it (--until 2027-01-31)"
        )
    if count is not None:
        if not count.isdecimal() or not 1 <= int(count) <= MOST:
            raise MaintenanceError(f"rrule {rule!r}: COUNT must be a whole number from 1 to {MOST}")
        return int(count), None
    return None, until or _moment(rule, last or "", zone)


def _moment(rule: str, text: str, zone: ZoneInfo) -> datetime:
    """`20270131` (the whole day), `20270131T020000` in `zone`, or `20270131T010000Z`, in UTC."""
    for form, local in (("%Y%m%dT%H%M%SZ", False), ("%Y%m%dT%H%M%S", True), ("%Y%m%d", True)):
        try:
            at = datetime.strptime(text, form)  # noqa: DTZ007  # its zone comes next
        except ValueError:
            continue
        at = at if "T" in text else at + timedelta(days=1, seconds=-1)
        return at.replace(tzinfo=zone if local else UTC).astimezone(UTC)
    raise MaintenanceError(f"rrule {rule!r}: UNTIL must be written 20270131, 20270131T020000 or 20270131T010000Z")


def _expanded(rule: str, parts: dict[str, str], local: datetime, last: datetime) -> rrule:
    """All of it up to `last`, without which a rule that never is on would be searched until the year 9999."""
    rest = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        found = rrulestr(rest, dtstart=local)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise MaintenanceError(f"rrule {rule!r} is no rule of RFC 5545: {error}") from None
    if not isinstance(found, rrule):
        raise MaintenanceError(f"rrule {rule!r} must be one rule, without dates of its own")
    return found.replace(until=last)
