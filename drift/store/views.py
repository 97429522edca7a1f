"""What people look at: the newest of everything, long stretches of time thinned to what a chart can show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.exc import DBAPIError, ProgrammingError

from drift.errors import StoreError
from drift.records import PERCENTILES, Gap, GapReason, Measurement, Span
from drift.slo import Slo
from drift.store import codec, reads, tables
from drift.store.connect import PoolTimeoutError
from drift.store.reads import BudgetRow

Reader: TypeAlias = sa.Engine


@contextmanager
def reading(engine: Reader) -> Iterator[sa.Connection]:
    """A connection whose reads all see the same moment.

    Raises:
        StoreError: the database does not answer, answers too slowly, or is not migrated.
    """
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn:
            conn.execute(sa.text("SET LOCAL statement_timeout = '10s'"))
            yield conn
    except ProgrammingError as error:
        raise StoreError(
            f"the database at {where(engine)} has not all that is needed, run `drift migrate`: {_said(error)}"
        ) from None
    except (DBAPIError, PoolTimeoutError) as error:
        raise StoreError(f"Postgres at {where(engine)} does not answer: {_said(error)}") from None


def where(engine: Reader) -> str:
    """The database that is read, as people may read it: without its password."""
    return engine.url.render_as_string(hide_password=True)


def now(conn: sa.Connection) -> datetime:
    """The moment that this transaction sees, by the database's clock."""
    return conn.execute(sa.select(sa.func.now())).scalar_one().astimezone(UTC)


def latest_measurements(conn: sa.Connection, of: Sequence[tuple[str, str]]) -> list[Measurement]:
    """The newest measurement of each pair of stream and detector in `of` that has one."""
    t = tables.measurement
    pair = _pairs(of)
    mine = (t.c.stream == pair.c.stream) & (t.c.detector == pair.c.detector)
    newest = sa.select(t).where(mine).order_by(t.c.start.desc()).limit(1).lateral()
    rows = conn.execute(sa.select(newest).select_from(pair.join(newest, sa.true())))
    return [reads.measurement_of(row) for row in rows]


def newest_within(conn: sa.Connection, stream: str, span: Span) -> list[Measurement]:
    """The newest measurement by each detector of the windows of `stream` that start in `span`."""
    t = tables.measurement
    of, name = t.c.stream == stream, sa.func.min(t.c.detector)
    # From one detector to the next through the index: there may be a million rows of each.
    seen = sa.select(name.label("name")).where(of).cte("seen", recursive=True)
    following = sa.select(name).where(of, t.c.detector > seen.c.name).scalar_subquery()
    seen = seen.union_all(sa.select(following).where(seen.c.name.is_not(None)))
    mine = (of, t.c.detector == seen.c.name, *_starts_in(t, span))
    newest = sa.select(t).where(*mine).order_by(t.c.start.desc()).limit(1).lateral()
    rows = conn.execute(sa.select(newest).select_from(seen.join(newest, sa.true())))
    return [reads.measurement_of(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Trail:
    """The newest values of a detector on a stream and their p-values, oldest first."""

    stream: str
    detector: str
    values: tuple[float, ...]
    p_values: tuple[float | None, ...]


def trails(conn: sa.Connection, of: Sequence[tuple[str, str]], *, last: int) -> list[Trail]:
    """The newest `last` measurements of each pair of stream and detector in `of` that has some."""
    t = tables.measurement
    pair = _pairs(of)
    mine = (t.c.stream == pair.c.stream) & (t.c.detector == pair.c.detector)
    some = sa.select(t.c.start, t.c.value, t.c.p_value).where(mine).order_by(t.c.start.desc()).limit(last).lateral()
    each = (sa.func.array_agg(aggregate_order_by(column, some.c.start)) for column in (some.c.value, some.c.p_value))
    query = sa.select(pair.c.stream, pair.c.detector, *each).select_from(pair.join(some, sa.true()))
    rows = conn.execute(query.group_by(pair.c.stream, pair.c.detector))
    return [Trail(stream, detector, tuple(values), tuple(ps)) for stream, detector, values, ps in rows]


def slots(conn: sa.Connection, of: Sequence[tuple[str, str, datetime]]) -> list[BudgetRow]:
    """What became of the windows of streams that start then, for objectives by name, as far as they were counted."""
    t = tables.slot
    wanted = sa.tuple_(t.c.stream, t.c.slo, t.c.start).in_(list(of))
    return [reads.budget_of(row) for row in conn.execute(sa.select(t).where(wanted))] if of else []


def _pairs(of: Sequence[tuple[str, str]]) -> sa.TableValuedAlias:
    streams, detectors = (sa.literal([pair[i] for pair in of], sa.ARRAY(sa.Text)) for i in (0, 1))
    return sa.func.unnest(streams, detectors).table_valued("stream", "detector", name="pair").render_derived()


def attributed(
    conn: sa.Connection, stream: str, since: datetime, until: datetime, *, detector: str | None = None, limit: int = 1
) -> list[Measurement]:
    """The newest `limit` measurements of windows that start in [since, until) and say where the change comes from."""
    t, a = tables.measurement, tables.attribution
    mine = (a.c.stream == stream) & (a.c.start >= since) & (a.c.start < until)
    if detector is not None:
        mine &= a.c.detector == detector
    newest = sa.select(a).where(mine).order_by(a.c.start.desc(), a.c.detector).limit(limit).subquery()
    same = (t.c.stream == newest.c.stream) & (t.c.detector == newest.c.detector) & (t.c.start == newest.c.start)
    rows = conn.execute(sa.select(t, newest.c.kept).join(newest, same).order_by(t.c.start.desc(), t.c.detector))
    return [replace(reads.measurement_of(row), attribution=codec.read_attribution(row.kept)) for row in rows]


def reach(conn: sa.Connection, stream: str, slo: str) -> Span | None:
    """From the start of the oldest kept slot of an objective to the end of its newest; None before the first."""
    t = tables.slot
    query = sa.select(sa.func.min(t.c.start), sa.func.max(t.c.start)).where(t.c.stream == stream, t.c.slo == slo)
    first, last = conn.execute(query).one()
    if first is None:
        return None
    newest = sa.select(t.c.end).where(t.c.stream == stream, t.c.slo == slo, t.c.start == last)
    return Span(first, conn.execute(newest).scalar_one())


def thinned_measurements(conn: sa.Connection, slo: Slo, span: Span, *, most: int) -> list[Measurement]:
    """Measurements of windows that start in `span`, oldest first, about `most` of them where there are more.

    What stays is real: of each stretch of time the windows with the least and the greatest number that `slo` judged,
    and the newest of all.
    Where it is calibrated on windows, the p-values are those that were judged.
    """
    t, s = tables.measurement, tables.slot
    mine = (t.c.stream == slo.stream, t.c.detector == slo.sli.detector, *_starts_in(t, span))
    if not slo.sli.calibrated:
        query = sa.select(t).where(*mine)
        return [
            reads.measurement_of(row) for row in conn.execute(_thinned(query, t, t.c[slo.sli.quantity], span, most))
        ]
    of = (s.c.stream == t.c.stream) & (s.c.slo == slo.name) & (s.c.start == t.c.start)
    judged = sa.func.coalesce(s.c.p_value, t.c.p_value)
    others = [column for column in t.c if column is not t.c.p_value]
    query = sa.select(*others, judged.label("p_value")).select_from(t.outerjoin(s, of)).where(*mine)
    return [reads.measurement_of(row) for row in conn.execute(_thinned(query, t, judged, span, most))]


def thinned(conn: sa.Connection, stream: str, detector: str, span: Span, *, most: int) -> list[Measurement]:
    """Measurements of `detector` as above, judged or not: what stays is newest, or has the least or greatest value.

    Where rows have percentiles, it has the least and the greatest of the last of them.
    """
    t = tables.measurement
    query = sa.select(t).where(t.c.stream == stream, t.c.detector == detector, *_starts_in(t, span))
    worst = sa.func.coalesce(t.c.percentiles[len(PERCENTILES)], t.c.value)
    return [reads.measurement_of(row) for row in conn.execute(_thinned(query, t, worst, span, most))]


def thinned_budgets(conn: sa.Connection, stream: str, slo: str, span: Span, *, most: int) -> list[BudgetRow]:
    """Slots that start in `span`, oldest first, about `most` of them where there are more.

    Of each stretch of time those with the least and the greatest burn stay, and the newest of all.
    """
    t = tables.slot
    query = sa.select(t).where(t.c.stream == stream, t.c.slo == slo, *_starts_in(t, span))
    burn = sa.func.least(t.c.burn_long, t.c.burn_short)
    return [reads.budget_of(row) for row in conn.execute(_thinned(query, t, burn, span, most))]


def gap_runs(conn: sa.Connection, stream: str, detector: str, span: Span, *, limit: int = 200) -> list[Gap]:
    """What kept `detector` from measuring windows that start in `span`, oldest first.

    Windows that follow each other and lack a measurement for the same reason are one gap, with the last one's detail.
    Of more than `limit` the newest stay.
    """
    t = tables.gap
    mine = sa.select(t).where(t.c.stream == stream, t.c.detector.in_(["", detector]), *_starts_in(t, span))
    end_before, reason_before = (sa.func.lag(column).over(order_by=t.c.start) for column in (t.c.end, t.c.reason))
    breaks = (end_before != t.c.start) | (reason_before != t.c.reason)
    marked = mine.add_columns(sa.func.coalesce(sa.cast(breaks, sa.Integer), 1).label("breaks")).subquery()
    run = sa.func.sum(marked.c.breaks).over(order_by=marked.c.start).label("run")
    numbered = sa.select(marked, run).subquery()
    last_detail = sa.func.array_agg(aggregate_order_by(numbered.c.detail, numbered.c.start.desc()))[1]
    grouped = sa.select(
        sa.func.min(numbered.c.start), sa.func.max(numbered.c.end), numbered.c.reason, last_detail.label("detail")
    ).group_by(numbered.c.run, numbered.c.reason)
    rows = conn.execute(grouped.order_by(sa.func.min(numbered.c.start).desc()).limit(limit)).all()
    return [Gap(stream, Span(r[0], r[1]), detector, GapReason(r.reason), r.detail) for r in reversed(rows)]


def _starts_in(t: sa.Table, span: Span) -> tuple[sa.ColumnElement[bool], ...]:
    return t.c.start >= span.start, t.c.start < span.end


def _thinned(
    query: sa.Select[tuple[object, ...]], t: sa.Table, number: sa.ColumnElement[float], span: Span, most: int
) -> sa.Select[tuple[object, ...]]:
    seconds = sa.cast(sa.extract("epoch", t.c.start), sa.Double)
    lot = sa.func.width_bucket(seconds, span.start.timestamp(), span.end.timestamp(), max(1, most // 2))
    ranked = query.add_columns(
        sa.func.count().over().label("found"),
        sa.func.max(t.c.start).over().label("newest"),
        sa.func.row_number().over(partition_by=lot, order_by=(number, t.c.start)).label("from_least"),
        sa.func.row_number().over(partition_by=lot, order_by=(number.desc(), t.c.start)).label("from_greatest"),
    ).subquery()
    extreme = (ranked.c.from_least == 1) | (ranked.c.from_greatest == 1)
    kept = (ranked.c.found <= most) | extreme | (ranked.c.start == ranked.c.newest)
    return sa.select(*(ranked.c[column.name] for column in t.c)).where(kept).order_by(ranked.c.start)


def _said(error: DBAPIError | PoolTimeoutError) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]
