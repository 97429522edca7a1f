"""What is kept of the rows of the seeded fleet: a reference, the rows of windows, and sums of windows over weeks."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from drift.records import Lineage, Measurement, Reference, Rows, Sketch, Span, Stream, Window
from drift.store import references, tables, writes

KEPT_BY = "mean_shift"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLUSTERS = ("billing", "returns", "delivery")


def reference(stream: str, dim: int, now: datetime, *, centre: float = 0.0, seed: int = 0) -> Reference:
    """Three clusters of rows, each about a place of its own."""
    rows = drawn(np.random.default_rng(seed), 400, dim, where=centre)
    return Reference(stream, rows, now, "f", lineage=Lineage("seed"))


def drawn(rng: np.random.Generator, count: int, dim: int, *, where: float = 0.0, moved: float = 0.0) -> Rows:
    """Rows of three clusters, of which the last has moved."""
    of = rng.integers(0, 3, count)
    places = 2 * np.eye(dim)[:3]
    vectors = where + places[of] + 0.5 * rng.standard_normal((count, dim)) + moved * (of == 2)[:, None]
    names = tuple(CLUSTERS[i] for i in of)
    ids = tuple(f"{name}-{i}" for i, name in enumerate(names))
    inputs = tuple(f"a question about {name}" for name in names)
    return Rows(vectors.astype(np.float32), ids=ids, inputs=inputs, segments={"topic": names})


def window(stream: Stream, span: Span, *, depth: float, count: int) -> Window:
    """A window of `count` rows, which have moved as far as `depth` says."""
    rng = np.random.default_rng(int(span.start.timestamp()))
    rows = drawn(rng, count, stream.dim, moved=2 * depth)
    return Window(stream, span, rows, len(rows))


def sums(conn: sa.Connection, held: Reference, now: datetime, *, days: int = 28) -> None:
    """Sums of hourly windows in which weekends differ, and which have changed for good half way through."""
    rng, centre = np.random.default_rng(5), held.vectors.mean(0, dtype=np.float64)
    dim = len(centre)
    weekend, change = 0.25 * rng.standard_normal(dim), rng.standard_normal(dim)
    for i in range(days * 24):
        at = Span.containing(now - (i + 1) * HOUR, HOUR).start
        mean = (weekend if at.weekday() >= 5 else 0) + (change if i < days * 12 else 0)
        total = 200 * mean + np.sqrt(200) * rng.standard_normal(dim)
        writes.save_sketch(conn, held.stream, KEPT_BY, at, Sketch(held.version, 200, total))


def keep(conn: sa.Connection, stream: str, dim: int, now: datetime) -> None:
    """A reference of `stream`, in use, sums of its windows, and what a close look at it finds."""
    held = reference(stream, dim, now)
    references.save(conn, held)
    references.choose(conn, stream, held.version, state="")
    sums(conn, held, now)
    beside(conn, held, now)


def beside(conn: sa.Connection, held: Reference, now: datetime) -> None:
    """Two days of accuracy, measured and estimated, and of skew whose worst rows go bad at the end; a deployment."""
    rng = np.random.default_rng(7)
    for i in range(48):
        at = Span.containing(now - (48 - i) * HOUR, HOUR)
        right, off = 0.92 + 0.015 * rng.standard_normal(), 10 ** (-3 + 0.1 * rng.standard_normal(6).cumsum())
        blank = Measurement(held.stream, at, "probe", held.version, right, 256)
        worst = tuple(np.sort(off * (1, 1, 1, 1, 1, 4e3 if i > 40 else 1)).tolist())
        writes.record(
            conn,
            [
                replace(blank, p_value=0.4, low=right - 0.035, high=right + 0.03, band_low=0.88, band_high=0.97),
                replace(blank, detector="estimated_accuracy", value=0.94),
                replace(blank, detector="skew", value=float(i > 40) / 64, rows=64, percentiles=worst),
            ],
        )
    deployed = sa.insert(tables.version).values(stream=held.stream, model="all-MiniLM-L6-v2")
    conn.execute(deployed.values(version="2026-08", since=now - 9 * DAY))
    conn.execute(sa.update(tables.version).where(tables.version.c.version == "2026-09").values(since=now - 9 * HOUR))
