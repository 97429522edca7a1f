"""References held against what the encoder gives today, and against each other."""

from dataclasses import dataclass

from drift.config import Config, Settings
from drift.diagnosis.two_references import Difference, difference
from drift.errors import ConfigError
from drift.pipeline.recompute import Recomputation, recompute
from drift.records import Change, changes
from drift.store.connect import Connection, Engine
from drift.store.references import ReferenceRow
from drift.wiring import make_reference
from drift.wiring.build import clock
from drift.wiring.encoders import anew, encoder_of
from drift.wiring.kept_references import find, load
from drift.wiring.make_reference import Made


@dataclass(frozen=True, slots=True)
class Again:
    """A reference encoded again; `made` says what became of it: kept only where it changed."""

    found: Recomputation
    made: Made


@dataclass(frozen=True, slots=True)
class Between:
    """Two references of a stream, and what differs between them: their rows, and the encoders that made them."""

    old: ReferenceRow
    new: ReferenceRow
    encoder: tuple[Change, ...]
    rows: Difference


def again(config: Config, settings: Settings, engine: Engine, key: str, *, dry_run: bool) -> Again:
    """Encode the inputs of the reference of `key` again; keep the new one if any row differs by more than rounding.

    Raises:
        ConfigError: no such stream is declared, or it has no encoder.
        BadReferenceError: the reference was not encoded here.
    """
    place = make_reference.place_of(config, settings, key)
    encoder = encoder_of(place.declared, settings.home)
    if encoder is None:
        raise ConfigError(
            f"stream {place.declared.id!r} has no encoder, so that there is nothing to recompute its reference with: "
            "add `encoder: {model: …}` to it"
        )
    with engine.connect() as conn:
        kept = load(conn, find(conn, key))
    now, job = clock(), settings.home / f"recompute-{kept.version}.sqlite"
    # What was encoded before is not asked: it would say that nothing has changed.
    with anew(encoder, job, now=now) as today:
        found = recompute(kept, today, by=place.source.by, now=now)
    made = Made(found.now)
    if found.changed and not dry_run:
        with engine.begin() as conn:
            made = make_reference.keep(conn, place, made)
    return Again(found, made)


def between(conn: Connection, key: str, old: str, new: str) -> Between:
    """The references of `key` whose versions begin with `old` and `new`, held against each other."""
    rows = find(conn, key, old), find(conn, key, new)
    was, now = (load(conn, row) for row in rows)
    return Between(*rows, changes(was.lineage.encoder, now.lineage.encoder), difference(was, now))
