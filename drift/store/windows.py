"""Windows as they are stored, while their rows are kept."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import sqlalchemy as sa

from drift.records import RowReason, Rows, Span
from drift.store import codec, tables


def newest(conn: sa.Connection, stream: str, *, at: datetime | None = None) -> Span | None:
    """The newest window of `stream` that has its rows still; with `at`, the one that holds that moment."""
    t = tables.window
    query = sa.select(t.c.start, t.c.end).where(t.c.stream == stream, t.c.rows > 0)
    if at is not None:
        query = query.where(t.c.start <= at, t.c.end > at)
    row = conn.execute(query.order_by(t.c.start.desc()).limit(1)).first()
    return None if row is None else Span(row.start.astimezone(UTC), row.end.astimezone(UTC))


def first_stream(conn: sa.Connection) -> str | None:
    """The first registered stream, by key, that has a reference and a window whose rows are still kept."""
    t, s, c = tables.window, tables.stream, tables.choice
    has = sa.exists().where(t.c.stream == s.c.key, t.c.rows > 0) & sa.exists().where(c.c.stream == s.c.key)
    return conn.execute(sa.select(s.c.key).where(has).order_by(s.c.key).limit(1)).scalar_one_or_none()


def ids(conn: sa.Connection, stream: str, *, at: datetime) -> tuple[str | None, ...] | None:
    """The ids of the rows of the window of `stream` that holds that moment; None where none has its rows still."""
    t = tables.window
    mine = (t.c.stream == stream) & (t.c.rows > 0) & (t.c.start <= at) & (t.c.end > at)
    row = conn.execute(sa.select(t.c.ids, t.c.rows).where(mine).order_by(t.c.start.desc()).limit(1)).first()
    return None if row is None else tuple(row.ids) or (None,) * row.rows


def drawn(conn: sa.Connection, stream: str, dim: int, spans: Sequence[Span], *, most: int) -> Rows:
    """At most `most` rows of the windows that start in `spans`, as many of each, in random order."""
    t = tables.window
    within = sa.or_(*((t.c.start >= span.start) & (t.c.start < span.end) for span in spans))
    found = conn.execute(sa.select(t).where(t.c.stream == stream, t.c.rows > 0, within).order_by(t.c.start))
    windows = [stored(row) for row in found]
    each = -(-most // max(1, len(windows)))
    # A window's own rows are in random order.
    parts = [window.take(np.arange(min(each, len(window)))) for window in windows]
    together = Rows.stack([Rows.none(dim), *parts])
    if len(parts) < 2:
        return together
    return together.take(np.random.default_rng(len(together)).permutation(len(together))[:most])


def counts(conn: sa.Connection, stream: str, span: Span) -> tuple[int, dict[RowReason, int]]:
    """How many rows the windows of `stream` in `span` received, and how many of them could not be used, by reason."""
    t = tables.window
    within = (t.c.stream == stream) & (t.c.start >= span.start) & (t.c.start < span.end)
    received, rejected = 0, dict[RowReason, int]()
    for row in conn.execute(sa.select(t.c.received, t.c.rejected).where(within)):
        received += row.received
        for reason, count in row.rejected.items():
            rejected[RowReason(reason)] = rejected.get(RowReason(reason), 0) + count
    return received, rejected


def stored(row: sa.Row[tuple[object, ...]]) -> Rows:
    """The rows of a row of the table `window`, which has some; times and sessions are not kept."""
    f = row._mapping
    dim = len(f["vectors"]) // f["rows"] // np.dtype(f["dtype"]).itemsize
    return Rows(
        vectors=codec.vectors(f["vectors"], dim, f["dtype"]),
        ids=tuple(f["ids"]),
        inputs=tuple(f["inputs"]),
        labels=tuple(f["labels"]),
        encoder_versions=tuple(f["encoder_versions"]),
        segments={name: tuple(column) for name, column in f["segments"].items()},
    )


def latest(conn: sa.Connection, stream: str, span: Span, *, most: int) -> Iterator[tuple[Span, Rows]]:
    """Windows that start in `span` and have their rows still, the newest first, until they have `most` rows."""
    t = tables.window
    within = (t.c.stream == stream) & (t.c.start >= span.start) & (t.c.start < span.end) & (t.c.rows > 0)
    query = sa.select(t).where(within).order_by(t.c.start.desc()).execution_options(yield_per=8)
    left = most
    with conn.execute(query) as found:
        for row in found:
            rows = stored(row)
            # A window's own rows are in random order.
            yield Span(row.start.astimezone(UTC), row.end.astimezone(UTC)), rows.take(np.arange(min(left, len(rows))))
            left -= len(rows)
            if left <= 0:
                return
