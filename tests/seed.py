"""A small fleet with three weeks behind it: a past incident, a stream that fell silent, and a page that fires now."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import seed_releases
import seed_rows
import sqlalchemy as sa
from conftest import Server
from fakes import MOVED

from drift.alert import Alert, AlertKind, AlertState, Watch, transition
from drift.config import Config, StreamConfig, load
from drift.diagnosis import cause_of
from drift.errors import DeliveryError
from drift.notify import alertmanager, announce, compose
from drift.notify.events import RetrainRequested
from drift.pipeline import diagnose, maintenance
from drift.pipeline.maintenance import Author, Wish
from drift.records import Coverage, Diagnosis, Gap, GapReason, Measurement, Retrain, RetrainState, Span, Stream
from drift.slo import Budget, Ledger, Outcome, Slo, Slot, budget
from drift.store import diagnoses, objectives, outbox, retrains, writes
from drift.store.connect import connect
from drift.store.outbox import MessageKind, MessageState

LIVE, FIVE = timedelta(minutes=10), timedelta(seconds=5)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CONFIG = """
streams:
  - id: docs-search
    model: all-MiniLM-L6-v2
    version: "2026-10"
    dim: 4
    team: search
    runbook_url: https://runbooks.example/docs-search
    reference: {path: docs.parquet}
    merge: []
    window: 5s
  - id: products
    model: e5-small
    version: "7"
    dim: 4
    team: shop
    reference: {path: products.parquet}
    window: 1h
    segments: {lang: [de]}
    detectors: [mmd, effective_rank]
  - id: support-tickets
    model: all-MiniLM-L6-v2
    version: "2026-09"
    dim: 4
    team: care
    runbook_url: https://runbooks.example/support
    reference: {path: support.parquet}
    merge: []
    window: 1h
  - id: legal-clauses
    model: e5-small
    version: "7"
    dim: 4
    team: legal
    reference: {path: legal.parquet}
    merge: []
    window: 1h
    detectors: [mmd]
slos:
  - {name: traffic, detector: joint, p_value_at_least: 0.005, streams: [docs-search], rules: &quick [
      {name: fast, severity: page, factor: 14.4, long: 4m, short: 30s},
      {name: slow, severity: ticket, factor: 3, long: 2h, short: 5m}]}
  - {name: rank, detector: effective_rank, value_at_least: 0.8, streams: [docs-search], rules: *quick}
"""
MEANING = "the traffic no longer looks like the reference"
NEXT_STEP = "Compare the newest inputs with the reference; if the change is wanted, build a new reference and retrain."
WHY = Diagnosis(
    (
        cause_of("truncation", 0.82, "61 of 256 rows fail; that inputs are cut to <64> tokens explains 99% of it."),
        cause_of("traffic-mix", 0.12, "The panel's p is 0.0009; segment lang=de went from 30% to 50%."),
    ),
    ("missing-normalisation", "cls-pooling", "rotated"),
    {"cls-pooling": "it explains 3% of how far the failing rows are off"},
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """During `span` these detectors see it, as strongly as `depth` says (1 is a full outage)."""

    span: Span
    detectors: frozenset[str]
    depth: float = 1.0

    def on(self, detector: str, span: Span) -> float:
        return self.depth if detector in self.detectors and self.span.contains(span.start) else 0.0


@dataclass(slots=True)
class Actor:
    """One stream as it is lived: what each objective remembers is kept here, and all of it is written down."""

    conn: sa.Connection
    config: Config
    stream: Stream
    rng: np.random.Generator
    troubles: Sequence[Trouble] = ()
    silences: Sequence[tuple[Span, GapReason]] = ()
    state: MessageState = MessageState.MUTED
    bad: dict[str, Ledger] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    last: Span | None = None

    @property
    def declared(self) -> StreamConfig:
        return next(stream for stream in self.config.streams if stream.id == self.stream.name)

    def live(self, spans: Sequence[Span]) -> None:
        self.last = spans[-1]
        for span in spans:
            self._window(span)

    def _window(self, span: Span) -> None:
        reason = next((reason for quiet, reason in self.silences if quiet.contains(span.start)), None)
        depth = max((trouble.on("joint", span) for trouble in self.troubles), default=0.0)
        window = seed_rows.window(self.stream, span, depth=depth, count=0 if reason else 8)
        writes.save_window(self.conn, window)
        slos = self.config.slos_of(self.declared.model_copy(update={"window": span.length}), self.stream)
        if reason:
            writes.record_gaps(self.conn, [Gap(self.stream.key, span, "", reason, "no row arrived in this window")])
            for slo in slos:
                self._count(slo, Slot(span, Outcome.MISSING), None)
            return
        found = {name: self._measure(name, span) for name in self.declared.detector_names}
        writes.record(self.conn, list(found.values()))
        for slo in slos:
            measured = found[slo.sli.detector]
            self._count(slo, Slot(span, slo.sli.judge(measured)), measured)

    def _measure(self, detector: str, span: Span) -> Measurement:
        depth = max((trouble.on(detector, span) for trouble in self.troubles), default=0.0)
        noise, rows = float(self.rng.standard_normal()), int(self.rng.integers(380, 512))
        make = {
            "joint": _test, "mmd": _test, "mean_shift": _test, "novelty": _test,
            "effective_rank": _ratio, "variance_ratio": _ratio, "valid_ratio": _valid,
            "duplicates": lambda blank, *_: blank, "quantised": lambda blank, *_: blank,
        }[detector]  # fmt: skip
        blank = Measurement(self.stream.key, span, detector, "f" * 64, 0.0, rows)
        made = make(blank, depth, noise, float(self.rng.uniform()))
        return replace(made, attribution=MOVED) if depth and detector == "joint" else made

    def _count(self, slo: Slo, slot: Slot, measured: Measurement | None) -> None:
        bad = self.bad.setdefault(slo.name, Ledger())
        if slot.outcome is Outcome.BAD:
            bad.add(slot)
        left = budget(slo, bad.spent(slo, slot.span.end), slot.span.end)
        step = transition(self.watches.get(slo.name, Watch()), slo, slot, left)
        self.watches[slo.name] = step.watch
        writes.save_slot(self.conn, slo, slot, left)
        if step.changed or slot.span == self.last:
            writes.save_watch(self.conn, slo, step.watch, slot)
        for alert in step.changed:
            self._tell(alert, slo, slot, left, measured)

    def _tell(self, alert: Alert, slo: Slo, slot: Slot, left: Budget, measured: Measurement | None) -> None:
        since = objectives.since(self.conn, slo, alert, slot)
        fired_by = alert.rule if alert.fired_at == slot.span.end else objectives.fired_by(self.conn, alert)
        context = compose.Context(
            stream=self.stream, team=self.declared.team, runbook_url=self.declared.runbook_url,
            dashboard_url=self.config.dashboard_url, slo=slo, budget=left, since=since,
            measurement=measured, meaning=MEANING, next_step=NEXT_STEP, fired_by=fired_by,
        )  # fmt: skip
        labels, annotations = compose.labels(alert, context), compose.annotations(alert, context)
        writes.save_alert(self.conn, alert, labels=labels, annotations=annotations, muted=False)
        if alert.state not in {AlertState.FIRING, AlertState.RESOLVED}:
            return
        notice = compose.notice(alert, labels, annotations)
        body = alertmanager.encode([notice], now=left.at, resend=timedelta(minutes=1))[0]
        self._send(outbox.Draft(alert.message_id(alert.state), "alertmanager", MessageKind.ALERT, body), left.at)
        if alert.kind is AlertKind.PAGE and alert.state is AlertState.FIRING:
            self._ask(alert, announce.retrain_requested(alert, context, measured), left.at)

    def _ask(self, alert: Alert, event: RetrainRequested, at: datetime) -> None:
        is_told = self.state is MessageState.DUE
        intent = Retrain(
            event.id, self.stream.model, self.stream.version, self.stream.key, alert.slo, event.data.reference,
            fired_at=alert.began, asked_at=at, state=RetrainState.REQUESTED if is_told else RetrainState.MUTED,
            receivers=("retrain",), requested_at=at if is_told else None,
        )  # fmt: skip
        retrains.add(self.conn, intent, event.body())
        self._send(outbox.Draft(event.id, "retrain", MessageKind.RETRAIN, event.body()), at)

    def _send(self, draft: outbox.Draft, at: datetime) -> None:
        outbox.put(self.conn, draft, state=self.state, now=at)
        if self.state is not MessageState.DUE:
            return
        delivery = outbox.Delivery(draft.id, draft.receiver, draft.kind, draft.body, 0, at, at)
        if draft.kind is MessageKind.ALERT:
            outbox.sent(self.conn, delivery, status=200, now=at + timedelta(seconds=1))
        else:
            refused = DeliveryError("http://127.0.0.1:9099/retrain answered 503 Service Unavailable", status=503)
            outbox.failed(self.conn, delivery, refused, again_at=at + timedelta(minutes=1), held=False)


def write_config(folder: Path) -> Path:
    """The configuration, in a file in `folder`."""
    path = folder / "drift.yaml"
    path.write_text(CONFIG)
    return path


@lru_cache
def database(server: Server) -> str:
    """The URL of a database with two days of it, as of now; made once for each server, and gone with it."""
    server.run(f"CREATE DATABASE {server.seeded} TEMPLATE {server.template}")
    engine = connect(server.url(server.seeded))
    try:
        with engine.begin() as conn, tempfile.TemporaryDirectory() as folder:
            fleet(conn, load(write_config(Path(folder))), now=datetime.now(UTC), days=2)
    finally:
        engine.dispose()
    return server.url(server.seeded)


def fleet(conn: sa.Connection, config: Config, *, now: datetime, days: int = 21) -> None:
    """Write all of it, as of `now`."""
    start = Span.containing(now, HOUR).start - days * DAY
    running = now + HOUR  # as if a service went on while tests read
    hours = spans(start, Span.containing(now, HOUR).start, HOUR)
    for stream_config in config.streams:
        for stream in stream_config.streams:
            writes.register(conn, stream, team=stream_config.team, open_from=running)
    actors = {actor.stream.key: actor for actor in _actors(conn, config, start, now)}
    for actor in actors.values():
        actor.live(hours)
    live = actors["docs-search"]
    live.state = MessageState.DUE
    live.live(spans(Span.containing(now, FIVE).start - LIVE, now, FIVE))
    found = Span.containing(now - timedelta(minutes=3), FIVE)
    request = diagnoses.Request("docs-search", "traffic", found)
    diagnoses.ask(conn, request, now=found.end)
    diagnose.keep(conn, request, WHY, now=found.end + FIVE)
    begun = now.replace(microsecond=0) - HOUR / 2
    wish = Wish(Coverage("support-tickets"), "care", "index <rebuild>", start=begun, length=3 * HOUR)
    maintenance.add(conn, maintenance.plan(wish, Author("anna@ops", now, "m-seeded")))
    seed_rows.keep(conn, "support-tickets", 4, now)
    seed_releases.keep(conn, now)


def _actors(conn: sa.Connection, config: Config, start: datetime, now: datetime) -> Iterator[Actor]:
    middle = Span.containing(now, HOUR).start - start
    middle = middle / 2 // HOUR * HOUR
    shift = Trouble(Span(now - timedelta(minutes=6), now + DAY), frozenset({"joint", "novelty"}))
    narrow = Trouble(Span(now - timedelta(seconds=50), now + DAY), frozenset({"effective_rank"}), 0.9)
    past = Trouble(Span(start + middle, start + middle + 9 * HOUR), frozenset({"joint", "mmd", "effective_rank"}))
    lull = (Span(start + middle / 2, start + middle / 2 + 2 * HOUR), GapReason.NO_DATA)
    silent = (Span(now - 7 * HOUR, now + DAY), GapReason.NO_DATA)
    known = {stream.key: stream for declared in config.streams for stream in declared.streams}
    yield Actor(conn, config, known["docs-search"], np.random.default_rng(1), (shift, narrow), (lull,))
    yield Actor(conn, config, known["support-tickets"], np.random.default_rng(2), (past,), (lull,))
    yield Actor(conn, config, known["products"], np.random.default_rng(3))
    yield Actor(conn, config, known["products/lang=de"], np.random.default_rng(4), (), (silent,))


def spans(start: datetime, end: datetime, length: timedelta) -> list[Span]:
    """The whole spans of `length` from `start` until `end`."""
    edges = [start + i * length for i in range((end - start) // length + 1)]
    return [Span(a, b) for a, b in pairwise(edges)]


def _test(blank: Measurement, depth: float, noise: float, chance: float) -> Measurement:
    value = 0.0015 * noise + 0.08 * depth
    p = 0.001 if depth else (1 + int(chance * 999)) / 1000
    return replace(
        blank, value=value, p_value=max(p, 0.006) if not depth else p, low=value - 0.002, high=value + 0.002,
        band_low=-0.003, band_high=0.0035,
    )  # fmt: skip


def _ratio(blank: Measurement, depth: float, noise: float, chance: float) -> Measurement:
    value = 1 + 0.025 * noise - 0.35 * depth
    return replace(blank, value=value, low=value - 0.03, high=value + 0.03, band_low=0.93, band_high=1.07)


def _valid(blank: Measurement, depth: float, noise: float, chance: float) -> Measurement:
    value = 1 - 0.002 * chance - 0.2 * depth
    return replace(blank, value=value, low=max(0.0, value - 0.003), high=min(1.0, value + 0.003))
