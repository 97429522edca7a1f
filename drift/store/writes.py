"""What the pipeline writes. The caller owns the transaction; every function can be repeated without harm."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.alert import Alert, AlertState, Watch
from drift.records import Gap, KeptAttribution, Measurement, Sketch, Stream, Window
from drift.slo import Budget, BudgetingMethod, Conformal, Outcome, Slo, Slot
from drift.store import alert_ids, codec, tables, versions
from drift.store.partitions import ensure_month


def register(conn: sa.Connection, stream: Stream, *, team: str, open_from: datetime | None) -> None:
    """Make `stream` known; what is declared of it may change later.

    Its first window is open from `open_from`, unless it had one before; with None it takes no rows yet.
    """
    declared = {
        "name": stream.name,
        "model": stream.model,
        "version": stream.version,
        "dim": stream.dim,
        "segment": stream.segment,
        "team": team,
    }
    new = insert(tables.stream).values(key=stream.key, open_from=open_from, **declared)
    opened = sa.func.coalesce(tables.stream.c.open_from, new.excluded.open_from)
    conn.execute(new.on_conflict_do_update(index_elements=["key"], set_={**declared, "open_from": opened}))
    if not stream.segment:
        versions.note(conn, stream)


def close_until(conn: sa.Connection, stream: str, end: datetime) -> None:
    """Close the windows of `stream`, and of its segments, up to `end`."""
    t = tables.stream
    conn.execute(sa.update(t).where(t.c.name == stream, t.c.open_from < end).values(open_from=end))


def save_window(conn: sa.Connection, window: Window) -> bool:
    """Keep `window`, empty or not; False when it was kept, and so measured, before."""
    ensure_month(conn, window.span.start)
    dtype, vectors = codec.compact(window.vectors)
    row = {
        "stream": window.stream.key,
        "start": window.span.start,
        "end": window.span.end,
        "received": window.received,
        "rejected": dict(window.rejected),
        "rows": len(window.rows),
        "dtype": dtype,
        "vectors": vectors,
        "ids": codec.texts(window.rows.ids),
        "inputs": codec.texts(window.rows.inputs),
        "labels": codec.texts(window.rows.labels),
        "encoder_versions": codec.texts(window.rows.encoder_versions),
        "segments": codec.segments(window.rows.segments),
    }
    new = insert(tables.window).values(row).on_conflict_do_nothing().returning(tables.window.c.start)
    return conn.execute(new).first() is not None


def record(conn: sa.Connection, measurements: Sequence[Measurement]) -> int:
    """Insert `measurements`; return how many were new. A window measured twice keeps its first value."""
    if not measurements:
        return 0
    new = insert(tables.measurement).on_conflict_do_nothing().returning(tables.measurement.c.start)
    count = len(conn.execute(new, [_measurement_row(m) for m in measurements]).all())
    if parts := [_attribution_row(m, m.attribution) for m in measurements if m.attribution]:
        conn.execute(insert(tables.attribution).on_conflict_do_nothing(), parts)
    return count


def _attribution_row(m: Measurement, kept: KeptAttribution) -> dict[str, object]:
    return {"stream": m.stream, "detector": m.detector, "start": m.span.start, "kept": codec.attribution(kept)}


def _measurement_row(m: Measurement) -> dict[str, object]:
    return {
        "stream": m.stream,
        "detector": m.detector,
        "start": m.span.start,
        "end": m.span.end,
        "reference": m.reference,
        "value": m.value,
        "rows": m.rows,
        "p_value": m.p_value,
        "low": m.low,
        "high": m.high,
        "band_low": m.band_low,
        "band_high": m.band_high,
        "percentiles": list(m.percentiles) or None,
    }


def save_sketch(conn: sa.Connection, stream: str, detector: str, start: datetime, sketch: Sketch) -> None:
    """Keep the sums that `detector` made of the window of `stream` that begins at `start`."""
    identity = {"stream": stream, "detector": detector, "start": start}
    sums = {"reference": sketch.reference, "rows": sketch.rows, "sums": codec.pack(sketch.sums)}
    conn.execute(insert(tables.sketch).values({**identity, **sums}).on_conflict_do_nothing())


def record_gaps(conn: sa.Connection, gaps: Sequence[Gap]) -> None:
    """Insert `gaps`."""
    rows = [
        {"stream": g.stream, "detector": g.detector, "start": g.span.start, "end": g.span.end}
        | {"reason": g.reason, "detail": g.detail}
        for g in gaps
    ]
    if rows:
        conn.execute(insert(tables.gap).on_conflict_do_nothing(), rows)


def save_slot(conn: sa.Connection, slo: Slo, slot: Slot, budget: Budget, conformal: Conformal | None = None) -> None:
    """Keep what became of `slot`, with the budget at its end and the rule that is nearest to firing.

    `conformal` is the p-value that was judged, where `slo` is calibrated on windows.
    """
    worst = max(budget.burns, key=lambda burn: min(burn.long, burn.short) / slo.threshold(burn.rule))
    row = {
        "stream": slo.stream,
        "slo": slo.name,
        "start": slot.span.start,
        "end": slot.span.end,
        "outcome": slot.outcome,
        "remaining": float(budget.remaining),
        "rule": worst.rule.name,
        "burn_long": float(worst.long),
        "burn_short": float(worst.short),
        "exhausts_in": worst.exhausts_in,
        "p_value": conformal.p_value if conformal else None,
        "past": conformal.windows if conformal else None,
        "hours": conformal.hours if conformal else None,
        "good": slot.events.good if slot.events else None,
        "total": slot.events.total if slot.events else None,
    }
    conn.execute(insert(tables.slot).values(row).on_conflict_do_nothing())


def save_watch(conn: sa.Connection, slo: Slo, watch: Watch, slot: Slot) -> None:
    """Keep the runs of `watch`, and count `slot`."""
    t = tables.watch
    counts = {
        "slots": int(slot.outcome.is_verdict),
        "bad_slots": int(slot.outcome is Outcome.BAD),
        "events": slot.events.total if slot.events else 0,
        "bad_events": slot.events.bad if slot.events else 0,
    }
    runs = {
        "good_run": watch.good_run,
        "missing_run": watch.missing_run,
        "insufficient_run": watch.insufficient_run,
        "alpha": float(slo.alpha) if slo.method is BudgetingMethod.TIMESLICES else 0.0,
        "calibrated": slo.sli.calibrated,
    }
    new = insert(t).values(stream=slo.stream, slo=slo.name, **runs, **counts)
    sums = {name: t.c[name] + count for name, count in counts.items()}
    conn.execute(new.on_conflict_do_update(index_elements=["stream", "slo"], set_={**runs, **sums}))


def save_alert(
    conn: sa.Connection, alert: Alert, *, labels: Mapping[str, str], annotations: Mapping[str, str], muted: bool
) -> None:
    """Keep the state of `alert`; one that was pending and came to nothing is forgotten. A muted one is told nobody."""
    if alert.state is AlertState.INACTIVE:
        conn.execute(sa.delete(tables.alert).where(alert_ids.same(alert)))
        return
    state = {
        "state": alert.state,
        "fired_at": alert.fired_at,
        "looked_from": alert.looked_from,
        "resolved_at": alert.resolved_at,
        "rule": alert.rule,
        "hold": alert.hold,
        "quiet": alert.quiet,
        "labels": dict(labels),
        "annotations": dict(annotations),
        "muted": muted,
    }
    identity = {"stream": alert.stream, "slo": alert.slo, "kind": alert.kind, "started_at": alert.started_at}
    new = insert(tables.alert).values({**identity, **state})
    conn.execute(new.on_conflict_do_update(index_elements=list(identity), set_=state))


def resolve_others(
    conn: sa.Connection, names: Collection[str], known: Collection[tuple[str, str]], *, now: datetime
) -> int:
    """Resolve open alerts of the streams `names` whose objective is not among `known` (stream, objective) any more.

    Returns how many. Other streams may be measured by another process, from another file.
    """
    t = tables.alert
    still_open = t.c.state.in_([AlertState.PENDING, AlertState.FIRING])
    mine = sa.func.split_part(t.c.stream, "/", 1).in_(list(names))
    others = sa.tuple_(t.c.stream, t.c.slo).not_in(list(known)) if known else sa.true()
    gone = sa.update(t).where(still_open, mine, others).values(state=AlertState.RESOLVED, resolved_at=now)
    return len(conn.execute(gone.returning(t.c.slo)).all())
