"""The HTTP API: rows in, health, metrics and reads out."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from drift import __version__
from drift.api.access import BearerAuth
from drift.api.alerts import add_alerts
from drift.api.answers import (
    AttributionAnswer,
    DiagnosisAnswer,
    MeasurementAnswer,
    StatusAnswer,
    StreamAnswer,
)
from drift.api.canaries import add_canaries
from drift.api.gates import add_gates
from drift.api.maintenance import add_maintenance
from drift.api.metrics import Exporter
from drift.api.retrains import add_retrains
from drift.api.runbooks import add_runbooks
from drift.api.writes import add_writes
from drift.scheduler import Scheduler, Service
from drift.store import diagnoses, reads, views
from drift.store.connect import UNREACHABLE, DataError
from drift.store.fleet import standings

DAY: Final = timedelta(days=1)


StreamKey = Annotated[str, Query(description="key of a stream or segment, as /v1/streams lists it")]


def create_app(service: Service, scheduler: Scheduler) -> FastAPI:
    """The API of `service`. It starts and stops nothing."""
    # Its /docs brings its own assets: an on-call engineer's network may reach no CDN.
    asked = [Depends(HTTPBearer(auto_error=False))] if service.bearer else []  # so that /docs has where to put a token
    app = FastAPIOffline(
        title="drift", version=__version__, description="Representation drift monitoring.", dependencies=asked
    )
    if service.bearer is not None:
        app.add_middleware(BearerAuth, bearer=service.bearer)
    add_writes(app, service)
    add_maintenance(app, service)
    _add_reads(app, service)
    _add_explanations(app, service)
    add_alerts(app, service)
    add_runbooks(app)
    add_retrains(app, service)
    add_canaries(app, service)
    add_gates(app, service)
    _add_health(app, service, scheduler)

    def away(_: Request, error: Exception) -> JSONResponse:
        text = f"the database does not answer, nothing was stored: send it again ({type(error).__name__})"
        return JSONResponse({"detail": text}, 503, {"Retry-After": "5"})

    for error in UNREACHABLE:
        app.add_exception_handler(error, away)

    @app.exception_handler(DataError)
    @app.exception_handler(UnicodeEncodeError)
    def unfit(_: Request, error: Exception) -> JSONResponse:
        text = f"the request has a value that Postgres cannot hold, nothing was stored: {error}"
        return JSONResponse({"detail": text.partition("\n")[0]}, 422)

    @app.exception_handler(RequestValidationError)
    def unread(_: Request, error: RequestValidationError) -> JSONResponse:
        # As FastAPI says it, without sending back what was sent, which may be long.
        faults = [{name: said for name, said in one.items() if name != "input"} for one in error.errors()]
        return JSONResponse({"detail": jsonable_encoder(faults)}, 422)

    return app


def _add_reads(app: FastAPI, service: Service) -> None:
    lateness = {name: monitor.lateness for name, monitor in service.monitors.items()}

    @app.get("/v1/streams", tags=["reads"])
    def streams() -> list[StreamAnswer]:
        """The registered streams and segments."""
        with service.engine.connect() as conn:
            return [StreamAnswer.of(row) for row in reads.streams(conn)]

    @app.get("/v1/status", tags=["reads"])
    def status() -> list[StatusAnswer]:
        """Each objective of each stream now, the most urgent first."""
        with service.engine.connect() as conn:
            found = standings(conn, now=service.clock(), lateness=lateness)
            return [StatusAnswer.of(standing) for standing in found]

    @app.get("/v1/measurements", tags=["reads"])
    def measurements(
        stream: StreamKey,
        detector: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[MeasurementAnswer]:
        """Measurements of the windows that start in [since, until); by default of the last day."""
        end = until or service.clock()
        with service.engine.connect() as conn:
            found = reads.measurements(conn, stream, since or end - DAY, end, detector=detector)
        return [MeasurementAnswer.of(m) for m in found]


def _add_explanations(app: FastAPI, service: Service) -> None:
    @app.get("/v1/attributions", tags=["reads"])
    def attributions(
        stream: StreamKey,
        detector: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[AttributionAnswer]:
        """Where the changes come from: the newest windows that start in [since, until) and look changed.

        By default those of the last day.
        """
        end = until or service.clock()
        with service.engine.connect() as conn:
            found = views.attributed(conn, stream, since or end - DAY, end, detector=detector, limit=limit)
        return [AttributionAnswer.of(m, m.attribution) for m in found if m.attribution]

    @app.get("/v1/diagnoses", tags=["reads"])
    def made(
        stream: StreamKey,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[DiagnosisAnswer]:
        """Why the stream was as it was, newest first: made for each alert, and for who asked. By default of a day."""
        end = until or service.clock()
        with service.engine.connect() as conn:
            found = diagnoses.made(conn, stream, since=since or end - DAY, until=until, limit=limit)
        return [DiagnosisAnswer.of(one) for one in found]


def _add_health(app: FastAPI, service: Service, scheduler: Scheduler) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exporter(service, scheduler))

    @app.get("/metrics", tags=["health"])
    def metrics(request: Request) -> Response:
        """For Prometheus."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=None, headers={"Content-Type": content_type})

    @app.get("/healthz", tags=["health"])
    def healthz() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def readyz() -> dict[str, str]:
        """The database answers."""
        with service.engine.connect() as conn:
            reads.streams(conn)
        return {"status": "ok"}
