"""Sums that are kept of windows, over months: merged, and thinned to what a picture of all pairs can show."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import accumulate

import sqlalchemy as sa

from drift.records import EPOCH, Sketch, Span
from drift.store import codec, tables


def reach(conn: sa.Connection, stream: str, detector: str) -> Span | None:
    """From the start of the oldest window of which sums are kept to that of the newest; None unless there are two."""
    t = tables.sketch
    query = sa.select(sa.func.min(t.c.start), sa.func.max(t.c.start)).where(
        t.c.stream == stream, t.c.detector == detector
    )
    first, last = conn.execute(query).one()
    return None if first is None or first == last else Span(first.astimezone(UTC), last.astimezone(UTC))


def first_stream(conn: sa.Connection) -> str | None:
    """The first registered stream, by key, of which sums are kept."""
    t, s = tables.sketch, tables.stream
    has = sa.exists().where(t.c.stream == s.c.key)
    return conn.execute(sa.select(s.c.key).where(has).order_by(s.c.key).limit(1)).scalar_one_or_none()


def spacing(conn: sa.Connection, stream: str, detector: str, span: Span) -> timedelta | None:
    """How long windows of `span` are: for half of the time between the first and the last, starts lie no further apart.

    So neither a gap nor a few shorter windows make it another. None where fewer than two windows start in `span`.
    """
    t = tables.sketch
    mine = (t.c.stream == stream) & (t.c.detector == detector) & (t.c.start >= span.start) & (t.c.start < span.end)
    apart = (t.c.start - sa.func.lag(t.c.start).over(order_by=t.c.start)).label("apart")
    gaps = sa.select(apart).where(mine).subquery()
    often = sa.select(gaps.c.apart, sa.func.count()).where(gaps.c.apart.is_not(None)).group_by(gaps.c.apart)
    found = [(length, length * count) for length, count in conn.execute(often.order_by(gaps.c.apart))]
    half = sum((time for _, time in found), timedelta(0)) / 2
    reached = accumulate(time for _, time in found)
    return next((length for (length, _), sofar in zip(found, reached, strict=True) if sofar >= half), None)


def binned(
    conn: sa.Connection, stream: str, detector: str, span: Span, step: timedelta, *, each: int = 12
) -> list[tuple[datetime, Sketch]]:
    """Sums of windows that start in `span`, by the start of their stretch of `step`, oldest first.

    Of each stretch at most `each` windows are read, spread over it. Sums against different references stay apart.
    """
    t = tables.sketch
    lot = sa.func.date_bin(step, t.c.start, sa.literal(EPOCH, t.c.start.type))
    place, found = (
        sa.func.row_number().over(partition_by=lot, order_by=t.c.start),
        sa.func.count().over(partition_by=lot),
    )
    mine = (t.c.stream == stream) & (t.c.detector == detector)
    within = (t.c.start >= span.start) & (t.c.start < span.end) & (t.c.rows > 0)
    ranked = sa.select(t.c.start, place.label("place"), found.label("found")).where(mine, within).subquery()
    # Every so many, so that what is kept lies evenly. As an array it is found once, whatever the planner believes.
    every = (ranked.c.found + each - 1) // each
    evenly = sa.func.array(sa.select(ranked.c.start).where((ranked.c.place - 1) % every == 0).scalar_subquery())
    query = sa.select(lot.label("lot"), t.c.reference, t.c.rows, t.c.sums).where(mine, t.c.start == sa.any_(evenly))
    merged: dict[tuple[datetime, str], Sketch] = {}
    for row in conn.execute(query.order_by(t.c.start)):
        one, key = Sketch(row.reference, row.rows, codec.doubles(row.sums)), (row.lot.astimezone(UTC), row.reference)
        merged[key] = merged[key].merged(one) if key in merged else one
    return [(at, sketch) for (at, _), sketch in sorted(merged.items(), key=lambda item: item[0])]


def merged(conn: sa.Connection, stream: str, detector: str, span: Span, *, reference: str) -> Sketch | None:
    """The sums of all windows that start in `span`, as far as they were held against that version of the reference."""
    t = tables.sketch
    mine = (t.c.stream == stream) & (t.c.detector == detector) & (t.c.reference == reference)
    within = (t.c.start >= span.start) & (t.c.start < span.end)
    rows = conn.execute(sa.select(t.c.rows, t.c.sums).where(mine, within).order_by(t.c.start))
    found = [Sketch(reference, row.rows, codec.doubles(row.sums)) for row in rows]
    return reduce(Sketch.merged, found) if found else None
