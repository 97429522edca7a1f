"""The HTTP API: rows in over Arrow, JSON, NDJSON or .npy; health, metrics and reads out."""

import hashlib
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from collectors.bodies import parse_body
from collectors.rows import DEFAULT_LIMITS
from drift import __version__
from drift.alert import AlertState
from drift.api.answers import (
    AlertAnswer,
    AttributionAnswer,
    MeasurementAnswer,
    ReceiptAnswer,
    StatusAnswer,
    StreamAnswer,
)
from drift.api.metrics import TOO_LARGE, UNKNOWN_STREAM, UNREADABLE, Exporter
from drift.errors import BatchConflictError, PayloadError, UnknownFormatError, UnknownStreamError
from drift.pipeline import intake, measure
from drift.pipeline.monitor import Monitor
from drift.scheduler import Scheduler, Service
from drift.store import reads, views
from drift.store.connect import OperationalError, PoolTimeoutError
from drift.store.fleet import standings

BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {"type": "array", "items": {"type": "object", "required": ["vector"]}}},
            "application/x-ndjson": {"schema": {"type": "string"}},
            "application/x-npy": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
DAY: Final = timedelta(days=1)
_PACKAGE: Final = Path(__file__).resolve().parents[1]
RUNBOOKS: Final = (_PACKAGE / "runbook.md", _PACKAGE.parent / "docs" / "runbook.md")  # in the wheel, in the checkout


StreamKey = Annotated[str, Query(description="key of a stream or segment, as /v1/streams lists it")]
BatchKey = Annotated[str | None, Header(max_length=255, description="the same for each try to send a batch")]


def create_app(service: Service, scheduler: Scheduler) -> FastAPI:
    """The API of `service`. It starts and stops nothing."""
    # Its /docs brings its own assets: an on-call engineer's network may reach no CDN.
    app = FastAPIOffline(title="drift", version=__version__, description="Representation drift monitoring.")
    _add_intake(app, service)
    _add_reads(app, service)
    _add_health(app, service, scheduler)

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeoutError)
    def away(_: Request, error: Exception) -> JSONResponse:
        text = f"the database does not answer, nothing was stored: send it again ({type(error).__name__})"
        return JSONResponse({"detail": text}, 503, {"Retry-After": "5"})

    return app


def _monitor(service: Service, name: str) -> Monitor:
    if (monitor := service.monitors.get(name)) is None:
        known = ", ".join(sorted(service.monitors))
        raise HTTPException(404, f"no stream {name!r} is declared; known are: {known}")
    return monitor


def _add_intake(app: FastAPI, service: Service) -> None:
    sieve = intake.Sieve()

    @app.post("/v1/streams/{stream}/embeddings", tags=["rows"], response_model=ReceiptAnswer, openapi_extra=BODY)
    async def push(
        stream: str,
        request: Request,
        response: Response,
        idempotency_key: BatchKey = None,
    ) -> ReceiptAnswer:
        """Take a batch of rows.

        Each has a `vector`, and where given `id`, `time`, `session`, `input`, `label`, `encoder_version`, segments. Of
        the rows of one session, which depend on one another, a window is measured on one.

        The answer comes once the batch is durable. Rows that are not valid are listed, and the others kept. A batch
        that is sent again with the same Idempotency-Key is counted once. 422 says that no row was accepted.
        """
        if stream not in service.monitors:
            service.refusals.add(UNKNOWN_STREAM)
        monitor = _monitor(service, stream)
        if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
            service.refusals.add(UNREADABLE)
            raise HTTPException(415, f"the content encoding {encoding!r} is not taken: send the body as it is")
        body = await _bounded_body(request, service)
        columns = tuple({part.segment.partition("=")[0] for part in monitor.parts if part.segment})
        key, digest = idempotency_key or uuid.uuid4().hex, hashlib.blake2b(body, digest_size=16).hexdigest()
        try:
            batch = await run_in_threadpool(
                parse_body, request.headers.get("content-type", ""), body, monitor.stream, columns
            )
            receipt = await run_in_threadpool(
                intake.take_in, service.engine, monitor, batch, sieve, batch_key=key, digest=digest, now=service.clock()
            )
        except PayloadError as error:
            service.refusals.add(UNREADABLE)
            raise HTTPException(415 if isinstance(error, UnknownFormatError) else 400, str(error)) from error
        except BatchConflictError as error:
            raise HTTPException(409, str(error)) from error
        except UnknownStreamError as error:
            raise HTTPException(404, str(error)) from error
        response.status_code = 422 if receipt.received and not receipt.accepted else 200
        return ReceiptAnswer.of(receipt)

    @app.post("/v1/streams/{stream}/measure", tags=["rows"], status_code=202)
    def measure_now(stream: str) -> dict[str, int]:
        """Queue the windows that are over without waiting for late rows; answers how many."""
        monitor = _monitor(service, stream)
        with service.engine.begin() as conn:
            queued = measure.queue_closed(conn, monitor, now=service.clock() + monitor.lateness)
        return {"queued": queued}


async def _bounded_body(request: Request, service: Service) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > DEFAULT_LIMITS.body:
            service.refusals.add(TOO_LARGE)
            raise HTTPException(413, f"a batch may have {DEFAULT_LIMITS.body} bytes: send it in parts")
    return bytes(body)


def _add_reads(app: FastAPI, service: Service) -> None:
    @app.get("/v1/streams", tags=["reads"])
    def streams() -> list[StreamAnswer]:
        """The registered streams and segments."""
        with service.engine.connect() as conn:
            return [StreamAnswer.of(row) for row in reads.streams(conn)]

    @app.get("/v1/status", tags=["reads"])
    def status() -> list[StatusAnswer]:
        """Each objective of each stream now, the most urgent first."""
        with service.engine.connect() as conn:
            return [StatusAnswer.of(standing) for standing in standings(conn, now=service.clock())]

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

    @app.get("/v1/alerts", tags=["reads"])
    def alerts(state: AlertState | None = None, stream: str | None = None) -> list[AlertAnswer]:
        """Alerts, newest first; by default those that fire or did."""
        states = (state,) if state else (AlertState.FIRING, AlertState.RESOLVED)
        with service.engine.connect() as conn:
            return [AlertAnswer.of(row) for row in reads.alerts(conn, states=states, stream=stream)]


def _add_health(app: FastAPI, service: Service, scheduler: Scheduler) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exporter(service, scheduler))

    @app.get("/metrics", tags=["health"])
    def metrics(request: Request) -> Response:
        """For Prometheus."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=None, headers={"Content-Type": content_type})

    @app.get("/runbook", tags=["reads"], response_class=PlainTextResponse)
    def runbook() -> str:
        """What to do about each alert, in Markdown. Alerts of streams without a runbook of their own link here."""
        return next(path for path in RUNBOOKS if path.is_file()).read_text(encoding="utf-8")

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
