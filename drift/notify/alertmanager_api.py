"""Requests to one Alertmanager (API v2), and the form in which it takes times."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx2

from drift.errors import DeliveryError

TIMEOUT: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class AlertmanagerApi:
    """The API under `url`."""

    url: str
    client: httpx2.Client

    def ask(self, method: str, path: str, body: bytes | None = None) -> httpx2.Response:
        """The answer, whatever its status; redirects are not followed.

        Raises:
            DeliveryError: there is none within `TIMEOUT`.
        """
        try:
            return self.client.request(
                method,
                f"{self.url.rstrip('/')}/api/v2/{path}",
                content=body,
                headers={"content-type": "application/json"} if body is not None else {},
                timeout=TIMEOUT / timedelta(seconds=1),
                follow_redirects=False,
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise DeliveryError(f"{self} needs to be reachable, found {type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        return f"Alertmanager at {self.url.rpartition('@')[2].removeprefix('http://')}"


def rfc3339(time: datetime) -> str:
    """`time` in UTC.

    Raises:
        ValueError: it has no zone (Alertmanager would take it without a word, as UTC).
    """
    if time.tzinfo is None:
        raise ValueError(f"an alert needs times with their zone, found {time}: make them in UTC")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
