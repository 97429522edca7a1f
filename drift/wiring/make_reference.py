"""References made by hand: from a file, or from a golden period of production."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from drift.config import Config, Settings, StreamConfig
from drift.config.values import format_duration
from drift.errors import BadReferenceError, ConfigError
from drift.pipeline.golden import golden_reference
from drift.pipeline.references import Source, make_reference, state_of
from drift.records import Reference, Span, Stream
from drift.store import references
from drift.store.connect import Connection, Engine
from drift.store.golden import period
from drift.wiring.build import clock, source_of
from drift.wiring.encoders import encoder_of


@dataclass(frozen=True, slots=True)
class Made:
    """A reference that was made, or would be.

    `kept` says that it is kept now, `new` that it was not before, `in_use` that windows are held against it from the
    next start on: always, unless another is `pinned`. `note` is for people.
    """

    reference: Reference
    kept: bool = False
    new: bool = True
    pinned: str = ""
    note: str = ""

    @property
    def in_use(self) -> bool:
        return self.kept and self.pinned in {"", self.reference.version}


@dataclass(frozen=True, slots=True)
class Place:
    """A stream of the configuration, or one of its segments, and where the configuration has its references from."""

    declared: StreamConfig
    stream: Stream
    source: Source


def place_of(config: Config, settings: Settings, key: str) -> Place:
    """The stream, or segment, whose key is `key`.

    Raises:
        ConfigError: none is declared so.
    """
    for declared in config.streams:
        for stream in declared.streams:
            if stream.key == key:
                return Place(declared, stream, source_of(declared, encoder_of(declared, settings.home)))
    known = ", ".join(stream.key for declared in config.streams for stream in declared.streams)
    raise ConfigError(f"no stream {key!r} is declared; known are: {known}")


def span_of(since: datetime, until: datetime) -> Span:
    """The golden period from `since` until `until`.

    Raises:
        ConfigError: it would be empty.
    """
    if since >= until:
        raise ConfigError(
            f"a golden period needs SINCE before UNTIL: {since.isoformat()} is not before {until.isoformat()}"
        )
    return Span(since, until)


def from_file(place: Place, path: Path) -> Made:
    """A reference of the rows, or of the inputs, in the files at `path`."""
    return Made(make_reference(place.stream, replace(place.source, path=path), now=clock()))


def from_period(place: Place, config: Config, engine: Engine, span: Span, *, despite_alerts: bool) -> Made:
    """A reference of stored windows that start in `span`.

    Raises:
        BadReferenceError: an alert fired in it, and it is not to be made in spite of that; or no windows are stored.
    """
    now = clock()
    with engine.connect() as conn:
        found = period(conn, place.stream, span)
        if found.alerts and not despite_alerts:
            raise BadReferenceError(
                f"alerts fired in {span}: {'; '.join(found.alerts)}. Name a period without, or leave out the "
                f"{found.alerted} windows that they tell of (--despite-alerts); {len(found.windows)} windows remain"
            )
        made = golden_reference(conn, found, rows=place.source.rows, by=place.source.by, now=now)
    kept_for = config.retention.vectors
    notes = [f"{found.alerted} windows with alerts left out."] if found.alerted else []
    if span.start < now - kept_for:
        gone = f"{now - kept_for:%Y-%m-%d %H:%M}"
        notes.append(f"Vectors are kept for {format_duration(kept_for)}: there are none from before {gone} UTC.")
    return Made(made, note=" ".join(notes))


def keep(conn: Connection, place: Place, made: Made) -> Made:
    """Keep what was made, and have the stream held against it from its next start on."""
    version = made.reference.version
    new = references.save(conn, made.reference)
    references.choose(conn, place.stream.key, version, state=state_of(place.stream, place.source))
    choice = references.choice(conn, place.stream.key)
    return replace(made, kept=True, new=new, pinned=(choice.pinned or "") if choice else "")
