"""The same with FastAPI: `RETRAIN_SECRET=whsec_… uvicorn examples.receivers.with_fastapi:app`, in one process."""

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request

from drift.webhook import SignatureError, verify
from examples.receivers.plain import REQUESTED, kind_of, remember, resume, work

RUNS: Final = os.environ.get("RETRAIN_RUNS", "runs.sqlite")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Go on with what the last stop left."""
    stop = threading.Event()
    resume(RUNS, stop)
    yield
    stop.set()


app = FastAPI(title="retraining", lifespan=lifespan)


@app.post("/retrain", status_code=202)
async def retrain(request: Request, later: BackgroundTasks) -> None:
    """Take a signed event; the raw body is verified before anything parses it."""
    body = await request.body()
    try:
        id_ = verify(request.headers, body, os.environ["RETRAIN_SECRET"].split())
        kind = kind_of(body)
    except SignatureError as error:
        raise HTTPException(401, str(error)) from error
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    if kind == REQUESTED and remember(RUNS, id_, body):
        later.add_task(work, RUNS, id_, body)
