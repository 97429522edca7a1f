"""What the API takes: rows over Arrow, JSON, NDJSON or .npy, and wishes to have a window measured or diagnosed."""

import hashlib
import uuid
from datetime import datetime
from typing import Annotated, Final

from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from collectors.bodies import parse_body
from collectors.rows import DEFAULT_LIMITS
from drift.api.answers import ReceiptAnswer
from drift.api.metrics import TOO_LARGE, UNKNOWN_STREAM, UNREADABLE
from drift.api.requests import bounded_body
from drift.errors import BatchConflictError, PayloadError, UnknownFormatError, UnknownStreamError
from drift.pipeline import intake, measure
from drift.pipeline.monitor import Monitor
from drift.scheduler import Service
from drift.store import diagnoses, windows

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
BatchKey = Annotated[str | None, Header(max_length=255, description="the same for each try to send a batch")]


def add_writes(app: FastAPI, service: Service) -> None:
    """Give `app` what `service` takes."""
    _add_intake(app, service)
    _add_diagnosis(app, service)


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
        body = await _body(request, service)
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


def _add_diagnosis(app: FastAPI, service: Service) -> None:
    @app.post("/v1/streams/{stream}/diagnose", tags=["rows"], status_code=202)
    def diagnose_now(
        stream: str,
        segment: Annotated[str, Query(description="`column=value` of a segment; all traffic without")] = "",
        at: Annotated[datetime | None, Query(description="a moment of the window; the newest without")] = None,
    ) -> dict[str, datetime | bool]:
        """Ask for the diagnosis of a window; /v1/diagnoses has it within a minute or so."""
        monitor = _monitor(service, stream)
        part = next((part for part in monitor.parts if part.segment == segment), None)
        if part is None:
            known = ", ".join(part.segment for part in monitor.parts if part.segment) or "none"
            raise HTTPException(404, f"stream {stream!r} has no segment {segment!r}; it has: {known}")
        with service.engine.begin() as conn:
            span = windows.newest(conn, part.key, at=at)
            if span is None:
                when = "yet" if at is None else f"at {at.isoformat()}, or not any more"
                raise HTTPException(404, f"{part.key} has no window with rows {when}")
            new = diagnoses.ask(conn, diagnoses.Request(part.key, "", span), now=service.clock())
        return {"start": span.start, "end": span.end, "queued": new}


async def _body(request: Request, service: Service) -> bytes:
    try:
        return await bounded_body(request, DEFAULT_LIMITS.body)
    except HTTPException:
        service.refusals.add(TOO_LARGE)
        raise
