"""Pictures that were fitted to references, and where the rows of windows lie in them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import sqlalchemy as sa
from jaxtyping import Float32
from sqlalchemy.dialects.postgresql import insert

from drift.records import Span
from drift.store import codec, tables, turns

MOST_FITTED: Final = 5_000
"""Rows of a reference that a picture is fitted to; more take longer and look the same."""
MOST_PLACED: Final = 100_000
"""Rows of a stream's newest windows that have their places kept: as many as are shown at once."""
MOST_WINDOWS: Final = 5_000
TURN: Final = 14

Places = Float32[np.ndarray, "n 2"]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The places of the first rows of a reference in the plane, by `method`, fitted in `seconds` until `made_at`.

    One that could not be fitted has no places, and says why: `fault`.
    """

    stream: str
    reference: str
    method: str
    made_at: datetime
    seconds: float
    places: Places
    fault: str = ""

    @property
    def is_fitted(self) -> bool:
        return not self.fault


def find(conn: sa.Connection, stream: str, reference: str) -> Picture | None:
    """The picture of the reference of that version of that stream, if it was tried to make one."""
    t = tables.picture
    row = conn.execute(sa.select(t).where(t.c.stream == stream, t.c.reference == reference)).first()
    if row is None:
        return None
    made_at, places = row.made_at.astimezone(UTC), codec.vectors(row.places, 2)
    return Picture(stream, reference, row.method, made_at, row.seconds, places, row.fault)


def keep(conn: sa.Connection, picture: Picture) -> None:
    """Keep `picture` in place of what was kept of that reference; windows must be placed in it anew."""
    t, p = tables.picture, tables.place
    made = {
        "method": picture.method,
        "made_at": picture.made_at,
        "seconds": picture.seconds,
        "places": codec.pack(picture.places),
        "fault": picture.fault,
    }
    new = insert(t).values(stream=picture.stream, reference=picture.reference, **made)
    conn.execute(new.on_conflict_do_update(index_elements=["stream", "reference"], set_=made))
    conn.execute(sa.delete(p).where(p.c.stream == picture.stream, p.c.reference == picture.reference))


def due(conn: sa.Connection, versions: Mapping[str, str]) -> list[str]:
    """The streams of `versions` (of their references, by key) that have no picture, or one with a fault; by key."""
    t = tables.picture
    fitted = sa.select(t.c.stream, t.c.reference).where(t.c.fault == "")
    kept = {(row.stream, row.reference) for row in conn.execute(fitted)}
    return sorted(key for key, version in versions.items() if (key, version) not in kept)


@contextmanager
def claimed(engine: sa.Engine, versions: Mapping[str, str]) -> Iterator[str | None]:
    """The first stream that is `due` and that nobody else has; None where there is none.

    Nobody else gets it until the block ends, and no transaction is open meanwhile: fitting takes minutes.
    """
    with turns.session(engine) as conn:
        found = _claim(conn, versions)
        conn.commit()
        yield found


def _claim(conn: sa.Connection, versions: Mapping[str, str]) -> str | None:
    for key in due(conn, versions):
        # Asked again once it is taken: who had it may have fitted one meanwhile.
        if turns.take(conn, key, TURN) and due(conn, {key: versions[key]}):
            return key
    return None


def lock(conn: sa.Connection, stream: str) -> bool:
    """Have the pictures of a stream for this transaction alone; False where another process has `claimed` them."""
    turn = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:stream, :kind))")
    return bool(conn.execute(turn, {"stream": stream, "kind": TURN}).scalar_one())


def unplaced(conn: sa.Connection, stream: str, reference: str, *, limit: int) -> list[datetime]:
    """The starts of the newest `limit` windows that have no places.

    Only the newest `MOST_WINDOWS` count, and of these those with the newest `MOST_PLACED` rows.
    """
    w, p = tables.window, tables.place
    mine = sa.select(w.c.start, w.c.rows).where(w.c.stream == stream, w.c.rows > 0)
    newest = mine.order_by(w.c.start.desc()).limit(MOST_WINDOWS).subquery()
    before = sa.func.sum(newest.c.rows).over(order_by=newest.c.start.desc()) - newest.c.rows
    ranked = sa.select(newest.c.start, before.label("before")).subquery()
    has = sa.exists().where(p.c.stream == stream, p.c.start == ranked.c.start, p.c.reference == reference)
    query = sa.select(ranked.c.start).where(ranked.c.before < MOST_PLACED, ~has)
    found = conn.execute(query.order_by(ranked.c.start.desc()).limit(limit)).scalars()
    return [start.astimezone(UTC) for start in found]


def place(conn: sa.Connection, stream: str, reference: str, start: datetime, places: Places) -> None:
    """Keep where the rows of the window of `stream` that begins at `start` lie."""
    new = insert(tables.place).values(stream=stream, start=start, reference=reference, places=codec.pack(places))
    conn.execute(new.on_conflict_do_nothing())


def placed(conn: sa.Connection, stream: str, reference: str, span: Span) -> dict[datetime, Places]:
    """Where the rows of windows that start in `span` lie, by their starts."""
    t = tables.place
    mine = (t.c.stream == stream) & (t.c.reference == reference) & (t.c.start >= span.start) & (t.c.start < span.end)
    rows = conn.execute(sa.select(t.c.start, t.c.places).where(mine))
    return {row.start.astimezone(UTC): codec.vectors(row.places, 2) for row in rows}


def forget(conn: sa.Connection, *, vectors: datetime, history: datetime) -> None:
    """Drop places of windows that start before `vectors`, and pictures of before `history`, which are made anew."""
    conn.execute(sa.delete(tables.place).where(tables.place.c.start < vectors))
    conn.execute(sa.delete(tables.picture).where(tables.picture.c.made_at < history))
