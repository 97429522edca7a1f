"""What an objective went through over a stretch of time, and which stretch people ask for. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from drift.alert import Alert
from drift.records import EPOCH, Diagnosed, Gap, Maintenance, Measurement, Span
from drift.slo import Calibration, Slo
from drift.store.outgoing import Told
from drift.store.reads import AlertRow, BudgetRow


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment at which something was changed on purpose: a short name, and a sentence."""

    at: datetime
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Series:
    """One objective over `span`: its measurements and gaps, its slots, the episodes of its alerts, and maintenance.

    `calibration` says whether a test keeps its level of late; None where nothing is promised. `moments` are changes of
    version and of the reference. `bad` is how many windows were, of all, which `measurements` need not be: None where
    nobody counted.
    """

    slo: Slo
    span: Span
    measurements: tuple[Measurement, ...]
    gaps: tuple[Gap, ...] = ()
    budgets: tuple[BudgetRow, ...] = ()
    alerts: tuple[Alert, ...] = ()
    calibration: Calibration | None = None
    maintenance: tuple[Maintenance, ...] = ()
    moments: tuple[Moment, ...] = ()
    bad: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """A stream over `span`: the chosen objective in full, the others with fewer points; `alerts` are open ones first,
    and `told` says who was told of each.

    `moved` is the newest window that looks changed to the chosen objective's detector, and says where that comes from;
    `diagnosed` is the diagnosis that an open alert tells of, else the newest.
    """

    span: Span
    chosen: Series
    others: tuple[Series, ...]
    alerts: tuple[AlertRow, ...]
    told: Told
    moved: Measurement | None = None
    diagnosed: Diagnosed | None = None


LENGTHS: Final = {
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "1 d": timedelta(days=1),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
}
ALL: Final = "all"
_ENOUGH: Final = 60  # windows that a chart needs to show more than noise


@dataclass(frozen=True, slots=True)
class Range:
    """What people ask to see: the newest `last`, or `fixed`; all there is when both are None."""

    last: timedelta | None = None
    fixed: Span | None = None

    def span(self, now: datetime, reach: Span | None) -> Span:
        """The stretch that is meant, `now` being the moment and `reach` what is kept."""
        if self.fixed is not None:
            return self.fixed
        start = reach.start if reach else now - LENGTHS["1 h"]
        first = min(start if self.last is None else now - self.last, now - timedelta(seconds=1))
        return Span(first.astimezone(UTC), now.astimezone(UTC))


def sensible(interval: timedelta, age: timedelta | None) -> str:
    """The shortest range with enough windows of `interval` that also shows how what began `age` ago began."""
    needed = max(_ENOUGH * interval, 1.25 * (age or timedelta()))
    return next((name for name, length in LENGTHS.items() if length >= needed), ALL)


def moment(text: str) -> datetime:
    """The time of ISO 8601 that an address has.

    Raises:
        ValueError: it is none, or has no offset: which of many times it means nobody can know.
    """
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None
    raise ValueError(f"{text!r} has no offset: needed is, as in 2026-03-01T12:00:00Z, one to UTC")


def fixed(start: str, end: str) -> Span | None:
    """The span that a link names by two times of ISO 8601; None unless it does, with an offset and in order."""
    try:
        first, last = moment(start), moment(end)
    except ValueError:
        return None
    return Span(first, last) if EPOCH < first < last else None


def around(start: datetime, end: datetime) -> Span:
    """An episode with something to both sides of it."""
    margin = max((end - start) / 2, timedelta(minutes=2))
    return Span((start - 2 * margin).astimezone(UTC), (end + margin).astimezone(UTC))
