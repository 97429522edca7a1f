"""What a small fleet has behind it of releases: versions that served, what gates decided, candidates tried."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from drift.gate.canary import decide, known
from drift.gate.checks import check
from drift.gate.decision import Decision
from drift.gate.thresholds import Thresholds
from drift.records import Canary, CanaryRule, CanaryState, Cause, Gated, Judgement, Tally, canary_id
from drift.store import canaries, gates, tables
from drift.wiring.gate import Request
from drift.wiring.gate_report import as_json

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POOLED = Cause("cls-pooling", 0.97, "that the <first> token's vector is taken explains 99% of it", "Pool by the mean.")
LIMITS = Thresholds()


def keep(conn: sa.Connection, now: datetime) -> None:
    """Write all of it, as of `now`."""
    for name, model, version, ago in (
        ("docs-search", "all-MiniLM-L6-v2", "2026-08", 90 * DAY),
        ("docs-search", "all-MiniLM-L6-v2", "2026-09", 40 * DAY),
        ("products", "e5-small", "6", 20 * DAY),
    ):
        row = {"stream": name, "model": model, "version": version, "since": now - ago}
        conn.execute(sa.insert(tables.version).values(row))
    gates.keep(
        conn, gated("msg_5f0c", "./models/2026-11", failing(), now - HOUR, "all-MiniLM-L6-v2", "docs-search", "2026-11")
    )
    gates.keep(conn, gated("9a41d2c07b", "bundled (bf16)", Decision(2000, failing().checks[:1]), now - 2 * DAY))
    rule = CanaryRule(("probe", "novelty"))
    for number, (candidate, counts, windows) in enumerate(
        (("docs-v3", ((9, 402, 8), (2, 810, 1)), 6), ("docs-v2", ((61, 1712, 9), (2, 3020, 4)), 21))
    ):
        tallies = tuple(known(Tally(name, *count), rule) for name, count in zip(rule.signals, counts, strict=True))
        word = decide(tallies, rule)
        began = now - (number + 1) * DAY
        one = Canary(
            *(canary_id("docs-search", candidate, rule), "all-MiniLM-L6-v2", "docs-search", candidate, "2026-10"),
            *(f"2026-1{number + 1}", rule, tallies, began, began + windows * HOUR, word.state, windows, 3026),
        )
        if word.state is not CanaryState.WAIT:
            one = replace(one, decided_at=one.counted_until, detail=word.why)
        canaries.begin(conn, one)


def failing() -> Decision:
    """A candidate that pools otherwise, worst in one segment."""
    checks = (
        check("coverage", 1.0, LIMITS.coverage, "the share of inputs with a vector on both sides"),
        check("compatibility", 0.561, LIMITS.compatibility, "the recall@10 of new queries on the old index"),
        check("overlap", 0.93, LIMITS.overlap, "the share of the 10 nearest neighbours that stay"),
        check("latency", 1.02, LIMITS.latency, "the time for an input, a ratio,"),
        check(
            "compatibility", 0.31, LIMITS.compatibility, "the recall@10 of new queries on the old index", "lang=<de>"
        ),
        check("overlap", 0.97, LIMITS.overlap, "the share of the 10 nearest neighbours that stay", "lang=en"),
    )
    return Decision(2000, checks, POOLED)


def gated(id_: str, candidate: str, found: Decision, at: datetime, *about: str) -> Gated:
    """`found`, on record."""
    report = json.dumps(as_json(found, Request("bundled", candidate)))
    return Gated(id_, Judgement("bundled", candidate, found.verdict, found.reasons, found.rows, report), at, *about)
