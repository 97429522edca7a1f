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
class Made:
    """A reference that was made, and how many rows were left out of it because they copy another."""

    reference: Reference
    copies: int


def ensure_reference(
    conn: Connection, stream: Stream, path: Path, encoder: Encoder | None, *, rows: int, now: datetime
) -> Reference:
    """The reference of `stream` from `path`, with at most `rows` rows; the stored one where nothing has changed.

    A segment is held against its own rows where the files have its column, else against all of them.

    Raises:
        BadReferenceError: the file has inputs and no vectors, and no encoder is configured.
        SourceError: the file cannot be read.
    """
    source = _source(stream, path, encoder, rows)
    version = reads.reference_of(conn, stream.key, source)
    if version is not None and (kept := reads.reference(conn, stream.key, version)) is not None:
        return kept
    made = make_reference(stream, path, encoder, rows=rows, now=now)
    if made.copies:
        log.warning("copies left out of a reference", reference=str(made.reference), path=str(path), copies=made.copies)
    writes.save_reference(conn, made.reference, source=source)
    return made.reference


def make_reference(stream: Stream, path: Path, encoder: Encoder | None, *, rows: int, now: datetime) -> Made:
    """The reference of `stream` from `path`, kept nowhere. Raises as `ensure_reference` does."""
    found = read_reference(path, _as_found_in(path, stream), limit=rows)
    if isinstance(found, Inputs):
        found, fingerprint = _encoded(stream, found, encoder, path)
    else:
        fingerprint = ""
    kept = without_pairs(found)
    return Made(Reference(stream.key, kept, now, fingerprint), len(found) - len(kept))


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


def _encoded(stream: Stream, inputs: Inputs, encoder: Encoder | None, path: Path) -> tuple[Rows, str]:
    if encoder is None:
        raise BadReferenceError(
            f"{path} has inputs and no vectors, and stream {stream.name!r} has no encoder: add `encoder: {{model: …}}` "
            "to the stream, or give the reference a `vector` column"
        )
    rows = Rows(encoder.encode(list(inputs.texts)), inputs=inputs.texts, labels=inputs.labels)
    return rows, encoder.fingerprint


def _source(stream: Stream, path: Path, encoder: Encoder | None, rows: int) -> str:
    """Changes when the reference must be made again."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [(str(file.relative_to(path.parent)), file.stat()) for file in files if file.is_file()]
    state = "; ".join(f"{name} {found.st_size} {found.st_mtime_ns}" for name, found in states)
    digest = hashlib.sha256(state.encode()).hexdigest()[:16]
    made_by = encoder.fingerprint if encoder else "none"
    return f"{path.name} ({digest}), at most {rows} rows of {stream.dim} dimensions without pairs, encoder {made_by}"
