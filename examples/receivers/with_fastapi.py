"""The same with FastAPI: `RETRAIN_SECRET=whsec_… uvicorn examples.receivers.with_fastapi:app`."""

import json
import os
from typing import Final

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request

from drift.webhook import SignatureError, verify
from examples.receivers.plain import REQUESTED, remember, work

RUNS: Final = os.environ.get("RETRAIN_RUNS", "runs.sqlite")
app = FastAPI(title="retraining")


@app.post("/retrain", status_code=202)
async def retrain(request: Request, later: BackgroundTasks) -> None:
    """Take a signed event; the raw body is verified before anything parses it."""
    body = await request.body()
    try:
        id_ = verify(request.headers, body, os.environ["RETRAIN_SECRET"].split())
    except SignatureError as error:
        raise HTTPException(401, str(error)) from error
    if json.loads(body)["type"] == REQUESTED and remember(RUNS, id_, body):
        later.add_task(work, RUNS, id_, body)
