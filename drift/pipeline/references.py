"""References: made once from a file, kept in Postgres, and made again only when the file or the encoder changes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from collectors.files import open_files
from collectors.references import Inputs, read_reference
from detectors.base import Prepared
from detectors.copies import without_pairs
from drift.encoder.base import Encoder
from drift.errors import BadReferenceError, UnmeasurableError
from drift.records import Reference, Rows, Stream
from drift.store import reads, writes
from drift.store.connect import Connection

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream's references come from: files, an encoder where they hold inputs alone, and at most `rows` rows.

    `segments` are the columns that say which segment a row belongs to; the files may lack them.
    """

    path: Path
    encoder: Encoder | None
    rows: int
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A reference that was made, and how many rows were left out of it because they copy another."""

    reference: Reference
    copies: int


def ensure_reference(conn: Connection, stream: Stream, source: Source, *, now: datetime) -> Reference:
    """The reference of `stream` from `source`; the stored one where nothing has changed.

    A segment is held against its own rows where the files have its column, else against all of them.

    Raises:
        BadReferenceError: the file has inputs and no vectors, and no encoder is configured.
        SourceError: the file cannot be read.
    """
    state = _state(stream, source)
    version = reads.reference_of(conn, stream.key, state)
    if version is not None and (kept := reads.reference(conn, stream.key, version)) is not None:
        return kept
    made = make_reference(stream, source, now=now)
    if made.copies:
        name, path = str(made.reference), str(source.path)
        log.warning("copies left out of a reference", reference=name, path=path, copies=made.copies)
    writes.save_reference(conn, made.reference, source=state)
    return made.reference


def make_reference(stream: Stream, source: Source, *, now: datetime) -> Made:
    """The reference of `stream` from `source`, kept nowhere. Raises as `ensure_reference` does."""
    sought = _as_found_in(source.path, stream)
    found = read_reference(source.path, sought, limit=source.rows, segments=source.segments)
    rows, fingerprint = _encoded(stream, found, source) if isinstance(found, Inputs) else (found, "")
    kept = without_pairs(rows)
    return Made(Reference(stream.key, kept, now, fingerprint), len(rows) - len(kept))


def prepare(
    conn: Connection,
    reference: Reference,
    detector: Prepared,
    *,
    rows: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Have `detector` ready for windows of `rows` rows; what it draws from the reference is drawn once and kept.

    A reference that is too small for it is left to the measurement, which says so for each window.
    """
    key = detector.bank_key(reference, rows)
    bank = reads.bank(conn, reference.version, key)
    try:
        drawn = _prepared(detector, reference, rows, bank, progress)
    except UnmeasurableError:
        return
    if drawn is not bank:
        writes.save_bank(conn, reference.version, key, drawn)


def _prepared(
    detector: Prepared,
    reference: Reference,
    rows: int,
    bank: npt.NDArray[np.float64] | None,
    progress: Callable[[int, int], None] | None,
) -> npt.NDArray[np.float64]:
    if bank is not None:
        try:
            return detector.prepare(reference, rows, bank, progress)
        except ValueError as error:
            # Another release, or a machine that computes otherwise, drew it: no reason not to start.
            log.warning("null windows drawn anew", reference=str(reference), detector=detector.name, error=str(error))
    return detector.prepare(reference, rows, None, progress)


def _as_found_in(path: Path, stream: Stream) -> Stream:
    """`stream`, or all of its traffic where it is a segment and the files do not say which rows are its own."""
    column = stream.segment.partition("=")[0]
    if column and not all(column in file.schema.names for file in open_files(path)):
        return replace(stream, segment="")
    return stream


def _encoded(stream: Stream, inputs: Inputs, source: Source) -> tuple[Rows, str]:
    if (encoder := source.encoder) is None:
        raise BadReferenceError(
            f"{source.path} has inputs and no vectors, and stream {stream.name!r} has no encoder: add "
            "`encoder: {model: …}` to the stream, or give the reference a `vector` column"
        )
    vectors = encoder.encode(list(inputs.texts))
    return Rows(vectors, inputs=inputs.texts, labels=inputs.labels, segments=inputs.segments), encoder.fingerprint


def _state(stream: Stream, source: Source) -> str:
    """Changes when the reference must be made again."""
    path = source.path
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [(str(file.relative_to(path.parent)), file.stat()) for file in files if file.is_file()]
    state = "; ".join(f"{name} {found.st_size} {found.st_mtime_ns}" for name, found in states)
    digest = hashlib.sha256(state.encode()).hexdigest()[:16]
    made_by = source.encoder.fingerprint if source.encoder else "none"
    split = f", segments {', '.join(source.segments)}" if source.segments else ""
    kind = f"{stream.dim} dimensions without pairs, encoder {made_by}{split}"
    return f"{path.name} ({digest}), at most {source.rows} rows of {kind}"
