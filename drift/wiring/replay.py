"""Run past traffic through the pipeline, with time as an argument."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import track

from collectors.parquet import ParquetCollector
from drift.alert import AlertState
from drift.config import Config, Settings
from drift.config.values import parse_duration
from drift.errors import ConfigError
from drift.pipeline import measure
from drift.pipeline.monitor import Monitor
from drift.records import Span
from drift.slo import Slo
from drift.store import inbox, jobs, operations, reads
from drift.store.connect import Connection, Engine
from drift.store.partitions import ensure_month
from drift.wiring.build import build_monitor, clock, muted, register
from drift.wiring.database import migrated


@dataclass(frozen=True, slots=True)
class Replay:
    """What to replay: the windows of `length` that lie in `span`, read from `source`."""

    source: ParquetCollector
    span: Span
    length: timedelta

    def spans(self) -> list[Span]:
        """The windows, oldest first, on the grid of `length`."""
        first = Span.containing(self.span.start, self.length)
        spans = [first]
        while spans[-1].end < self.span.end:
            spans.append(spans[-1].next())
        return spans


def plan(source: ParquetCollector, length: timedelta, since: datetime | None, until: datetime | None) -> Replay:
    """The replay of all rows of `source`, or of those in [since, until).

    Raises:
        SourceError: the files cannot be read or carry no times.
        ConfigError: since is not before until.
    """
    first, last = source.span()
    start, end = since or first, until or last + timedelta(microseconds=1)
    if start >= end:
        raise ConfigError(f"nothing to replay: {start.isoformat()} is not before {end.isoformat()}")
    return Replay(source, Span(start, end), length)


def replay(conn: Connection, monitor: Monitor, wanted: Replay) -> Iterator[int]:
    """Measure each window as if its end were now; yields 1 for each that is new, 0 for each that was measured before.

    Messages are written down and not sent: nobody is paged about the past.

    Raises:
        ConfigError: the stream has newer windows, whose alerts would come before those of these, or still takes rows.
    """
    jobs.wait_turn(conn, monitor.stream.key)
    if any(row.stream == monitor.stream.key for row in operations.queue(conn)):
        raise ConfigError(f"windows of {monitor.stream} wait to be measured: let `drift run` finish them first")
    last = max((row.span.end for row in reads.latest_budgets(conn) if row.stream == monitor.stream.key), default=None)
    if last is not None and last > wanted.span.start:
        raise ConfigError(
            f"{monitor.stream} has windows up to {last.isoformat()}, and alerts must come in the order of time: replay "
            f"what is later (--since), or see what would have happened with --dry-run"
        )
    open_from = inbox.open_from(conn, monitor.stream.key)
    if open_from is not None and wanted.spans()[-1].end > open_from:
        raise ConfigError(
            f"{monitor.stream} takes rows from {open_from.isoformat()} on, and windows from there are measured live: "
            "replay what is before (--until)"
        )
    slos = _in_windows_of(monitor, wanted.length)
    past = replace(muted(monitor), collector=wanted.source, slos=slos, window=wanted.length)
    for span in wanted.spans():
        yield measure.measure_spans(conn, past, [span])


def _in_windows_of(monitor: Monitor, length: timedelta) -> dict[str, tuple[Slo, ...]]:
    """The objectives, whose slots are as many windows long as before."""

    def adapted(slo: Slo) -> Slo:
        return replace(slo, interval=slo.interval // monitor.window * length)

    return {key: tuple(map(adapted, slos)) for key, slos in monitor.slos.items()}


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay did: windows in its span, those that were new, and the alerts that it raised by time of firing."""

    windows: int
    new: int
    alerts: tuple[reads.AlertRow, ...]

    def as_json(self) -> dict[str, object]:
        alerts = [
            {
                "stream": row.alert.stream,
                "slo": row.alert.slo,
                "kind": row.alert.kind,
                "state": row.alert.state,
                "fired_at": _iso(row.alert.fired_at),
                "resolved_at": _iso(row.alert.resolved_at),
                "rule": row.alert.rule,
                "summary": row.annotations.get("summary", ""),
            }
            for row in self.alerts
        ]
        return {"windows": self.windows, "new": self.new, "alerts": alerts}

    def as_text(self) -> str:
        lines = [f"{self.windows} windows, {self.new} of them new, {len(self.alerts)} alerts"]
        for row in self.alerts:
            until = _iso(row.alert.resolved_at) or "still firing"
            lines.append(
                f"{_iso(row.alert.fired_at)} to {until}: {row.alert.kind} {row.annotations.get('summary', '')}"
            )
        return "\n".join(lines)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants replayed: rows of `source` in [since, until) as traffic of `stream`.

    `window` is a duration, "" for the stream's own.
    """

    source: Path
    stream: str
    since: datetime | None = None
    until: datetime | None = None
    window: str = ""


def command(config: Config, settings: Settings, request: Request, *, dry_run: bool) -> Report:
    """Replay what `request` asks for, with a progress bar; see `replay`.

    A dry run starts from an empty history, and leaves nothing behind but empty tables for the months.
    """
    declared = config.stream(request.stream)
    if declared is None:
        known = ", ".join(s.id for s in config.streams)
        raise ConfigError(f"no stream {request.stream!r} is declared; known are: {known}")
    try:
        length = parse_duration(request.window) if request.window else declared.window
    except ValueError as error:
        raise ConfigError(f"--window: {error}") from None
    source = ParquetCollector(request.source, tuple(declared.segments))
    wanted = plan(source, length, request.since, request.until)
    with migrated(settings) as found:
        _make_months(found.engine, wanted)
        with found.engine.connect() as conn, conn.begin() as transaction:
            monitor = build_monitor(config, declared, found.engine, settings.home, conn, now=clock())
            if dry_run:
                monitor = _apart(monitor)
            register(conn, monitor, open_from=None)
            started = wanted.span.start
            steps = track(replay(conn, monitor, wanted), "replaying", total=len(wanted.spans()), console=_STDERR)
            done = list(steps)
            fired = (AlertState.FIRING, AlertState.RESOLVED)
            found_alerts = reads.alerts(conn, states=fired, since=started, limit=10_000)
            alerts = in_order(_named(row) for row in found_alerts if _is_news(row, monitor, started))
            if dry_run:
                transaction.rollback()
        return Report(len(done), sum(done), alerts)


_STDERR = Console(stderr=True)
_DRY = "~dry-run"  # no declared stream can be called so


def _apart(monitor: Monitor) -> Monitor:
    """The same monitor under a name of its own, so that a dry run touches and locks nothing of the stream."""
    named = {part.key: replace(part, name=part.name + _DRY) for part in monitor.parts}
    slos = {named[key].key: tuple(replace(slo, stream=named[key].key) for slo in monitor.slos[key]) for key in named}
    references = {named[key].key: reference for key, reference in monitor.references.items()}
    parts = tuple(named.values())
    return replace(monitor, stream=parts[0], parts=parts, slos=slos, references=references)


def _make_months(engine: Engine, wanted: Replay) -> None:
    """Partitions in a transaction of their own: making one locks the table for everybody until the commit."""
    for month in sorted({(span.start.year, span.start.month) for span in wanted.spans()}):
        with engine.begin() as conn:
            ensure_month(conn, datetime(*month, 1, tzinfo=UTC))


def in_order(rows: Iterable[reads.AlertRow]) -> tuple[reads.AlertRow, ...]:
    """Alerts by the time at which they fired: one may have been pending for long."""
    return tuple(sorted(rows, key=lambda row: row.alert.began))


def _is_news(row: reads.AlertRow, monitor: Monitor, since: datetime) -> bool:
    """Whether an alert is one of the monitor's that fired in the replay, not one that was open when it began."""
    fired = row.alert.fired_at
    return row.alert.stream in {part.key for part in monitor.parts} and fired is not None and fired >= since


def _named(row: reads.AlertRow) -> reads.AlertRow:
    """The alert under its stream's own name, where a dry run gave it another."""
    alert = replace(row.alert, stream=row.alert.stream.replace(_DRY, ""))
    summary = row.annotations.get("summary", "").replace(_DRY, "")
    return replace(row, alert=alert, annotations={**row.annotations, "summary": summary})
