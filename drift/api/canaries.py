"""Canaries over HTTP: what two versions side by side have come to."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel

from drift.records import Canary, CanaryState
from drift.scheduler import Service
from drift.store.canaries import canaries


class SignalAnswer(BaseModel):
    """Paired inputs of one signal: `lost` are right with the baseline only, `gained` with the candidate only.

    `low` and `high` bound the true difference, candidate less baseline, at all times together.
    """

    name: str
    rows: int
    lost: int
    gained: int
    low: float
    high: float


class CanaryAnswer(BaseModel):
    """A trial of a candidate beside its baseline, and what should be done with it."""

    id: str
    model: str
    baseline: str
    candidate: str
    baseline_version: str
    candidate_version: str
    state: CanaryState
    detail: str
    alpha: float
    tolerance: float
    margin: float
    windows: int
    pairs: int
    signals: list[SignalAnswer]
    started_at: datetime
    counted_until: datetime
    decided_at: datetime | None

    @classmethod
    def of(cls, found: Canary) -> "CanaryAnswer":
        names = set(cls.model_fields) - {"alpha", "tolerance", "margin", "signals"}
        signals = [
            SignalAnswer(name=one.name, rows=one.rows, lost=one.lost, gained=one.gained, low=one.low, high=one.high)
            for one in found.tallies
        ]
        rule = found.rule
        limits = {"alpha": rule.alpha, "tolerance": rule.tolerance, "margin": rule.margin}
        return cls(**{name: getattr(found, name) for name in names}, **limits, signals=signals)


def add_canaries(app: FastAPI, service: Service) -> None:
    """Give `app` what is read of canaries."""

    @app.get("/v1/canaries", tags=["reads"])
    def found(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[CanaryAnswer]:
        """Candidates that serve, or served, beside their baselines, the newest first."""
        with service.engine.connect() as conn:
            return [CanaryAnswer.of(one) for one in canaries(conn, limit=limit)]
