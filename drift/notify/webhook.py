"""Signed webhooks to whoever asked for them: CloudEvents as JSON, with the headers of Standard Webhooks."""

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import httpx2

from drift import __version__
from drift.errors import DeliveryError, SignatureError
from drift.notify.addresses import Network, require_allowed, resolve
from drift.notify.answers import EXCERPT_BYTES, excerpt, retry_after
from drift.notify.base import Message
from drift.notify.connection import Connection
from drift.notify.signature import Secret, sign

CONTENT_TYPE: Final = "application/cloudevents+json"
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Webhook:
    """One endpoint. A message is signed anew at each attempt, with every secret in `secrets`, so they can be rotated.

    `networks` are trusted besides the public internet, and over plain http too (see `addresses`); redirects are not
    followed. `client` must be for webhooks only (a connection left open by others would not be checked), speak
    HTTP/1.1, and use no proxy (it would be the peer that is checked). `timeout` is for each address to accept the
    connection, and for all that comes after; looking up the name takes the resolver's own time.
    """

    name: str
    url: str
    secrets: tuple[Secret, ...]
    client: httpx2.Client
    networks: tuple[Network, ...] = ()
    timeout: timedelta = timedelta(seconds=15)

    def send(self, message: Message, *, now: datetime) -> int:
        """Deliver `message` once; return the status, 2xx. See `Notifier.send`."""
        try:
            url = httpx2.URL(self.url)
            headers = self._headers(message, now)
        except (SignatureError, httpx2.InvalidURL) as error:
            raise DeliveryError(f"webhook {self.name}: {error}", final=True) from error
        self._require_allowed(url)
        require = partial(require_allowed, url, networks=self.networks)
        with Connection(require, deadline=self.timeout) as connection:
            try:
                return self._post(url, message.body, headers, connection, now)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                why = f"no answer within {self.timeout}" if connection.expired else f"{type(error).__name__}: {error}"
                raise DeliveryError(f"webhook {self.name} needs an answer from {url.host}, found {why}") from error

    def reach(self) -> None:
        """Connect to the endpoint, and send nothing.

        Raises:
            DeliveryError: its address is not allowed, or takes no connection.
        """
        url = httpx2.URL(self.url)
        self._require_allowed(url)
        try:
            port = url.port or (443 if url.scheme == "https" else 80)
            socket.create_connection((url.host, port), timeout=self.timeout / timedelta(seconds=1)).close()
        except OSError as error:
            raise DeliveryError(f"{self.url} takes no connection: {error}; is the receiver up?") from error

    def _require_allowed(self, url: httpx2.URL) -> None:
        for address in resolve(url):
            require_allowed(url, address, self.networks)

    def _headers(self, message: Message, now: datetime) -> dict[str, str]:
        return {
            "content-type": CONTENT_TYPE,
            "user-agent": f"drift/{__version__}",
            "accept-encoding": "identity",  # a kilobyte of an answer is read; compressed, that could be anything
            "connection": "close",  # a connection that is used again would not be checked again
            **sign(message, self.secrets, now=now),
        }

    def _post(
        self, url: httpx2.URL, body: bytes, headers: dict[str, str], connection: Connection, now: datetime
    ) -> int:
        with self.client.stream(
            "POST",
            url,
            content=body,
            headers=headers,
            timeout=self.timeout / timedelta(seconds=1),
            follow_redirects=False,
            extensions={"trace": connection.trace},
        ) as answer:
            detail = _detail(answer)
            if not answer.is_success:
                raise self._failure(answer, detail, now)
            return answer.status_code

    def _failure(self, answer: httpx2.Response, detail: str, now: datetime) -> DeliveryError:
        status = answer.status_code
        text = f"webhook {self.name} needs a 2xx answer from {answer.url.host}, found {status}"
        if answer.is_redirect:
            text += ", a redirect, which is not followed: put the final address into the url"
        if status == GONE:
            text += ", gone for good: nothing more is sent for this message; correct the url or remove the webhook"
        if detail:
            text += f" and said: {detail}"
        return DeliveryError(text, status=status, retry_after=retry_after(answer, now=now), final=status == GONE)


def _detail(answer: httpx2.Response) -> str:
    """The beginning of the answer's body, as far as it comes; a status counts without it."""
    body = b""
    try:
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) >= EXCERPT_BYTES:
                break
    except (httpx2.HTTPError, httpx2.StreamError):
        pass
    return excerpt(body)
