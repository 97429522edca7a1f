"""References: made from files, kept for good, and made again only when the files or their declaration change."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from collectors.files import open_files
from collectors.references import Inputs, read_reference
from detectors.base import Prepared
from detectors.copies import without_pairs
from drift.encoder.base import Encoder
from drift.encoder.readable import encode_readable
from drift.errors import BadReferenceError, UnmeasurableError
from drift.records import Lineage, Reference, Rows, Stream, changes
from drift.store import references
from drift.store.connect import Connection

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream's references come from: files, an encoder where they hold inputs alone, and at most `rows` rows.

    `segments` are the columns that say which segment a row belongs to; the files may lack them. `declared` is what the
    configuration says of the encoder, `by` who has the references made.
    """

    path: Path
    encoder: Encoder | None
    rows: int
    segments: tuple[str, ...] = ()
    declared: str = ""
    by: str = ""


def ensure_reference(conn: Connection, stream: Stream, source: Source, *, now: datetime) -> Reference:
    """The reference that `stream` is held against: the pinned one, else the one chosen last, else one from `source`.

    It is made from `source` when the files' content or the declaration has changed, since both are meant. An encoder
    that changes by itself, with its libraries or device, does not touch it: that is environment drift.

    Raises:
        BadReferenceError: the files have inputs and no vectors, and no encoder is configured; or the pinned one has
            another dimension.
        SourceError: the files cannot be read.
    """
    choice, state = references.choice(conn, stream.key), state_of(stream, source)
    if choice is not None and (choice.pinned or choice.state == state):
        kept = references.reference(conn, stream.key, choice.in_use)
        if kept is not None:
            return _of_dimension(kept, stream)
    made = make_reference(stream, source, now=now)
    _tell(conn, made, choice)
    references.save(conn, made)
    references.choose(conn, stream.key, made.version, state=state)
    return made


def _of_dimension(kept: Reference, stream: Stream) -> Reference:
    if (found := kept.vectors.shape[1]) != stream.dim:
        raise BadReferenceError(
            f"the pinned reference {kept} has {found} dimensions, stream {stream.name!r} declares {stream.dim}: pin "
            f"another, or none (`drift reference pin {stream} --none`)"
        )
    return kept


def _tell(conn: Connection, made: Reference, choice: references.Choice | None) -> None:
    """Log what is new of a reference that was made by itself."""
    lineage = made.lineage
    if lineage.copies:
        log.warning("copies left out of a reference", reference=str(made), source=lineage.source, copies=lineage.copies)
    if choice is None or choice.version == made.version:
        return
    before = references.reference(conn, made.stream, choice.version)
    encoder = before.lineage.encoder if before else {}
    log.warning(
        "reference made anew",
        reference=str(made),
        was=choice.version[:12],
        source=lineage.source,
        encoder_changed="; ".join(map(str, changes(encoder, lineage.encoder))),
    )


def make_reference(stream: Stream, source: Source, *, now: datetime) -> Reference:
    """The reference of `stream` from `source`, kept nowhere. Raises as `ensure_reference` does.

    A segment is held against its own rows where the files have its column, else against all of them.
    """
    sought = _as_found_in(source.path, stream)
    found = read_reference(source.path, sought, limit=source.rows, segments=source.segments)
    encoder = source.encoder if isinstance(found, Inputs) else None
    rows = _encoded(stream, found, source) if isinstance(found, Inputs) else found
    kept = without_pairs(rows)
    lineage = Lineage(
        source=f"{source.path} (content {content(source.path)})",
        by=source.by,
        copies=len(rows) - len(kept),
        encoder=encoder.described if encoder else {},
    )
    return Reference(stream.key, kept, now, encoder.fingerprint if encoder else "", lineage=lineage)


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
    bank = references.bank(conn, reference.version, key)
    try:
        drawn = _prepared(detector, reference, rows, bank, progress)
    except UnmeasurableError:
        return
    if drawn is not bank:
        references.save_bank(conn, reference.version, key, drawn)


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


def _encoded(stream: Stream, inputs: Inputs, source: Source) -> Rows:
    if (encoder := source.encoder) is None:
        raise BadReferenceError(
            f"{source.path} has inputs and no vectors, and stream {stream.name!r} has no encoder: add "
            "`encoder: {model: …}` to the stream, or give the reference a `vector` column"
        )
    found = encode_readable(encoder, inputs.texts)
    if found.faults:
        first = next(iter(found.faults.values()))
        log.warning("inputs left out of a reference", source=str(source.path), inputs=len(found.faults), first=first)
    kept = inputs.take(found.index) if found.faults else inputs
    return Rows(found.vectors, inputs=kept.texts, labels=kept.labels, segments=kept.segments)


def state_of(stream: Stream, source: Source) -> str:
    """Changes when the reference must be made again from `source`."""
    split = f", segments {', '.join(source.segments)}" if source.segments else ""
    kind = f"{stream.dim} dimensions without pairs, encoder {source.declared or 'none'}{split}"
    return f"{source.path.name} ({content(source.path)}), at most {source.rows} rows of {kind}"


def content(path: Path) -> str:
    """16 hexadecimal digits that change with the names and bytes of the file at `path`, or of all files below it.

    Not with their times, which change whenever a file is copied.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            found = file.stat()
            digest.update(f"{file.relative_to(path.parent)} {_sha256(file, found.st_size, found.st_mtime_ns)}".encode())
    return digest.hexdigest()[:16]


@cache
def _sha256(file: Path, size: int, changed_at: int) -> str:  # noqa: ARG001  (they say when to read it again)
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
