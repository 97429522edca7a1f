"""Signed webhooks to whoever asked for them: CloudEvents as JSON, with the headers of Standard Webhooks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx2

from drift.errors import DeliveryError, SignatureError
from drift.notify.addresses import Network
from drift.notify.base import Message
from drift.notify.endpoint import Endpoint
from drift.notify.signature import Secret, sign

CONTENT_TYPE: Final = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One endpoint. A message is signed anew at each attempt, with every secret in `secrets`, so they can be rotated.

    For the other fields see `Endpoint`.
    """

    name: str
    url: str
    secrets: tuple[Secret, ...]
    client: httpx2.Client
    networks: tuple[Network, ...] = ()
    timeout: timedelta = timedelta(seconds=15)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(f"webhook {self.name}", self.client, self.networks, self.timeout)

    def send(self, message: Message, *, now: datetime) -> int:
        """Deliver `message` once; return the status, 2xx. See `Notifier.send`."""
        try:
            headers = {"content-type": CONTENT_TYPE, **sign(message, self.secrets, now=now)}
        except SignatureError as error:
            raise DeliveryError(f"webhook {self.name}: {error}", final=True) from error
        answer = self.endpoint.ask("POST", self.url, headers, message.body, now=now)
        if not answer.is_success:
            raise answer.failure(f"webhook {self.name}")
        return answer.status

    def reach(self) -> None:
        """Connect to the endpoint, and send nothing; see `Endpoint.reach`."""
        self.endpoint.reach(self.url)
