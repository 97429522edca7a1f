"""Requests to retrain over HTTP: read, approved or rejected by a button, and told of by pipelines."""

from datetime import datetime
from typing import Annotated, Final, Literal

import structlog
from fastapi import FastAPI, HTTPException, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from drift.api.requests import asker, bounded_body
from drift.errors import PayloadError, RetrainStateError, SignatureError, UnknownRetrainError, VersionError
from drift.notify import mlflow
from drift.notify.events import AlertFiring, AlertResolved, CanaryDecided, Digest, GateDecided, RetrainRequested, Tested
from drift.pipeline import retrains
from drift.pipeline.retrains import Feedback
from drift.records import Retrain, RetrainState
from drift.records.retrains import MOST_TEXT
from drift.scheduler import Service
from drift.store import retrains as kept
from drift.store import windows

log = structlog.get_logger()
LARGEST_EVENT: Final = 64 * 1024
IntentId = Annotated[str, Path(description="the whole id, as the request's `webhook-id` has it")]


class RetrainAnswer(BaseModel):
    """An intent to retrain and what became of it; see `drift retrain list` for the states."""

    id: str
    model: str
    version: str
    stream: str
    slo: str
    reference: str
    state: RetrainState
    receivers: list[str]
    because: str
    by: str
    fired_at: datetime
    asked_at: datetime
    requested_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    new_version: str
    detail: str
    time_to_recover_seconds: float | None

    @classmethod
    def of(cls, intent: Retrain) -> "RetrainAnswer":
        names = set(cls.model_fields) - {"receivers", "time_to_recover_seconds"}
        took = intent.time_to_recover
        return cls(
            **{name: getattr(intent, name) for name in names},
            receivers=list(intent.receivers),
            time_to_recover_seconds=None if took is None else took.total_seconds(),
        )


class StatusReport(BaseModel):
    """What a pipeline tells of its run. A success names the version of the model that came out."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["started", "succeeded", "failed"]
    version: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    detail: str = Field(default="", max_length=MOST_TEXT)


class Decision(BaseModel):
    """Why, and who decides: by default whose token it is."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", max_length=200)
    reason: str = Field(default="", max_length=MOST_TEXT)


def add_retrains(app: FastAPI, service: Service) -> None:
    """Give `app` what is read of retraining and said about it, and the description of what webhooks are sent."""
    _add_reads(app, service)
    _add_decisions(app, service)
    _add_registry(app, service)
    _add_webhooks(app)

    @app.exception_handler(UnknownRetrainError)
    def unknown(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(RetrainStateError)
    def conflict(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 409)

    @app.exception_handler(VersionError)
    def unusable(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)


def _add_reads(app: FastAPI, service: Service) -> None:
    @app.get("/v1/retrains", tags=["retraining"])
    def intents(
        state: RetrainState | None = None,
        model: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[RetrainAnswer]:
        """Intents to retrain, newest first, also those that asked nobody."""
        with service.engine.connect() as conn:
            found = kept.retrains(conn, states=(state,) if state else (), model=model, limit=limit)
        return [RetrainAnswer.of(intent) for intent in found]

    @app.get("/v1/windows/ids", tags=["retraining"])
    def ids(stream: str, at: datetime) -> list[str | None]:
        """The ids of the sampled rows of the window that holds `at`, null for rows without one; never their inputs."""
        with service.engine.connect() as conn:
            found = windows.ids(conn, stream, at=at)
        if found is None:
            raise HTTPException(404, f"{stream} has no window with rows at {at.isoformat()}, or not any more")
        return list(found)


def _add_decisions(app: FastAPI, service: Service) -> None:
    @app.post("/v1/retrains/{id_}/approve", tags=["retraining"])
    def approve(id_: IntentId, request: Request, decision: Decision | None = None) -> RetrainAnswer:
        """Agree to a request that waits for approval: its receivers are asked at once."""
        with service.engine.begin() as conn:
            done = retrains.approve(conn, id_, by=asker(request, decision.by if decision else ""), now=service.clock())
        return _logged(done)

    @app.post("/v1/retrains/{id_}/reject", tags=["retraining"])
    def reject(id_: IntentId, request: Request, decision: Decision | None = None) -> RetrainAnswer:
        """Close a request that is open."""
        reason = decision.reason if decision else ""
        with service.engine.begin() as conn:
            done = retrains.reject(
                conn, id_, by=asker(request, decision.by if decision else ""), reason=reason, now=service.clock()
            )
        return _logged(done)

    @app.post("/v1/retrains/{id_}/status", tags=["retraining"])
    def status(id_: IntentId, report: StatusReport) -> RetrainAnswer:
        """Tell how a run goes. Its end lets the model be asked for again; what is told twice counts once."""
        told = Feedback(RetrainState(report.status), report.version, report.detail)
        with service.engine.begin() as conn:
            done = retrains.report(conn, id_, told, now=service.clock(), gated=service.gatekeepers)
        return _logged(done)


def _add_registry(app: FastAPI, service: Service) -> None:
    @app.post("/v1/mlflow", tags=["retraining"])
    async def mlflow_event(request: Request) -> RetrainAnswer | None:
        """Take an event of MLflow 3's registry: a new version of a model is the success of its open request.

        Null where none was open. Signed by `retrain.mlflow_secret`; 401 for anything else.
        """
        if service.registry is None:
            raise HTTPException(404, "the configuration has no `retrain.mlflow_secret`, so nobody can be believed")
        body = await bounded_body(request, LARGEST_EVENT)
        try:
            mlflow.verify(request.headers, body, service.registry, now=service.clock())
            found = mlflow.registered(body)
        except SignatureError as error:
            raise HTTPException(401, str(error)) from error
        except PayloadError as error:
            raise HTTPException(422, str(error)) from error
        return None if found is None else await run_in_threadpool(_close, service, found)


def _close(service: Service, found: mlflow.Registered) -> RetrainAnswer | None:
    with service.engine.begin() as conn:
        gated = service.gatekeepers
        done = retrains.registered(conn, found.model, found.version, now=service.clock(), gated=gated)
    return None if done is None else _logged(done)


def _logged(done: Retrain) -> RetrainAnswer:
    log.info("retraining moved", id=done.id, model=done.model, state=done.state, by=done.by, detail=done.detail)
    return RetrainAnswer.of(done)


def _add_webhooks(app: FastAPI) -> None:
    """Describe what is sent; nothing is served under these names."""

    @app.webhooks.post("io.drift.retrain.requested", tags=["webhooks"])
    def retrain_requested(event: RetrainRequested) -> None:
        """A model should be trained anew. Verify the signature, work on each id once, and answer 2xx."""

    @app.webhooks.post("io.drift.alert.firing", tags=["webhooks"])
    def alert_firing(event: AlertFiring) -> None:
        """An alert fires."""

    @app.webhooks.post("io.drift.alert.resolved", tags=["webhooks"])
    def alert_resolved(event: AlertResolved) -> None:
        """An alert is over."""

    @app.webhooks.post("io.drift.digest", tags=["webhooks"])
    def digest(event: Digest) -> None:
        """A team is told of its tickets, once a day."""

    @app.webhooks.post("io.drift.canary.decided", tags=["webhooks"])
    def canary_decided(event: CanaryDecided) -> None:
        """A candidate that serves beside its baseline should take its place, or be rolled back."""

    @app.webhooks.post("io.drift.gate.decided", tags=["webhooks"])
    def gate_decided(event: GateDecided) -> None:
        """The gate has decided about a candidate encoder."""

    @app.webhooks.post("io.drift.test", tags=["webhooks"])
    def tested(event: Tested) -> None:
        """Somebody tries whether webhooks arrive; nothing is to be done."""
