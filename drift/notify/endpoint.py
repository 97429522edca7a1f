"""One request to an endpoint that somebody configured: its peer is checked, no redirect followed, no wait long."""

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import httpx2

from drift import __version__
from drift.errors import DeliveryError
from drift.notify.addresses import Network, require_allowed, resolve
from drift.notify.answers import EXCERPT_BYTES, excerpt, retry_after
from drift.notify.connection import Connection

GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the beginning of the body that came with it; `waits` is how long the peer asked to be left alone."""

    host: str
    status: int
    body: bytes
    waits: timedelta | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def failure(self, name: str, needed: str = "a 2xx answer") -> DeliveryError:
        """The error that says so, of the receiver `name`."""
        text = f"{name} needs {needed} from {self.host}, found {self.status}"
        if 300 <= self.status < 400:
            text += ", a redirect, which is not followed: put the final address into the url"
        if self.status == GONE:
            text += ", gone for good: nothing more is sent there; correct the url or remove the webhook, then enable it"
        if said := excerpt(self.body):
            text += f" and said: {said}"
        return DeliveryError(text, status=self.status, retry_after=self.waits, final=self.status == GONE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How the receiver `name` is spoken to.

    `networks` are trusted besides the public internet, and over plain http too (see `addresses`). `client` must be for
    webhooks only (a connection left open by others would not be checked), speak HTTP/1.1, and use no proxy (it would be
    the peer that is checked). `timeout` is for each address to accept the connection, and for all that comes after;
    looking up the name takes the resolver's own time.
    """

    name: str
    client: httpx2.Client
    networks: tuple[Network, ...] = ()
    timeout: timedelta = timedelta(seconds=15)

    def ask(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        now: datetime,
        keep: int = EXCERPT_BYTES,
    ) -> Answer:
        """What the peer answers, whatever it is, with `keep` bytes of it.

        Raises:
            DeliveryError: there is no answer, or the address is not allowed.
        """
        parsed = self._parsed(url)
        with Connection(partial(require_allowed, parsed, networks=self.networks), deadline=self.timeout) as connection:
            try:
                with self.client.stream(
                    method,
                    parsed,
                    content=body,
                    headers=_COMMON | headers,
                    timeout=self.timeout / timedelta(seconds=1),
                    follow_redirects=False,
                    extensions={"trace": connection.trace},
                ) as answer:
                    waits = retry_after(answer, now=now)
                    return Answer(parsed.host, answer.status_code, _beginning(answer, keep), waits)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                why = f"no answer within {self.timeout}" if connection.expired else f"{type(error).__name__}: {error}"
                raise DeliveryError(f"{self.name} needs an answer from {parsed.host}, found {why}") from error

    def reach(self, url: str) -> None:
        """Connect to the peer, and send nothing.

        Raises:
            DeliveryError: its address is not allowed, or takes no connection.
        """
        parsed = self._parsed(url)
        try:
            port = parsed.port or (443 if parsed.scheme == "https" else 80)
            socket.create_connection((parsed.host, port), timeout=self.timeout / timedelta(seconds=1)).close()
        except OSError as error:
            raise DeliveryError(f"{parsed.host} takes no connection: {error}; is the receiver up?") from error

    def _parsed(self, url: str) -> httpx2.URL:
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise DeliveryError(f"{self.name}: {error}", final=True) from error
        for address in resolve(parsed):
            require_allowed(parsed, address, self.networks)
        return parsed


_COMMON: Final = {
    "user-agent": f"drift/{__version__}",
    "accept-encoding": "identity",  # a kilobyte of an answer is read; compressed, that could be anything
    "connection": "close",  # a connection that is used again would not be checked again
}


def _beginning(answer: httpx2.Response, keep: int) -> bytes:
    """The first bytes of the answer's body, as far as they come; a status counts without them."""
    body = b""
    try:
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) >= keep:
                break
    except (httpx2.HTTPError, httpx2.StreamError):
        pass
    return body[:keep]
