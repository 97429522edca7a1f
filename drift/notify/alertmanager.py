"""Alerts in the protocol of Alertmanager (API v2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias
from urllib.parse import urlencode

import httpx2
import orjson
from pydantic import AwareDatetime, BaseModel, TypeAdapter

from drift.errors import DeliveryError, RefusedAlertsError
from drift.notify.alertmanager_api import AlertmanagerApi, rfc3339
from drift.notify.answers import clock_skew, excerpt, retry_after
from drift.notify.base import Held, Look, Message, Notice
from drift.notify.muting import parse_silences
from drift.slo import Severity

BATCH: Final = 64  # what Prometheus sends at most in one request
LEAST_VALIDITY: Final = timedelta(minutes=15)
REFUSED: Final = frozenset({400, 422})  # 400: the valid alerts of the batch are stored; 422: none is
NAMED: Final = 8
FIRING: Final = "alerts?" + urlencode({"filter": 'service="drift"'})

_Alert: TypeAlias = dict[str, object]
_Placed: TypeAlias = tuple[int, _Alert]
_RANK: Final = {severity.value: rank for rank, severity in enumerate(Severity)}  # pages, then tickets, then the rest


class _Told(BaseModel):
    labels: dict[str, str]


class _Status(BaseModel):
    uptime: AwareDatetime  # when it started, whatever the name says


_ALERTS: Final = TypeAdapter(list[_Told])


def encode(notices: Sequence[Notice], *, now: datetime, resend: timedelta) -> list[bytes]:
    """Request bodies of at most 64 alerts each, to be sent in this order.

    Pages go first: a ticket that is known before its page would be notified before the page can inhibit it. A firing
    alert ends at `now` + max(4 `resend`, 15 min), so that it outlives three lost requests and a late evaluation.

    Raises:
        ValueError: a time has no zone (Alertmanager would take it without a word, as UTC).
    """
    alive_until = now + max(4 * resend, LEAST_VALIDITY)
    ranked = iter(sorted(notices, key=rank))
    batches = iter(lambda: list(islice(ranked, BATCH)), [])
    return [orjson.dumps([_alert(notice, alive_until) for notice in batch]) for batch in batches]


def rank(notice: Notice) -> int:
    """0 for what is most severe."""
    return _RANK.get(notice.labels.get("severity", ""), len(_RANK))


def draft(notice: Notice) -> bytes:
    """One alert as a body that `finished` must finish before it is sent."""
    return orjson.dumps([_alert(notice, None)])


def finished(body: bytes, *, now: datetime, resend: timedelta) -> bytes:
    """The body with an end for each alert that fires: as in `encode`, counted from when it is sent."""
    alive_until = rfc3339(now + max(4 * resend, LEAST_VALIDITY))
    return orjson.dumps([{"endsAt": alive_until, **alert} for alert in orjson.loads(body)])


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One Alertmanager; of a cluster, each is told by itself, never through a load balancer.

    Sending the same alerts again changes nothing there but how long they live.
    """

    url: str
    client: httpx2.Client

    def send(self, message: Message, *, now: datetime) -> int:
        """Deliver one body made by `encode`; return the status. See `Notifier.send`.

        When some alerts of the batch are refused, the others are delivered all the same.

        Raises:
            RefusedAlertsError: names the refused ones.
        """
        answer = self._post(message.body, now)
        if answer.is_success:
            return answer.status_code
        batch = list(enumerate(orjson.loads(message.body)))
        refused = list(self._sift(batch, answer, now))
        if not refused:
            return httpx2.codes.OK
        named = "; ".join(f"{_labels(alert)} ({reason})" for (_, alert), reason in refused[:NAMED])
        more = f"; and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        raise RefusedAlertsError(
            f"{self} refused {len(refused)} alerts for good, the others of their batch are delivered: {named}{more}. "
            "Correct their labels or links: names of letters, digits and _, absolute addresses",
            status=answer.status_code,
            places=tuple(place for (place, _), _ in refused),
        )

    def look(self, *, now: datetime) -> Look:
        """Ask for the silences, and with them for the time of day there. See `AlertReceiver.look`."""
        answer = self._get("silences", now)
        try:
            silences = parse_silences(answer.content)
        except ValueError as error:
            raise DeliveryError(f"{self} needs to answer silences in JSON, found {excerpt(answer.content)}") from error
        return Look(clock_skew(answer, now=now), silences)

    def held(self, *, now: datetime) -> Held:
        """Ask for the alerts of the service that are not over, and since when it runs. See `AlertReceiver.held`."""
        # In this order: one that starts anew in between seems to hold too little, and to have been told nothing of it.
        answer = self._get(FIRING, now)
        try:
            labels = tuple(told.labels for told in _ALERTS.validate_json(answer.content))
        except ValueError as error:
            raise DeliveryError(f"{self} needs to answer alerts in JSON, found {excerpt(answer.content)}") from error
        return Held(labels, self._since(now))

    def _since(self, now: datetime) -> datetime:
        """Since when it runs: for ever, as far as it does not say. A proxy may let nothing through but alerts."""
        try:
            stands = self._get("status", now)
            started = _Status.model_validate_json(stands.content).uptime
        except (DeliveryError, ValueError):
            return datetime.min.replace(tzinfo=UTC)
        return started - (clock_skew(stands, now=now) or timedelta(0))

    def _sift(self, batch: list[_Placed], answer: httpx2.Response, now: datetime) -> Iterator[tuple[_Placed, str]]:
        """Halve a refused batch until the valid alerts are stored; yield the others, each with the reason given."""
        if len(batch) <= 1:
            yield from ((placed, excerpt(answer.content)) for placed in batch)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            answer = self._post(orjson.dumps([alert for _, alert in half]), now)
            if not answer.is_success:
                yield from self._sift(half, answer, now)

    def _post(self, body: bytes, now: datetime) -> httpx2.Response:
        """One request; the answer is a success or a refusal of alerts, all else raises."""
        answer = self._api.ask("POST", "alerts", body)
        if answer.is_success or answer.status_code in REFUSED:
            return answer
        raise self._failure("POST /api/v2/alerts", answer, now)

    def _get(self, path: str, now: datetime) -> httpx2.Response:
        """The answer to one question; all but a success raises."""
        answer = self._api.ask("GET", path)
        if not answer.is_success:
            raise self._failure(f"GET /api/v2/{path.partition('?')[0]}", answer, now)
        return answer

    def _failure(self, request: str, answer: httpx2.Response, now: datetime) -> DeliveryError:
        return DeliveryError(
            f"{self} needs to answer 2xx to {request}, found {answer.status_code}: {excerpt(answer.content)}",
            status=answer.status_code,
            retry_after=retry_after(answer, now=now),
        )

    @property
    def _api(self) -> AlertmanagerApi:
        return AlertmanagerApi(self.url, self.client)

    def __str__(self) -> str:
        return str(self._api)


def _alert(notice: Notice, alive_until: datetime | None) -> _Alert:
    alert: _Alert = {
        "labels": {name: value for name, value in notice.labels.items() if value},
        "annotations": dict(notice.annotations),
        "startsAt": rfc3339(notice.starts_at),
    }
    if (ends_at := notice.ends_at or alive_until) is not None:
        alert["endsAt"] = rfc3339(ends_at)
    return alert | ({"generatorURL": notice.generator_url} if notice.generator_url else {})


def _labels(alert: _Alert) -> str:
    labels = alert.get("labels")
    return "{" + ", ".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if isinstance(labels, dict) else str(alert)
