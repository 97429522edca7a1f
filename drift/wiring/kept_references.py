"""The references that are kept: found by name, listed, shown and pinned."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from drift.errors import UnknownReferenceError
from drift.records import Reference
from drift.store import references
from drift.store.connect import Connection
from drift.store.references import BankRow, ReferenceRow

SHORT = 12
"""So many characters of a version are shown, and are enough to name it."""


@dataclass(frozen=True, slots=True)
class Details:
    """All that is known of a reference but its rows.

    `inputs` and `labels` count the rows that have one, `segments` the rows of each value of each column. Two
    references of the same inputs in the same order have the same `inputs_checksum`, whatever encoded them; "" without
    inputs. `fitted` rows are R_fit, `calibrating` ones R_cal.
    """

    row: ReferenceRow
    inputs: int
    labels: int
    segments: Mapping[str, Mapping[str, int]]
    inputs_checksum: str
    fitted: int
    calibrating: int
    banks: tuple[BankRow, ...]


def find(conn: Connection, stream: str, version: str = "") -> ReferenceRow:
    """The reference of `stream` whose version begins with `version`; without one, that which is in use.

    Raises:
        UnknownReferenceError: there is none, or more than one; lists those that there are.
    """
    kept = references.references(conn, stream)
    if not kept:
        streams = ", ".join(sorted({row.stream for row in references.references(conn)})) or "no stream"
        raise UnknownReferenceError(
            f"no reference of {stream!r} is kept; {streams} has some. `drift run` makes one of each stream at its "
            "start, `drift reference create` makes one now"
        )
    found = [row for row in kept if (row.version.startswith(version) if version else row.in_use)]
    if len(found) == 1:
        return found[0]
    what = "is in use" if not version else f"has a version that begins with {version!r}"
    several = "none" if not found else f"{len(found)} of them"
    there = ", ".join(row.version[:SHORT] for row in kept)
    raise UnknownReferenceError(f"{several} of the references of {stream!r} {what}: name one of {there}")


def load(conn: Connection, row: ReferenceRow) -> Reference:
    """The reference of `row`, with its rows."""
    kept = references.reference(conn, row.stream, row.version)
    if kept is None:
        raise UnknownReferenceError(f"reference {row.version[:SHORT]} of {row.stream!r} is gone: list those there are")
    return kept


def details(conn: Connection, row: ReferenceRow) -> Details:
    """All that is known of the reference of `row`."""
    kept = load(conn, row)
    rows = kept.rows
    segments = {
        name: dict(Counter(value or "-" for value in rows.segments[name]).most_common())
        for name in rows.segment_columns
    }
    return Details(
        row=row,
        inputs=len(rows.with_value(rows.inputs)),
        labels=len(rows.labelled()),
        segments=segments,
        inputs_checksum=sha256(repr(rows.inputs).encode()).hexdigest() if any(rows.inputs) else "",
        fitted=len(kept.fit),
        calibrating=len(kept.calibration),
        banks=tuple(references.banks(conn, row.version)),
    )
