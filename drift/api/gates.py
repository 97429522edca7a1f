"""Decisions of the gate over HTTP: whether a new version may serve, and why."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel

from drift.errors import UnknownGateError
from drift.pipeline.gates import named
from drift.records import Checked, Gated
from drift.scheduler import Service
from drift.store.gates import decisions


class CheckAnswer(BaseModel):
    """One number beside its limits; `wanted` says on which side of them it should lie. `segment` is "" for all."""

    name: str
    segment: str
    value: float | None
    warn: float | None
    fail: float | None
    wanted: Literal["at least", "at most"]
    verdict: Literal["pass", "warn", "fail"]
    words: str

    @classmethod
    def of(cls, found: Checked) -> "CheckAnswer":
        return cls(**{name: getattr(found, name) for name in cls.model_fields})


class GateAnswer(BaseModel):
    """Whether a candidate may take a baseline's place; `error` where that could not be found out.

    The first of `reasons` is what to look at first; there are none where it passes. `model`, `stream` and `version` are
    of the retraining that it followed on, whose id it has; "" where somebody asked by hand.
    """

    id: str
    verdict: Literal["pass", "warn", "fail", "error"]
    baseline: str
    candidate: str
    reasons: list[str]
    rows: int
    model: str
    stream: str
    version: str
    decided_at: datetime
    checks: list[CheckAnswer]

    @classmethod
    def of(cls, found: Gated) -> "GateAnswer":
        said = found.judgement
        own = {name: getattr(found, name) for name in ("id", "model", "stream", "version", "decided_at")}
        same = {name: getattr(said, name) for name in ("verdict", "baseline", "candidate", "rows")}
        return cls(**own, **same, reasons=list(said.reasons), checks=[CheckAnswer.of(one) for one in said.checks])


def add_gates(app: FastAPI, service: Service) -> None:
    """Give `app` what is read of gates."""

    @app.get("/v1/gates", tags=["reads"])
    def gates(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[GateAnswer]:
        """What gates have decided, the newest first."""
        with service.engine.connect() as conn:
            return [GateAnswer.of(one) for one in decisions(conn, limit=limit)]

    @app.get("/v1/gates/{id}", tags=["reads"])
    def gate(id: str) -> GateAnswer:  # noqa: A002  # the name in the path
        """One decision; the first letters of its id are enough."""
        with service.engine.connect() as conn:
            try:
                return GateAnswer.of(named(conn, id))
            except UnknownGateError as error:
                raise HTTPException(404, str(error)) from None
