"""Requests to one Alertmanager (API v2), and the form in which it takes times."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx2

from drift.errors import DeliveryError
from drift.notify.connection import Connection

TIMEOUT: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class AlertmanagerApi:
    """The API under `url`."""

    url: str
    client: httpx2.Client

    def ask(self, method: str, path: str, body: bytes | None = None) -> httpx2.Response:
        """The answer, whatever its status; redirects are not followed.

        Raises:
            DeliveryError: there is no whole one within `TIMEOUT`.
        """
        kind = {"content-type": "application/json"} if body is not None else {}
        with Connection(_anyone, deadline=TIMEOUT) as connection:
            try:
                return self.client.request(
                    method,
                    f"{self.url.rstrip('/')}/api/v2/{path}",
                    content=body,
                    headers={**kind, "connection": "close"},  # what is used again is not watched again
                    timeout=TIMEOUT / timedelta(seconds=1),
                    follow_redirects=False,
                    extensions={"trace": connection.trace},
                )
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                why = f"no answer within {TIMEOUT}" if connection.expired else f"{type(error).__name__}: {error}"
                raise DeliveryError(f"{self} needs to be reachable, found {why}") from error

    def __str__(self) -> str:
        return f"Alertmanager at {self.url.rpartition('@')[2].removeprefix('http://')}"


def _anyone(address: str) -> None:
    """Alertmanagers are ours, wherever they are."""


def rfc3339(time: datetime) -> str:
    """`time` in UTC.

    Raises:
        ValueError: it has no zone (Alertmanager would take it without a word, as UTC).
    """
    if time.tzinfo is None:
        raise ValueError(f"an alert needs times with their zone, found {time}: make them in UTC")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
