"""References, which of them each stream is held against, and what detectors drew from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import Lineage, Reference, Rows
from drift.store import codec, tables


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A reference without its rows; `in_use` says that its stream is held against it, `pinned` that it stays so."""

    stream: str
    version: str
    created_at: datetime
    rows: int
    dim: int
    fingerprint: str
    source: str
    by: str
    copies: int
    encoder: Mapping[str, str]
    in_use: bool
    pinned: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Which reference a stream is held against: `pinned`, else `version`.

    `state` is what the configuration said when it gave a reference last.
    """

    version: str
    state: str
    pinned: str | None = None

    @property
    def in_use(self) -> str:
        return self.pinned or self.version


@dataclass(frozen=True, slots=True)
class BankRow:
    """Null windows that are kept of a reference: what they are of, and how many."""

    key: str
    windows: int


def reference(conn: sa.Connection, stream: str, version: str) -> Reference | None:
    """The reference of that version of the stream of that name."""
    t = tables.reference
    row = conn.execute(sa.select(t).where(t.c.stream == stream, t.c.version == version)).first()
    if row is None:
        return None
    segments = {name: tuple(column) for name, column in row.segments.items()}
    vectors, inputs, labels = codec.vectors(row.vectors, row.dim), tuple(row.inputs), tuple(row.labels)
    rows = Rows(vectors, inputs=inputs, labels=labels, segments=segments)
    lineage = Lineage(row.source, row.made_by, row.copies, row.encoder)
    return Reference(stream, rows, row.created_at, row.fingerprint, row.version, lineage)


def vectors(conn: sa.Connection, stream: str, version: str) -> npt.NDArray[np.float32] | None:
    """The vectors of that reference alone."""
    t = tables.reference
    mine = sa.select(t.c.vectors, t.c.dim).where(t.c.stream == stream, t.c.version == version)
    row = conn.execute(mine).first()
    return None if row is None else codec.vectors(row.vectors, row.dim)


def references(conn: sa.Connection, stream: str | None = None) -> list[ReferenceRow]:
    """All references, or those of one stream: by stream, the newest first."""
    t, c = tables.reference, tables.choice
    large = {"vectors", "inputs", "labels", "segments"}
    count = sa.func.octet_length(t.c.vectors) / (4 * t.c.dim)
    small = [column for column in t.c if column.name not in large]
    columns = [*small, count.label("rows"), c.c.pinned, c.c.version.label("chosen")]
    query = sa.select(*columns).select_from(t.outerjoin(c, c.c.stream == t.c.stream))
    if stream is not None:
        query = query.where(t.c.stream == stream)
    return [_summary(row) for row in conn.execute(query.order_by(t.c.stream, t.c.created_at.desc(), t.c.version))]


def _summary(row: sa.Row[tuple[object, ...]]) -> ReferenceRow:
    f = row._mapping
    pinned = f["pinned"] == f["version"]
    return ReferenceRow(
        stream=f["stream"],
        version=f["version"],
        created_at=f["created_at"],
        rows=int(f["rows"]),
        dim=f["dim"],
        fingerprint=f["fingerprint"],
        source=f["source"],
        by=f["made_by"],
        copies=f["copies"],
        encoder=f["encoder"],
        in_use=pinned or (f["pinned"] is None and f["chosen"] == f["version"]),
        pinned=pinned,
    )


def save(conn: sa.Connection, reference: Reference) -> bool:
    """Keep `reference`; False when its very rows are kept already, with what was said of them then.

    Only segments are added to those, since a version does not tell of them.
    """
    row = {
        "stream": reference.stream,
        "version": reference.version,
        "created_at": reference.created_at,
        "source": reference.lineage.source,
        "fingerprint": reference.fingerprint,
        "dim": reference.vectors.shape[1],
        "vectors": codec.pack(reference.vectors),
        "inputs": codec.texts(reference.rows.inputs),
        "labels": codec.texts(reference.rows.labels),
        "segments": codec.segments(reference.rows.segments),
        "made_by": reference.lineage.by,
        "copies": reference.lineage.copies,
        "encoder": dict(reference.lineage.encoder),
    }
    is_new = reference.version not in {kept.version for kept in references(conn, reference.stream)}
    new = insert(tables.reference).values(row)
    if reference.rows.segment_columns:
        split = {"segments": new.excluded.segments}
        conn.execute(new.on_conflict_do_update(index_elements=["stream", "version"], set_=split))
    else:
        conn.execute(new.on_conflict_do_nothing())
    return is_new


def has_any(conn: sa.Connection) -> bool:
    """Whether references are kept in this database, which may not have been migrated yet."""
    t = tables.choice
    return sa.inspect(conn).has_table(t.name, schema=t.schema) and bool(references(conn))


def choice(conn: sa.Connection, stream: str) -> Choice | None:
    """Which reference the stream of that name is held against; None before it has any."""
    t = tables.choice
    row = conn.execute(sa.select(t).where(t.c.stream == stream)).first()
    return None if row is None else Choice(row.version, row.state, row.pinned)


def choose(conn: sa.Connection, stream: str, version: str, *, state: str) -> None:
    """Have the stream held against `version` from its next start on, unless another is pinned."""
    t = tables.choice
    new = insert(t).values(stream=stream, version=version, state=state)
    conn.execute(new.on_conflict_do_update(index_elements=["stream"], set_={"version": version, "state": state}))


def pin(conn: sa.Connection, stream: str, version: str) -> None:
    """Have the stream held against `version`, whatever is made after it."""
    t = tables.choice
    new = insert(t).values(stream=stream, version=version, state="", pinned=version)
    conn.execute(new.on_conflict_do_update(index_elements=["stream"], set_={"pinned": version}))


def unpin(conn: sa.Connection, stream: str) -> None:
    """Have the stream held against what was chosen last, pinned or not."""
    t = tables.choice
    conn.execute(sa.update(t).where(t.c.stream == stream).values(pinned=None))


def bank(conn: sa.Connection, reference: str, key: str) -> npt.NDArray[np.float64] | None:
    """The null windows that were drawn from the reference of that version, if they are kept."""
    t = tables.bank
    row = conn.execute(sa.select(t).where(t.c.reference == reference, t.c.key == key)).first()
    return None if row is None else codec.doubles(row.numbers).reshape(-1, row.columns)


def banks(conn: sa.Connection, reference: str) -> list[BankRow]:
    """What is kept of null windows of the reference of that version."""
    t = tables.bank
    count = sa.func.octet_length(t.c.numbers) / (8 * t.c.columns)
    rows = conn.execute(sa.select(t.c.key, count).where(t.c.reference == reference).order_by(t.c.key))
    return [BankRow(row[0], int(row[1])) for row in rows]


def save_bank(conn: sa.Connection, reference: str, key: str, bank: npt.NDArray[np.float64]) -> None:
    """Keep the null windows (one per row) that were drawn from the reference of that version."""
    drawn = {"columns": bank.shape[1], "numbers": codec.pack(bank)}
    new = insert(tables.bank).values(reference=reference, key=key, **drawn)
    conn.execute(new.on_conflict_do_update(index_elements=["reference", "key"], set_=drawn))
