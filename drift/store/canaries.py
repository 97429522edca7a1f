"""Trials of a candidate beside a baseline, and the windows that both have."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, astuple
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.records import Canary, CanaryRule, CanaryState, Rows, Span, Tally
from drift.store import tables
from drift.store.windows import stored


def begin(conn: sa.Connection, canary: Canary) -> Canary:
    """Keep a new trial, or take the one of that id up again as it stands, alone until the transaction ends."""
    t = tables.canary
    conn.execute(insert(t).values(_row(canary)).on_conflict_do_nothing())
    return _canary(conn.execute(sa.select(t).where(t.c.id == canary.id).with_for_update()).one())


def keep(conn: sa.Connection, canary: Canary) -> None:
    """Keep what was counted and decided since `begin`."""
    t = tables.canary
    conn.execute(sa.update(t).where(t.c.id == canary.id).values(_row(canary)))


def canaries(conn: sa.Connection, *, limit: int = 200) -> list[Canary]:
    """Trials, the newest first."""
    t = tables.canary
    return [_canary(row) for row in conn.execute(sa.select(t).order_by(t.c.started_at.desc(), t.c.id).limit(limit))]


def of_ids(conn: sa.Connection, ids: Collection[str]) -> list[Canary]:
    """The trials of `ids` that are on record."""
    t = tables.canary
    return [_canary(row) for row in conn.execute(sa.select(t).where(t.c.id.in_(list(ids))).order_by(t.c.id))]


def decided(conn: sa.Connection, stream: str, span: Span) -> list[Canary]:
    """The trials of a stream, beside another or with another beside it, that were decided in `span`, oldest first."""
    t = tables.canary
    mine = ((t.c.baseline == stream) | (t.c.candidate == stream)) & t.c.decided_at.is_not(None)
    within = (t.c.decided_at >= span.start) & (t.c.decided_at < span.end)
    return [_canary(row) for row in conn.execute(sa.select(t).where(mine, within).order_by(t.c.decided_at, t.c.id))]


def beginning_with(conn: sa.Connection, prefix: str) -> list[Canary]:
    """The trials whose id begins with `prefix`, at most two: enough to tell whether it names one."""
    t = tables.canary
    found = sa.select(t).where(t.c.id.startswith(prefix, autoescape=True)).order_by(t.c.id).limit(2)
    return [_canary(row) for row in conn.execute(found)]


def both(
    conn: sa.Connection, baseline: str, candidate: str, *, since: datetime, most: int
) -> Iterator[tuple[Span, Rows, Rows]]:
    """The oldest windows that start at `since` or later, of which both streams have rows still, at most `most`.

    A stream's windows are stored in order. So where both have one, none of an earlier time comes any more.
    """
    old, new = tables.window.alias("old"), tables.window.alias("new")
    same = (old.c.start == new.c.start) & (old.c.end == new.c.end)
    mine = (old.c.stream == baseline) & (new.c.stream == candidate) & (old.c.start >= since) & (new.c.start >= since)
    has_rows = (old.c.rows > 0) & (new.c.rows > 0)
    query = sa.select(new.c.start).select_from(old.join(new, same)).where(mine, has_rows)
    starts = list(conn.execute(query.order_by(new.c.start).limit(most)).scalars())
    for at in starts:
        yield _span(conn, candidate, at), _rows(conn, baseline, at), _rows(conn, candidate, at)


def forget(conn: sa.Connection, *, before: datetime) -> None:
    """Drop trials that nothing was counted for since `before`."""
    conn.execute(sa.delete(tables.canary).where(tables.canary.c.counted_until < before))


def _span(conn: sa.Connection, stream: str, start: datetime) -> Span:
    t = tables.window
    end = conn.execute(sa.select(t.c.end).where(t.c.stream == stream, t.c.start == start)).scalar_one()
    return Span(start.astimezone(UTC), end.astimezone(UTC))


def _rows(conn: sa.Connection, stream: str, start: datetime) -> Rows:
    t = tables.window
    return stored(conn.execute(sa.select(t).where(t.c.stream == stream, t.c.start == start)).one())


def _row(canary: Canary) -> dict[str, object]:
    row = asdict(canary)
    del row["rule"]
    tallies: Sequence[object] = [list(astuple(one)) for one in canary.tallies]
    return row | asdict(canary.rule) | {"signals": list(canary.rule.signals), "tallies": tallies}


def _canary(row: sa.Row[tuple[object, ...]]) -> Canary:
    f = dict(row._mapping)
    rule = CanaryRule(tuple(f.pop("signals")), f.pop("alpha"), f.pop("tolerance"), f.pop("margin"))
    tallies = tuple(Tally(*one) for one in f.pop("tallies"))
    return Canary(**f | {"rule": rule, "tallies": tallies, "state": CanaryState(f["state"])})
