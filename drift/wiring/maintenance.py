"""`drift maintenance`: words in, windows out."""

from dataclasses import dataclass
from datetime import datetime

from drift.config.values import parse_duration
from drift.errors import MaintenanceError
from drift.pipeline import maintenance
from drift.pipeline.maintenance import Author, Wish
from drift.records import Coverage, Maintenance, Planned
from drift.store import maintenance as kept
from drift.store.connect import Engine


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody typed; "" for what they did not."""

    stream: str
    every: bool
    model: str
    owner: str
    reason: str
    start: str
    end: str
    length: str
    rrule: str
    until: str
    timezone: str

    def wish(self) -> Wish:
        """What is asked for.

        Raises:
            MaintenanceError: a word is missing, or cannot be read.
        """
        if bool(self.stream) == self.every:
            both = "both are given" if self.every else "neither is given"
            raise MaintenanceError(f"say what it covers, a STREAM or --all: {both}")
        start, end, until = (_time(name, getattr(self, name)) for name in ("start", "end", "until"))
        try:
            length = parse_duration(self.length) if self.length else None
        except ValueError as error:
            raise MaintenanceError(f"--for {error}") from None
        covers = Coverage(self.stream, self.model)
        return Wish(covers, self.owner, self.reason, start, end, length, self.rrule, until, self.timezone)


def planned(engine: Engine, words: Words, author: Author, *, dry_run: bool) -> Maintenance:
    """The new window, kept unless it is a dry run.

    Raises:
        MaintenanceError: it cannot be planned, or covers nothing.
    """
    window = maintenance.plan(words.wish(), author)
    with engine.begin() as conn:
        if dry_run:
            maintenance.require_known(conn, window.covers)
        else:
            maintenance.add(conn, window)
    return window


def windows(engine: Engine, now: datetime) -> list[Maintenance]:
    """All windows: those that are on, those to come, the next first, then those that are over, the newest first."""
    with engine.connect() as conn:
        found = kept.planned(conn)
    order = {state: place for place, state in enumerate(Planned)}

    def place(window: Maintenance) -> tuple[int, float]:
        span = window.next(now)
        return order[window.state(now)], span.start.timestamp() if span else -window.times[-1].end.timestamp()

    return sorted(found, key=place)


def ended(engine: Engine, id_: str, author: Author, *, dry_run: bool) -> Maintenance:
    """The window, cancelled unless it is a dry run.

    Raises:
        MaintenanceError: it is not known, or over.
    """
    with engine.begin() as conn:
        if dry_run:
            return maintenance.require_unfinished(conn, id_, author.at)
        return maintenance.cancel(conn, id_, author)


def _time(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise MaintenanceError(
            f"--{name} {text[:40]!r} is no time: write 2026-12-01T02:00, or with an offset"
        ) from None
