"""Events of an MLflow 3 model registry: whether it sent one, and which version of which model it tells of.

MLflow signs like Standard Webhooks, but with the secret as it is written, and under headers of its own; so no library
of those verifies it. It sends once and forgets: what does not arrive must be told by hand (`/v1/retrains/{id}/status`).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, ValidationError

from drift.errors import PayloadError, SignatureError
from drift.notify.signature import TOLERANCE

_HEADERS: Final = ("x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature")


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """The secret that MLflow was given for its webhook. Never printed."""

    text: str = field(repr=False)

    def signature(self, delivery: str, timestamp: str, body: bytes) -> str:
        """What MLflow writes into its header."""
        signed = f"{delivery}.{timestamp}.".encode() + body
        return "v1," + base64.b64encode(hmac.new(self.text.encode(), signed, hashlib.sha256).digest()).decode()


class _Version(BaseModel):
    name: str
    version: str


class _Event(BaseModel):
    entity: Literal["model_version"]
    action: Literal["created"]
    data: _Version


@dataclass(frozen=True, slots=True)
class Registered:
    """A new version of a model in the registry."""

    model: str
    version: str


def verify(headers: Mapping[str, str], body: bytes, key: RegistryKey, *, now: datetime) -> None:
    """Prove that MLflow sent these bytes within five minutes of `now`.

    Raises:
        SignatureError: it did not, whatever is wrong.
    """
    given = {name.lower(): value for name, value in headers.items()}
    delivery, timestamp, signature = (given.get(name, "") for name in _HEADERS)
    if not re.fullmatch(r"[0-9]{1,10}", timestamp):
        raise SignatureError(f"MLflow's x-mlflow-timestamp needs seconds, found {timestamp!a:.80}: is this MLflow 3?")
    if abs(now - datetime.fromtimestamp(int(timestamp), UTC)) > TOLERANCE:
        raise SignatureError(f"MLflow's event needs a timestamp within {TOLERANCE} of {now}, found {timestamp}")
    expected = key.signature(delivery, timestamp, body)
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise SignatureError("MLflow's event needs a signature by `retrain.mlflow_secret`: compare the two secrets")


def registered(body: bytes) -> Registered | None:
    """The version that the event tells of; None for events of another kind.

    Raises:
        PayloadError: it is no event of MLflow.
    """
    try:
        event = _Event.model_validate_json(body)
    except ValidationError as error:
        if any(one["loc"] in {("entity",), ("action",)} and one["type"] == "literal_error" for one in error.errors()):
            return None
        raise PayloadError(f"the body is no event of MLflow's registry: {error.errors()[0]['msg']}") from error
    return Registered(event.data.name, event.data.version)
