"""What events say of candidates: what gates and canaries have decided."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of an event; what it does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignalData(Part):
    """What was counted of one signal of a canary."""

    name: str
    rows: int
    lost: int
    gained: int
    low: float
    high: float


class CanaryData(Part):
    """Two versions of a model that served the same inputs: `decision` says which of them should serve.

    `previous_version` is the baseline's, `new_version` the candidate's; `serve` is the one to serve from now on. `lost`
    and `gained` count inputs that are right with the baseline only and with the candidate only, `low` and `high` bound
    the true difference at all times together. `alpha` bounds the chance of a wrong decision.
    """

    model: str
    baseline: str
    candidate: str
    decision: Literal["promote", "roll_back"]
    serve: str
    previous_version: str
    new_version: str
    why: str
    alpha: float
    windows: int
    pairs: int
    signals: list[SignalData]
    started_at: datetime
    decided_at: datetime


class GateData(Part):
    """Whether an encoder may take another's place: `verdict` is error where that could not be found out.

    `model`, `stream` and `version` are of the retraining that it follows on, `retrain` is its id; "" where a person or
    a pipeline has asked. `reasons` come in order of weight. `rows` inputs were encoded by both.
    """

    verdict: Literal["pass", "warn", "fail", "error"]
    baseline: str
    candidate: str
    reasons: list[str]
    rows: int
    model: str
    stream: str
    version: str
    retrain: str
    decided_at: datetime
