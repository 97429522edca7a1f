"""From the outbox to the receivers. One attempt each; the outbox remembers when the next is due."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import structlog

from drift.alert import AlertState
from drift.errors import DeliveryError
from drift.notify import alertmanager, compose, own_alerts
from drift.notify.base import Message, Notice, Notifier
from drift.notify.endpoint import GONE
from drift.notify.muting import Silence, repeated_until, still_repeated
from drift.notify.peer import Peer
from drift.notify.retry import ALERT_RETRY_SCHEDULE, RETRY_SCHEDULE, retry_delay
from drift.store import endpoints, outbox, reads
from drift.store.connect import Connection, Engine
from drift.store.outbox import Delivery, MessageKind

log = structlog.get_logger()
MOST: Final = 10_000
DEAD_FOR: Final = timedelta(days=1)  # how long a message that is lost is told of
FROZEN_FOR: Final = timedelta(days=5)
"""How long alerts are repeated that nobody can look up any more: then the service has been given up."""
AWAY: Final = frozenset({None, 429, 502, 503, 504})
"""What says that the receiver is down or busy, and nothing about the message."""


def deliver_one(conn: Connection, receiver: str, notifier: Notifier, *, resend: timedelta, now: datetime) -> bool:
    """Make one attempt at the message for `receiver` that is due longest; False when none is due.

    A crash between the receiver's answer and our commit sends the message again, with the same id. An error that
    nobody foresaw counts as a failed attempt, or the same message would be tried for ever.
    """
    delivery = outbox.claim(conn, receiver, now=now)
    if delivery is None:
        return False
    is_alert = delivery.kind is MessageKind.ALERT
    body = alertmanager.finished(delivery.body, now=now, resend=resend) if is_alert else delivery.body
    try:
        status = notifier.send(Message(delivery.id, body), now=now)
    except DeliveryError as error:
        _note_failure(conn, delivery, error, now=now)
    except Exception as error:
        log.exception("message not sent", receiver=receiver, id=delivery.id)
        _note_refusal(conn, delivery, DeliveryError(f"{type(error).__name__}: {error}"), now=now)
    else:
        outbox.sent(conn, delivery, status=status, now=now)
        outbox.release(conn, receiver, now=now)
        log.info("message delivered", receiver=receiver, id=delivery.id, status=status)
    return True


def _note_failure(conn: Connection, delivery: Delivery, error: DeliveryError, *, now: datetime) -> None:
    if error.final or error.status not in AWAY:
        _note_refusal(conn, delivery, error, now=now)
    else:
        _note_absence(conn, delivery, error, now=now)


def _note_refusal(conn: Connection, delivery: Delivery, error: DeliveryError, *, now: datetime) -> None:
    """The receiver is there and does not want this message, or it cannot be sent: that holds up no other."""
    again_at = _again_at(delivery, error, now)
    outbox.failed(conn, delivery, error, again_at=again_at, held=False)
    log.warning("message refused", receiver=delivery.receiver, id=delivery.id, error=str(error), again_at=again_at)
    if error.status == GONE and delivery.kind is not MessageKind.ALERT:
        endpoints.disable(conn, delivery.receiver, why=str(error)[:2000], now=now)
        log.warning("receiver disabled", receiver=delivery.receiver)
    elif error.status is not None:
        outbox.release(conn, delivery.receiver, now=now)


def _note_absence(conn: Connection, delivery: Delivery, error: DeliveryError, *, now: datetime) -> None:
    """Nobody is there, or too busy: that counts against all that is due, and the oldest is tried first next time.

    One that was tried out of its turn, being the oldest, keeps its own time.
    """
    tried = [delivery] if delivery.due_at <= now else []
    for one in [*tried, *outbox.others_due(conn, delivery, now=now)]:
        outbox.failed(conn, one, error, again_at=_again_at(one, error, now), held=True)
    if error.retry_after is not None and delivery.kind is not MessageKind.ALERT:
        endpoints.pause(conn, delivery.receiver, until=now + error.retry_after)
    log.warning("receiver does not answer", receiver=delivery.receiver, id=delivery.id, error=str(error))


def _again_at(delivery: Delivery, error: DeliveryError, now: datetime) -> datetime | None:
    if error.final:
        return None
    # Spread by the message, not by chance, so that what is stored can be computed again.
    jitter = float(np.random.default_rng([*delivery.id.encode(), delivery.attempts]).uniform(-1, 1))
    schedule = ALERT_RETRY_SCHEDULE if delivery.kind is MessageKind.ALERT else RETRY_SCHEDULE
    delay = retry_delay(delivery.attempts + 1, jitter=jitter, schedule=schedule)
    if delay is None:
        return None
    return now + max(delay, error.retry_after or timedelta())


@dataclass(frozen=True, slots=True)
class Standing:
    """What must be told as of `read_at`, when Postgres was read at last."""

    read_at: datetime
    told: tuple[Notice, ...]
    own: tuple[Notice, ...]

    @property
    def firing(self) -> tuple[Notice, ...]:
        """What fires."""
        return tuple(notice for notice in (*self.told, *self.own) if notice.ends_at is None)


def standing(
    engine: Engine,
    peers: Mapping[str, Peer],
    objectives: Collection[tuple[str, str]],
    webhooks: Collection[str],
    *,
    runbook_url: str,
    now: datetime,
) -> Standing:
    """What of `objectives` (stream, name) fires or was resolved of late, and how the service is. It only reads.

    What was resolved is repeated for a quarter of an hour, and for as long after a silence that covered it.
    """
    since = still_repeated((silence for peer in peers.values() for silence in peer.look.silences), now=now)
    with engine.connect() as conn:
        firing = reads.alerts(conn, states=(AlertState.FIRING,), limit=MOST)
        over = reads.alerts(conn, states=(AlertState.RESOLVED,), since=since, limit=MOST)
        dead = reads.dead_messages(conn, webhooks, since=now - DEAD_FOR)
    # An episode that is over says nothing any more once the same alert fires again. One that both reads have found
    # ended between them.
    rows = sorted((*firing, *over), key=lambda row: row.alert.started_at)
    mine = [row for row in rows if (row.alert.stream, row.alert.slo) in objectives]
    newest = {(row.alert.stream, row.alert.slo, row.alert.kind): row for row in mine}
    told = [compose.notice(row.alert, row.labels, row.annotations) for row in newest.values() if not row.muted]
    ours = [
        *(own_alerts.clock_skew(name, peer.look.skew, runbook_url, now=now) for name, peer in peers.items()),
        *(own_alerts.webhook_dead(d.receiver, d.messages, d.error, runbook_url, since=d.since) for d in dead),
    ]
    return Standing(now, tuple(told), tuple(notice for notice in ours if notice is not None))


def offer(peers: Mapping[str, Peer], standing: Standing, *, runbook_url: str, now: datetime) -> None:
    """Queue it for every Alertmanager: each forgets what is not repeated, and a cluster does not share alerts."""
    watchdog = own_alerts.watchdog(runbook_url, now=now)
    for peer in peers.values():
        told = [notice for notice in standing.told if _matters(notice, peer.look.silences, now)]
        peer.offer([*told, *standing.own, watchdog], read_at=standing.read_at)


def repeat(peers: Mapping[str, Peer], standing: Standing, *, runbook_url: str, now: datetime, is_away: bool) -> None:
    """Queue once more what fired when Postgres could be read: else it would end, and only because data stopped.

    Each says how old it is, and without the Watchdog, which stays away, whoever waits for it calls somebody.
    `is_away` says that Postgres cannot be reached, and not that what it says cannot be understood.
    """
    if now - standing.read_at > FROZEN_FOR:
        return
    away = own_alerts.store_unreachable(runbook_url, since=standing.read_at, now=now) if is_away else None
    old = [own_alerts.dated(notice, read_at=standing.read_at) for notice in standing.firing]
    for peer in peers.values():
        peer.repeat([*old, *([] if away is None else [away])])


def _matters(notice: Notice, silences: Sequence[Silence], now: datetime) -> bool:
    return notice.ends_at is None or now < repeated_until(notice.labels, notice.ends_at, silences)
