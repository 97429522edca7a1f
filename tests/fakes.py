"""Small stand-ins for time, sources, encoders and receivers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import sqlalchemy as sa

from collectors.rows import Batch
from detectors import DETECTORS
from drift.errors import DeliveryError
from drift.notify.base import Held, Look, Message
from drift.pipeline import deliver
from drift.pipeline.intake import Receipt, Sieve, take_in
from drift.pipeline.monitor import Monitor, Outlet
from drift.records import KeptAttribution, Part, Reference, Rows, Span, Stream, TopRow, Window
from drift.slo import Quantity, Sli, Slo
from drift.store import objectives, writes
from drift.store.inbox import Inbox

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LENGTH = timedelta(minutes=5)
DIM = 8
STREAM = Stream("search", "encoder", "1", DIM)


def healthy(n: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """Unit vectors around a common mean."""
    x = np.random.default_rng(seed).standard_normal((n, dim)) + 0.5
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class FakeEncoder:
    """Hashes a text into a unit vector."""

    dim: int = DIM
    fingerprint: str = "fake"
    described: Mapping[str, str] = field(default_factory=lambda: {"weights": "fake", "torch": "1"})

    def encode(self, inputs: Sequence[str]) -> np.ndarray:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in inputs]
        return (
            np.concatenate([healthy(1, seed, self.dim) for seed in seeds]) if seeds else np.empty((0, self.dim), "f4")
        )


@dataclass(frozen=True)
class FakeCollector:
    """Gives the windows that it is told to, by their start; elsewhere none."""

    windows: dict[datetime, np.ndarray]

    def collect(self, stream: Stream, span: Span, *, limit: int) -> Window:
        vectors = self.windows.get(span.start, np.empty((0, stream.dim), np.float32))[:limit]
        return Window(stream, span, Rows(vectors), len(vectors))


@dataclass
class FakeNotifier:
    """Remembers what it was sent; fails as often as it is told to."""

    failures: list[DeliveryError] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    looks: Look = field(default_factory=lambda: Look(timedelta(0)))
    holds: list[Mapping[str, str]] = field(default_factory=list)
    runs_since: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def send(self, message: Message, *, now: datetime) -> int:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)
        return 200

    def look(self, *, now: datetime) -> Look:
        return self.looks

    def held(self, *, now: datetime) -> Held:
        return Held(tuple(self.holds), self.runs_since)


REFERENCE = Reference("search", Rows(healthy(512, seed=99)), START)


MOVED = KeptAttribution(
    by="mmd_wide",
    total=0.02,
    p_value=0.001,
    clusters=(
        Part("3", 0.08, 0.22, 0.013, 0.011, 0.002),
        Part("0", 0.21, 0.12, 0.008, 0.007, 0.001),
        Part("1", 0.71, 0.66, -0.001, -0.0005, -0.0005),
    ),
    segments=(Part("lang=<de>", 0.3, 0.5, 0.017, 0.012, 0.005), Part("lang=en", 0.7, 0.5, 0.003, 0.002, 0.001)),
    rows=(TopRow(17, "query-17", "3", 0.0011), TopRow(4, None, "3", 0.0009)),
)


def variance_slo(stream: str = "search", **changes: object) -> Slo:
    sli = Sli("variance_ratio", Quantity.VALUE, at_least=0.5, at_most=2.0)
    return replace(Slo("spread", stream, sli, Fraction("0.95"), LENGTH), **changes)


def make_monitor(engine: sa.Engine, **changes: object) -> Monitor:
    """A monitor of `STREAM` with the variance detector alone, fed through the inbox."""
    monitor = Monitor(
        stream=STREAM,
        parts=(STREAM,),
        collector=Inbox(engine),
        detectors=(DETECTORS["variance_ratio"](), DETECTORS["valid_ratio"]()),
        references={"search": REFERENCE},
        encoder=None,
        slos={"search": (variance_slo(),)},
        outlet=Outlet(("http://am",), ("retrain",), "http://dash"),
        window=LENGTH,
        merge=(),
        lateness=timedelta(seconds=30),
        sample=128,
        reencode=16,
        team="search",
        runbook_url="https://runbooks/search",
    )
    return replace(monitor, **changes)


def register(engine: sa.Engine, monitor: Monitor, open_from: datetime = START) -> None:
    with engine.begin() as conn:
        for part in monitor.parts:
            writes.register(conn, part, team=monitor.team, open_from=open_from)


def tell_peers(engine, peers, known, webhooks, *, runbook_url, now) -> None:
    """Queue for all `peers` what Postgres says now."""
    deliver.offer(
        peers,
        deliver.standing(engine, peers, known, webhooks, runbook_url=runbook_url, now=now),
        runbook_url=runbook_url,
        now=now,
    )


def spans(count: int, start: datetime = START) -> list[Span]:
    return [Span(start + i * LENGTH, start + (i + 1) * LENGTH) for i in range(count)]


def send(
    engine: sa.Engine,
    monitor: Monitor,
    vectors: np.ndarray,
    *,
    key: str,
    sieve: Sieve | None = None,
    now: datetime = START + timedelta(minutes=1),
    **columns: object,
) -> Receipt:
    """Push the rows as a batch of that key."""
    given = Batch(Rows(vectors, **columns), np.arange(len(vectors)), (), len(vectors))
    digest = hashlib.sha256(vectors.tobytes()).hexdigest()
    return take_in(engine, monitor, given, sieve or Sieve(), batch_key=key, digest=digest, now=now)


def verdicts(conn: sa.Connection) -> dict[tuple[str, str], tuple[int, int]]:
    """How many verdicts each objective has had, and how many were bad, by stream and objective."""
    return {names: (found.verdicts, found.bad) for names, found in objectives.tallies(conn).items()}
