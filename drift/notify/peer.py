"""One Alertmanager as the service keeps telling it: what is still to be told, how that went, and how it stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

import orjson
import structlog

from drift.errors import DeliveryError, RefusedAlertsError
from drift.notify.alertmanager import BATCH, encode, rank
from drift.notify.base import AlertReceiver, Look, Message, Notice
from drift.notify.own_alerts import dated

log = structlog.get_logger()
CAPACITY: Final = 10_000
PAUSE: Final = timedelta(seconds=5)
SLACK: Final = timedelta(seconds=30)
"""A peer says to the second when it started, by its own clock, and may take long to say it."""

_Identity = frozenset[tuple[str, str]]


@dataclass(slots=True)
class Counts:
    """Alerts by what became of them, since the process began. Failed ones stay in the queue and are tried again."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    invalid: int = 0


@dataclass(frozen=True, slots=True)
class _Taken:
    """When the peer took an alert, and until when it fires there if nothing more is heard of it, by our clock."""

    at: datetime
    until: datetime


class Peer:
    """A queue in front of one Alertmanager, so that one that hangs delays no other.

    It holds each alert once, as it was offered last, so that nothing old is sent after something newer. When it is full
    it drops the oldest of the least severe: they are offered again a minute later.
    """

    def __init__(self, receiver: AlertReceiver, *, capacity: int = CAPACITY) -> None:
        self.receiver = receiver
        self.capacity = capacity
        self.counts = Counts()
        self.look = Look()
        self._look_due = False
        self._rests_until: datetime | None = None
        self._queue: dict[_Identity, Notice] = {}
        self._refused: set[bytes] = set()
        self._ended: dict[_Identity, datetime] = {}
        self._taken: dict[_Identity, _Taken] = {}
        self._over: set[_Identity] = set()
        self._news: dict[_Identity, tuple[datetime, Notice]] = {}
        self._is_old = False
        self._offers = 0
        self._lock = Lock()
        self._sending = Lock()

    def __len__(self) -> int:
        """How many alerts are still to be told."""
        return len(self._queue)

    def offer(self, notices: Sequence[Notice], *, read_at: datetime) -> None:
        """Queue `notices`, the whole of what must be known: what waits to fire and is not among them is no longer so.

        Left out is what the peer refused for good, and what was read before news of its end was sent.
        """
        with self._lock:
            self._is_old = False
            self._offers += 1
            self._over.clear()
            self._news = {identity: (at, one) for identity, (at, one) in self._news.items() if at > read_at}
            known = {_identity(notice.labels) for notice in notices}
            self._queue = {i: one for i, one in self._queue.items() if i in known or one.ends_at is not None}
            self._queue_up(notices)

    def repeat(self, notices: Iterable[Notice]) -> None:
        """Queue what was true when it was last read, since nothing newer can be, and what has fired since.

        What the peer has taken and should still hold, and does not, is left out from then on: another process has told
        it of the end. One that has started anew, or heard nothing for so long that alerts ran out, is told all of it.
        """
        with self._lock:
            self._is_old = True
            # Of one episode what was read counts, for news may have waited long; of one alert the newest episode.
            every = [*(said for _, said in self._news.values()), *notices]
            found = {(_identity(one.labels), one.starts_at): one for one in every}
            self._queue_up(sorted(found.values(), key=lambda one: one.starts_at))

    def _queue_up(self, notices: Iterable[Notice]) -> None:
        forms = {_form(notice.labels, notice.annotations, notice.generator_url): notice for notice in notices}
        self._look_due = True
        self._refused &= forms.keys()
        mine = {_identity(notice.labels) for notice in forms.values()}
        self._ended = {identity: begun for identity, begun in self._ended.items() if identity in mine}
        self._taken = {identity: taken for identity, taken in self._taken.items() if identity in mine}
        for form, notice in forms.items():
            identity = _identity(notice.labels)
            is_stale = notice.ends_at is None and self._ended.get(identity) == notice.starts_at
            if form not in self._refused and not is_stale:
                self._queue.pop(identity, None)
                self._queue[identity] = notice
        self._make_room()

    def send(self, message: Message, *, now: datetime) -> int:
        """Deliver news at once; what is older of the same alerts leaves the queue. See `Notifier.send`."""
        with self._sending:  # what fired before must not arrive after the end of it
            return self._send(message, now)

    def _send(self, message: Message, now: datetime) -> int:
        alerts = orjson.loads(message.body)
        status = self._counted(message, now=now)
        self._note_taken(message, now)
        with self._lock:
            for alert in alerts:
                identity, begun = _identity(alert["labels"]), datetime.fromisoformat(alert["startsAt"])
                self._queue.pop(identity, None)
                self._news.pop(identity, None)
                if datetime.fromisoformat(alert["endsAt"]) <= now:
                    self._ended[identity] = begun
                else:
                    self._over.discard(identity)
                    link = alert.get("generatorURL", "")
                    said = Notice(alert["labels"], alert["annotations"], begun, generator_url=link)
                    self._news[identity] = now, dated(said, read_at=now)
        return status

    def tell_next(self, *, now: datetime, resend: timedelta) -> bool:
        """Send the next batch of the queue; False when nothing is left, or when the peer fails and is left alone.

        Once for all that was offered it first looks at the peer.
        """
        if self._rests_until is not None and now < self._rests_until:
            return False
        if self._look_due and not self._see(now):
            self._rests_until = now + PAUSE
            return False
        with self._sending:
            return self._send_next(now, resend)

    def _send_next(self, now: datetime, resend: timedelta) -> bool:
        batch, offers = self._take()
        if not batch:
            return False
        # Where the peer's clock is ahead, ends are told in its time: in its past they would keep alerts from everybody.
        ahead = max(self.look.skew or timedelta(0), timedelta(0))
        (body,) = encode(list(batch.values()), now=now + ahead, resend=resend)
        message = Message("resend", body)
        try:
            self._counted(message, now=now)
        except RefusedAlertsError as error:
            log.warning("alerts refused", error=str(error))
        except DeliveryError as error:
            with self._lock:
                if offers == self._offers:  # else all that must be known is queued anew
                    self._queue = {**batch, **self._queue}
                    self._make_room()
            self._rests_until = now + max(PAUSE, error.retry_after or PAUSE)
            log.warning("alerts not repeated", error=str(error), again_at=self._rests_until)
            return False
        self._note_taken(message, now)
        return True

    def _note_taken(self, message: Message, now: datetime) -> None:
        skew = self.look.skew or timedelta(0)
        with self._lock:
            for alert in orjson.loads(message.body):
                until = datetime.fromisoformat(alert["endsAt"]) - skew
                self._taken[_identity(alert["labels"])] = _Taken(now, until)

    def _see(self, now: datetime) -> bool:
        """Look at the peer; False where it does not say what it holds and must, or what is over would fire again."""
        self._look_due = False
        try:
            self.look = self.receiver.look(now=now)
        except DeliveryError as error:
            log.warning("silences not read", error=str(error))
        return not self._is_old or self._leave_out_what_is_over(now)

    def _leave_out_what_is_over(self, now: datetime) -> bool:
        try:
            held = self.receiver.held(now=now)
        except DeliveryError as error:
            self._look_due = True
            log.warning("alerts not repeated", error=str(error))
            return False
        there, since = {_identity(labels) for labels in held.labels}, held.since + SLACK
        with self._lock:
            if not self._is_old:  # something newer was offered meanwhile
                return True
            kept = {identity for identity, taken in self._taken.items() if since < taken.at and now < taken.until}
            # Remembered, for an alert that is not repeated runs out, and would then be told anew.
            self._over |= kept - there
            self._queue = {i: one for i, one in self._queue.items() if one.ends_at is not None or i not in self._over}
        return True

    def _take(self) -> tuple[dict[_Identity, Notice], int]:
        """The next batch, the most severe first, as a page inhibits its ticket; and which offer it is of."""
        with self._lock:
            first = sorted(self._queue.items(), key=lambda item: rank(item[1]))[:BATCH]
            for identity, _ in first:
                del self._queue[identity]
            return dict(first), self._offers

    def _make_room(self) -> None:
        if (over := len(self._queue) - self.capacity) > 0:
            for identity, _ in sorted(self._queue.items(), key=lambda item: -rank(item[1]))[:over]:
                del self._queue[identity]
            self.counts.dropped += over

    def _counted(self, message: Message, *, now: datetime) -> int:
        alerts = orjson.loads(message.body)
        try:
            status = self.receiver.send(message, now=now)
        except RefusedAlertsError as error:
            bad = [alerts[place] for place in error.places]
            refused = {_form(alert["labels"], alert["annotations"], alert.get("generatorURL", "")) for alert in bad}
            with self._lock:
                self.counts.sent += len(alerts) - len(error.places)
                self.counts.invalid += len(refused - self._refused)
                self._refused |= refused
            raise
        except DeliveryError:
            self.counts.failed += len(alerts)
            raise
        self.counts.sent += len(alerts)
        return status


def _identity(labels: Mapping[str, str]) -> _Identity:
    return frozenset((name, value) for name, value in labels.items() if value)


def _form(labels: Mapping[str, str], annotations: Iterable[str], link: str) -> bytes:
    """What decides whether an alert is taken. Not what its annotations say, which changes with each window."""
    named = {name: value for name, value in labels.items() if value}
    return orjson.dumps([named, sorted(annotations), link], option=orjson.OPT_SORT_KEYS)
