"""Silences in the protocol of Alertmanager (API v2): what keeps it quiet while something is being worked on.

Its ids are its own and are lost with it, so a silence of ours is known by its comment.
"""

import re
from dataclasses import dataclass
from datetime import UTC
from typing import Final, Protocol

import httpx2
import orjson

from drift.errors import DeliveryError
from drift.notify import muting
from drift.notify.alertmanager_api import AlertmanagerApi, rfc3339
from drift.notify.answers import excerpt
from drift.notify.muting import Matcher, parse_silences
from drift.records import Coverage, Maintenance, Span

CREATED_BY: Final = "drift"
_COMMENT: Final = re.compile(r"drift maintenance (?P<id>\S+) from (?P<start>\S+):")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One time that one maintenance window is on: its id, and when it begins."""

    id: str
    start: str


@dataclass(frozen=True, slots=True)
class Silence:
    """What an Alertmanager should be quiet about, and how long."""

    key: Key
    span: Span
    matchers: frozenset[Matcher]
    comment: str

    @classmethod
    def of(cls, planned: Maintenance, span: Span) -> "Silence":
        """That of one time that a window is on."""
        start = f"{span.start:%Y-%m-%dT%H:%M:%SZ}"
        comment = f"drift maintenance {planned.id} from {start}: {planned.reason} ({planned.owner})"
        return cls(Key(planned.id, start), span, matchers(planned.covers), comment)


@dataclass(frozen=True, slots=True)
class Live:
    """A silence of ours that an Alertmanager keeps or will, under its own id."""

    id: str
    key: Key
    span: Span
    matchers: frozenset[Matcher]


class Silencer(Protocol):
    """Knows the silences of one Alertmanager. Does not retry: the next minute does."""

    def live(self) -> list[Live]:
        """Ours, those that are on and those that are to come.

        Raises:
            DeliveryError: it cannot be asked.
        """
        ...

    def put(self, silence: Silence, replaces: Live | None = None) -> None:
        """Make the silence, or have `replaces`, which keeps its id and its start, be like it.

        Raises:
            DeliveryError: it was not accepted.
        """
        ...

    def expire(self, live: Live) -> None:
        """End a silence now.

        Raises:
            DeliveryError: it was not accepted.
        """
        ...


def matchers(covers: Coverage) -> frozenset[Matcher]:
    """The labels of the alerts that are meant (`compose.labels`).

    All of them have a `job_id`: what only tells that the service itself lives or dies has none, and is never silenced.
    """
    found = {Matcher("service", "drift")}
    if not covers.stream:
        found.add(Matcher("job_id", ".+", is_regex=True))
    elif "/" in covers.stream:
        found.add(Matcher("job_id", covers.stream))
    else:
        found.add(Matcher("job_id", f"{re.escape(covers.stream)}(/.*)?", is_regex=True))
    return frozenset(found | ({Matcher("model_id", covers.model)} if covers.model else set()))


@dataclass(frozen=True, slots=True)
class AlertmanagerSilences:
    """Those of one Alertmanager; see `Silencer`."""

    url: str
    client: httpx2.Client

    def live(self) -> list[Live]:
        answer = self._ask("GET", "silences")
        try:
            every = [_ours(one) for one in parse_silences(answer.content)]
        except ValueError as error:
            raise DeliveryError(f"{self} needs to list silences, found {excerpt(answer.content)}") from error
        return [one for one in every if one is not None]

    def put(self, silence: Silence, replaces: Live | None = None) -> None:
        start = silence.span.start if replaces is None else replaces.span.start
        body = {
            "matchers": [
                {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
                for one in sorted(silence.matchers)
            ],
            "startsAt": rfc3339(start),
            "endsAt": rfc3339(silence.span.end),
            "createdBy": CREATED_BY,
            "comment": silence.comment,
        }
        self._ask("POST", "silences", orjson.dumps(body | ({"id": replaces.id} if replaces else {})))

    def expire(self, live: Live) -> None:
        self._ask("DELETE", f"silence/{live.id}")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> httpx2.Response:
        answer = self._api.ask(method, path, body)
        if not answer.is_success:
            said = f"found {answer.status_code}: {excerpt(answer.content)}"
            raise DeliveryError(f"{self} needs to answer 2xx to {method} {path}, {said}", status=answer.status_code)
        return answer

    @property
    def _api(self) -> AlertmanagerApi:
        return AlertmanagerApi(self.url, self.client)

    def __str__(self) -> str:
        return str(self._api)


def _ours(found: muting.Silence) -> Live | None:
    """A silence as Alertmanager tells of it; None where it is not ours, or over."""
    told = _COMMENT.match(found.comment)
    if told is None or found.is_over:
        return None
    span = Span(found.starts_at.astimezone(UTC), found.ends_at.astimezone(UTC))
    return Live(found.id, Key(told["id"], told["start"]), span, frozenset(found.matchers))
