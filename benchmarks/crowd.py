"""A crowd of streams with months behind them, in a database. Some are lived through the store's own writers, slot by
slot; the others are copies of these, day by day as a service would have written them, so that what belongs to one
stream lies scattered.

Each has five objectives and hourly windows. Of ten streams one pages now, one had an incident in the middle, one a
silence, and seven are well. Sums of windows are kept of `SUMMED` streams alone, for they take 3 kB a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import sqlalchemy as sa

from drift.alert import Alert, AlertState, Watch, transition
from drift.config import Config
from drift.notify import compose
from drift.records import Gap, GapReason, Measurement, Reference, Rows, Sketch, Span, Stream, Window
from drift.slo import Budget, Ledger, Outcome, Slo, Slot, budget
from drift.store import references, tables, writes
from drift.store.partitions import ensure_month

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DIM, SUMMED, LIVED = 384, 20, 4
STORIES: Final = (0, 1, 2, 3, 3, 3, 3, 3, 3, 3)
"""Which of the lived streams each of ten is like."""
STREAM: Final = """
  - {{id: {name}, model: model-{model}, version: "1", dim: {dim}, team: team-{team}, window: 1h, merge: [],
     reference: {{path: reference.parquet}},
     detectors: [joint, novelty, effective_rank, variance_ratio, valid_ratio]}}"""


def name(i: int) -> str:
    return f"stream-{i:04}"


def write_config(folder: Path, streams: int) -> Path:
    """The configuration of that many streams, in a file in `folder`."""
    path = folder / "drift.yaml"
    each = (STREAM.format(name=name(i), model=i % 50, team=i % 20, dim=DIM) for i in range(streams))
    path.write_text("streams:" + "".join(each) + "\n")
    return path


def fill(engine: sa.Engine, config: Config, *, now: datetime, days: int) -> None:
    """Write all of it, until the last full hour before `now`."""
    end = Span.containing(now, HOUR).start
    start = end - days * DAY
    with engine.begin() as conn:
        for declared in config.streams:
            writes.register(conn, declared.stream, team=declared.team, open_from=end)
        for i, declared in enumerate(config.streams[:LIVED]):
            _Life(conn, config, declared.stream, declared.team, i, np.random.default_rng(i)).live(start, end)
    copies = [(name(i), name(STORIES[i % len(STORIES)])) for i in range(LIVED, len(config.streams))]
    with engine.begin() as conn:
        indexes = _drop_indexes(conn, tables.slot)
    for day in range(days):
        with engine.begin() as conn:
            _copy_day(conn, copies, Span(start + day * DAY, start + (day + 1) * DAY))
    with engine.begin() as conn:
        conn.execute(sa.text("SET LOCAL maintenance_work_mem = '512MB'"))
        for index in indexes:
            conn.execute(sa.text(index))
        _copy(conn, tables.watch, copies, None)
        _copy(conn, tables.alert, copies, None)
        for i in range(min(SUMMED, len(config.streams))):
            _sums(conn, name(i), start, end, np.random.default_rng(i))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE"))


def _drop_indexes(conn: sa.Connection, table: sa.Table) -> Sequence[str]:
    """Drop all but the key of `table`, for to make an index at the end is quicker; returns how to make them again."""
    found = conn.execute(
        sa.text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = :schema AND tablename = :name"),
        {"schema": table.schema, "name": table.name},
    ).all()
    others = [row for row in found if not row.indexname.endswith("_pkey")]
    for row in others:
        conn.execute(sa.text(f"DROP INDEX {table.schema}.{row.indexname}"))
    return [row.indexdef for row in others]


def _copy_day(conn: sa.Connection, copies: Sequence[tuple[str, str]], day: Span) -> None:
    for table in (tables.window, tables.measurement, tables.slot, tables.gap):
        _copy(conn, table, copies, day)


def _copy(conn: sa.Connection, table: sa.Table, copies: Sequence[tuple[str, str]], day: Span | None) -> None:
    """Rows of the lived streams once more for each of their copies (its name, and whose copy it is)."""
    names, of = (sa.literal([pair[i] for pair in copies], sa.ARRAY(sa.Text)) for i in (0, 1))
    pair = sa.func.unnest(names, of).table_valued("copy", "lived", name="pair").render_derived()
    others = [column for column in table.c if column.name != "stream"]
    query = sa.select(pair.c.copy, *others).select_from(table.join(pair, table.c.stream == pair.c.lived))
    if day is not None:
        query = query.where(table.c.start >= day.start, table.c.start < day.end).order_by(table.c.start)
    conn.execute(sa.insert(table).from_select(["stream", *(column.name for column in others)], query))


def _sums(conn: sa.Connection, stream: str, start: datetime, end: datetime, rng: np.random.Generator) -> None:
    """A reference in use, and sums of all windows; weekends differ, and half way through it changes for good."""
    held = Reference(stream, Rows(rng.standard_normal((512, DIM)).astype(np.float32)), start)
    references.save(conn, held)
    references.choose(conn, stream, held.version, state="")
    weekend, change = 0.2 * rng.standard_normal((2, DIM))
    for i in range((end - start) // HOUR):
        at = start + i * HOUR
        mean = (weekend if at.weekday() >= 5 else 0) + (change if at > start + (end - start) / 2 else 0)
        total = 256 * mean + 16 * rng.standard_normal(DIM)
        writes.save_sketch(conn, stream, "mean_shift", at, Sketch(held.version, 256, total))


@dataclass(slots=True)
class _Life:
    """One stream as it is lived; `story` says what happens to it."""

    conn: sa.Connection
    config: Config
    stream: Stream
    team: str
    story: int
    rng: np.random.Generator
    bad: dict[str, Ledger] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)

    def live(self, start: datetime, end: datetime) -> None:
        declared = self.config.stream(self.stream.name)
        assert declared is not None
        slos = self.config.slos_of(declared, self.stream)
        for at in (start + i * HOUR for i in range((end - start) // HOUR)):
            ensure_month(self.conn, at)
            self._window(Span(at, at + HOUR), (at - start) / (end - start), slos, is_last=at + HOUR == end)

    def _window(self, span: Span, place: float, slos: Sequence[Slo], *, is_last: bool) -> None:
        silent = self.story == 2 and 0.4 < place < 0.42
        off = (self.story == 0 and place > 0.995) or (self.story == 1 and 0.5 < place < 0.52)
        received = 0 if silent else 256
        writes.save_window(self.conn, Window(self.stream, span, Rows(np.empty((0, DIM), np.float32)), received))
        if silent:
            writes.record_gaps(self.conn, [Gap(self.stream.key, span, "", GapReason.NO_DATA, "no row arrived")])
        found = {} if silent else {slo.name: self._measure(slo, span, off=off) for slo in slos}
        writes.record(self.conn, list(found.values()))
        for slo in slos:
            measured = found.get(slo.name)
            outcome = slo.sli.judge(measured) if measured else Outcome.MISSING
            self._count(slo, Slot(span, outcome), measured, is_last=is_last)

    def _measure(self, slo: Slo, span: Span, *, off: bool) -> Measurement:
        noise, depth = float(self.rng.standard_normal()), float(off)
        m = Measurement(self.stream.key, span, slo.sli.detector, "f" * 64, 0.0, 256)
        if slo.sli.detector in {"joint", "novelty"}:
            p = 0.001 if off else max(float(self.rng.uniform()), 0.0055)
            return replace(m, value=0.1 * depth + 0.002 * noise, p_value=p, low=0.1 * depth - 0.01, high=0.12)
        value = min(1.0, 0.995 + 0.001 * noise) if slo.sli.detector == "valid_ratio" else 1 + 0.01 * noise
        return replace(m, value=value, low=value - 0.02, high=value + 0.02, band_low=0.95, band_high=1.05)

    def _count(self, slo: Slo, slot: Slot, measured: Measurement | None, *, is_last: bool) -> None:
        bad = self.bad.setdefault(slo.name, Ledger())
        if slot.outcome is Outcome.BAD:
            bad.add(slot)
        left = budget(slo, bad.spent(slo, slot.span.end), slot.span.end)
        step = transition(self.watches.get(slo.name, Watch()), slo, slot, left)
        self.watches[slo.name] = step.watch
        writes.save_slot(self.conn, slo, slot, left)
        if is_last:
            writes.save_watch(self.conn, slo, step.watch, slot)
        for alert in step.changed:
            self._tell(alert, slo, left, measured)

    def _tell(self, alert: Alert, slo: Slo, left: Budget, measured: Measurement | None) -> None:
        context = compose.Context(
            self.stream, self.team, "https://runbooks.example/{alert}", self.config.dashboard_url, slo, left,
            alert.started_at, measured, "the traffic no longer looks like the reference", "Compare the newest inputs.",
        )  # fmt: skip
        labels, notes = compose.labels(alert, context), compose.annotations(alert, context)
        writes.save_alert(self.conn, alert, labels=labels, annotations=notes, muted=alert.state is AlertState.PENDING)
