"""The queue in front of one Alertmanager: what is kept, what is dropped, and what is counted."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import orjson
import pytest
from fakes import FakeNotifier

from drift.errors import DeliveryError, RefusedAlertsError
from drift.notify.alertmanager import draft, finished
from drift.notify.base import Look, Message, Notice
from drift.notify.own_alerts import clock_skew, watchdog
from drift.notify.peer import PAUSE, Counts, Peer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RESEND = timedelta(seconds=60)


def notice(slo: object, severity: str = "page", **changes: object) -> Notice:
    labels = {"alertname": "Burn", "slo": str(slo), "severity": severity}
    return replace(Notice(labels, {"summary": "it burns"}, NOW), **changes)


def notices(first: int, end: int) -> list[Notice]:
    return [notice(i) for i in range(first, end)]


def drain(peer: Peer, now: datetime = NOW) -> None:
    while peer.tell_next(now=now, resend=RESEND):
        pass


def told(notifier: FakeNotifier) -> list[list[str]]:
    return [[alert["labels"]["slo"] for alert in orjson.loads(m.body)] for m in notifier.sent]


@pytest.mark.parametrize(
    ("queued", "offered", "dropped", "kept"),
    [(90, 30, 20, (20, 120)), (0, 130, 30, (30, 130)), (100, 130, 130, (130, 230))],
)
def test_a_full_queue_drops_the_oldest_and_counts_them(queued, offered, dropped, kept):
    notifier = FakeNotifier()
    peer = Peer(notifier, capacity=100)
    peer.offer(notices(0, queued), read_at=NOW)
    peer.offer(notices(0, queued + offered), read_at=NOW)
    assert (len(peer), peer.counts.dropped) == (100, dropped)
    drain(peer)
    assert [slo for batch in told(notifier) for slo in batch] == [str(i) for i in range(*kept)]


def test_pages_are_sent_first_and_dropped_last():
    notifier = FakeNotifier()
    peer = Peer(notifier, capacity=2)
    peer.offer([notice("old page"), notice("ticket", "ticket"), notice("page")], read_at=NOW)
    drain(peer)
    assert told(notifier) == [["old page", "page"]]
    peer.offer([notice("ticket", "ticket"), notice("page")], read_at=NOW)
    drain(peer)
    assert told(notifier)[1] == ["page", "ticket"]


def test_all_of_a_large_set_is_sent_in_batches_of_64():
    notifier = FakeNotifier()
    peer = Peer(notifier)
    peer.offer(notices(0, 130), read_at=NOW)
    drain(peer)
    assert [len(batch) for batch in told(notifier)] == [64, 64, 2]
    assert (peer.counts, len(peer)) == (Counts(sent=130), 0)


def test_an_alert_waits_once_as_it_was_offered_last():
    notifier = FakeNotifier()
    peer = Peer(notifier)
    peer.offer([notice("traffic")], read_at=NOW)
    peer.offer([notice("traffic", ends_at=NOW)], read_at=NOW)
    drain(peer)
    (alert,) = orjson.loads(notifier.sent[0].body)
    assert alert["endsAt"] == "2026-01-01T00:00:00Z"


def test_what_a_peer_did_not_take_stays_queued_and_is_tried_after_a_pause():
    notifier = FakeNotifier([DeliveryError("away"), DeliveryError("busy", retry_after=timedelta(minutes=2))])
    peer = Peer(notifier)
    peer.offer(notices(0, 3), read_at=NOW)
    drain(peer)
    assert (len(peer), peer.counts) == (3, Counts(failed=3))
    drain(peer, NOW + PAUSE / 2)
    assert peer.counts.failed == 3
    drain(peer, NOW + PAUSE)
    drain(peer, NOW + PAUSE + timedelta(minutes=1))
    assert peer.counts.failed == 6
    drain(peer, NOW + PAUSE + timedelta(minutes=2))
    assert (len(peer), peer.counts) == (0, Counts(sent=3, failed=6))


def test_what_was_read_before_news_of_its_end_does_not_fire_again():
    peer = Peer(notifier := FakeNotifier())
    peer.send(Message("news", draft(notice("traffic", ends_at=NOW))), now=NOW)
    peer.offer([notice("traffic"), notice("rank")], read_at=NOW)
    assert len(peer) == 1
    peer.offer([replace(notice("traffic"), starts_at=NOW + RESEND), notice("rank")], read_at=NOW)  # another episode
    assert len(peer) == 2
    assert len(notifier.sent) == 1


def test_what_waits_to_fire_and_is_not_offered_any_more_is_over():
    peer = Peer(FakeNotifier())
    peer.repeat([notice("traffic"), notice("StoreUnreachable")])
    peer.offer([notice("rank", ends_at=NOW)], read_at=NOW)
    peer.offer([notice("novelty")], read_at=NOW + RESEND)
    drain(peer)
    assert sorted(slo for batch in told(peer.receiver) for slo in batch) == ["novelty", "rank"]  # an end is still told


def test_what_failed_to_be_sent_is_not_told_any_more_once_all_is_offered_anew():
    class Late(FakeNotifier):
        def send(self, message, *, now):
            if self.failures:
                peer.offer([notice("rank")], read_at=NOW)
            return super().send(message, now=now)

    peer = Peer(notifier := Late([DeliveryError("away")]))
    peer.offer([notice("traffic")], read_at=NOW)
    drain(peer)
    drain(peer, NOW + PAUSE)
    assert told(notifier) == [["rank"]]


def test_news_that_is_younger_than_what_was_read_is_repeated_too():
    peer = Peer(notifier := FakeNotifier())
    body = finished(draft(notice("traffic")), now=NOW + RESEND, resend=RESEND)
    peer.send(Message("news", body), now=NOW + RESEND)
    peer.offer([], read_at=NOW)
    notifier.sent.clear()
    notifier.holds = [notice("traffic").labels]
    peer.repeat([])
    drain(peer, NOW + 2 * RESEND)
    assert told(notifier) == [["traffic"]]


def test_what_was_offered_during_an_attempt_is_newer_than_what_it_failed_to_send():
    class Late(FakeNotifier):
        def send(self, message, *, now):
            if self.failures:
                peer.offer([notice("traffic", ends_at=NOW)], read_at=NOW)
            return super().send(message, now=now)

    notifier = Late([DeliveryError("away")])
    peer = Peer(notifier)
    peer.offer([notice("traffic")], read_at=NOW)
    drain(peer)
    drain(peer, NOW + PAUSE)
    (alert,) = orjson.loads(notifier.sent[0].body)
    assert alert["endsAt"] == "2026-01-01T00:00:00Z"


def test_an_alert_that_was_refused_for_good_is_counted_once_and_not_sent_again_until_it_is_corrected():
    notifier = FakeNotifier([RefusedAlertsError("bad label", status=400, places=(1,))])
    peer = Peer(notifier)
    bad = notice("traffic", labels={"bad-name": "x"})
    peer.offer([notice(0), bad], read_at=NOW)
    drain(peer)
    assert peer.counts == Counts(sent=1, invalid=1)
    peer.offer([notice(0), replace(bad, annotations={"summary": "it burns faster"})], read_at=NOW)
    drain(peer)
    assert told(notifier) == [["0"]]
    peer.offer([replace(bad, labels={"good_name": "x", "slo": "1"})], read_at=NOW)
    drain(peer)
    assert (told(notifier)[1], peer.counts) == (["1"], Counts(sent=3, invalid=1))


def test_news_goes_past_the_queue_and_takes_what_is_older_out_of_it():
    notifier = FakeNotifier()
    peer = Peer(notifier)
    peer.offer([notice("traffic"), notice("rank")], read_at=NOW)
    peer.send(Message("x", draft(notice("traffic", ends_at=NOW))), now=NOW)
    drain(peer)
    assert told(notifier) == [["traffic"], ["rank"]]
    assert peer.counts == Counts(sent=2)


def test_news_that_fails_is_counted_and_leaves_the_queue_as_it_is():
    peer = Peer(FakeNotifier([DeliveryError("away")]))
    peer.offer([notice("traffic")], read_at=NOW)
    with pytest.raises(DeliveryError):
        peer.send(Message("x", draft(notice("traffic"))), now=NOW)
    assert (len(peer), peer.counts) == (1, Counts(failed=1))


@dataclass
class Hanging(FakeNotifier):
    """Answers when it is released."""

    asked: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)

    def send(self, message, *, now):
        self.asked.set()
        assert self.released.wait(30)
        return super().send(message, now=now)


def test_a_peer_that_hangs_lets_alerts_be_queued():
    notifier = Hanging()
    peer = Peer(notifier)
    peer.offer([notice("first")], read_at=NOW)
    thread = Thread(target=drain, args=(peer,))
    thread.start()
    try:
        assert notifier.asked.wait(30)
        peer.offer([notice("second")], read_at=NOW)
        assert len(peer) == 1
    finally:
        notifier.released.set()
        thread.join()
    assert told(notifier) == [["first"], ["second"]]


def test_a_peer_is_looked_at_once_a_round_and_its_last_look_kept_when_it_does_not_answer():
    class Blind(FakeNotifier):
        looked = 0

        def look(self, *, now):
            self.looked += 1
            if self.looked > 1:
                raise DeliveryError("no silences here")
            return Look(timedelta(seconds=40))

    notifier = Blind()
    peer = Peer(notifier)
    for _ in range(2):
        peer.offer(notices(0, 70), read_at=NOW)
        drain(peer)
    assert (notifier.looked, peer.look.skew) == (2, timedelta(seconds=40))
    assert peer.counts == Counts(sent=140)


def test_what_another_process_has_told_the_end_of_is_not_repeated_by_one_that_cannot_read():
    notifier = FakeNotifier()
    peer = Peer(notifier)
    peer.offer([notice("over"), notice("goes on")], read_at=NOW)
    drain(peer)
    notifier.holds = [notice("goes on").labels]
    peer.repeat([notice("over"), notice("goes on"), notice("not told yet")])
    drain(peer)
    assert told(notifier)[1] == ["goes on", "not told yet"]
    peer.offer([notice("over")], read_at=NOW)  # as it was read anew
    drain(peer)
    assert told(notifier)[2:] == [["over"]]


def told_anew(peer: Peer, notifier: FakeNotifier, now: datetime) -> list[str]:
    """What it is told of "traffic", which it took and does not hold, by a process that cannot read."""
    notifier.sent.clear()
    peer.repeat([notice("traffic")])
    drain(peer, now)
    return [slo for batch in told(notifier) for slo in batch]


def taken(notifier: FakeNotifier) -> Peer:
    """A peer that has taken "traffic", and does not hold it any more."""
    peer = Peer(notifier)
    peer.offer([notice("traffic")], read_at=NOW)
    drain(peer)
    return peer


def test_what_is_over_stays_over_when_it_would_have_run_out():
    peer = taken(notifier := FakeNotifier())
    for minutes in (1, 14, 16, 60):
        assert told_anew(peer, notifier, NOW + timedelta(minutes=minutes)) == []
    notifier.runs_since = NOW + timedelta(hours=2)
    assert told_anew(peer, notifier, NOW + timedelta(hours=3)) == []
    peer.offer([notice("traffic")], read_at=NOW)
    drain(peer, NOW + timedelta(hours=3))
    assert told(notifier) == [["traffic"]]


@pytest.mark.parametrize(("seconds", "expected"), [(-3600, []), (-1, ["traffic"]), (0, ["traffic"]), (50, ["traffic"])])
def test_a_peer_that_has_started_anew_since_it_took_an_alert_is_told_of_it_again(seconds, expected):
    peer = taken(notifier := FakeNotifier())
    notifier.runs_since = NOW + timedelta(seconds=seconds)
    assert told_anew(peer, notifier, NOW + RESEND) == expected


@pytest.mark.parametrize(("skew", "minutes", "expected"), [(0, 14, []), (0, 15, ["traffic"]), (5, 15, ["traffic"])])
def test_a_peer_that_has_heard_nothing_for_long_is_told_again_of_what_ran_out(skew, minutes, expected):
    peer = taken(notifier := FakeNotifier(looks=Look(timedelta(minutes=skew))))
    assert told_anew(peer, notifier, NOW + timedelta(minutes=minutes)) == expected


def test_what_has_fired_since_it_was_read_is_repeated_until_its_end_is_told():
    def news(*notices: Notice) -> None:
        for one in notices:
            body = finished(draft(one), now=NOW, resend=RESEND)
            peer.send(Message("news", body), now=NOW)

    peer = Peer(notifier := FakeNotifier())
    read = [notice("traffic", annotations={"description": "as it was read"}), notice("again")]
    later = notice("again", starts_at=NOW + RESEND)
    peer.offer(read, read_at=NOW)
    news(notice("traffic"), notice("rank", generator_url="http://dash"), later)
    news(notice("short"), notice("short", ends_at=NOW))
    notifier.holds = [notice(slo).labels for slo in ("traffic", "rank", "again")]
    for minutes in (1, 30):
        notifier.sent.clear()
        peer.repeat(read)
        drain(peer, NOW + timedelta(minutes=minutes))
        (message,) = notifier.sent
        again = {alert["labels"]["slo"]: alert for alert in orjson.loads(message.body)}
        assert sorted(again) == ["again", "rank", "traffic"]
        assert again["again"]["startsAt"] == "2026-01-01T00:01:00Z"
        assert again["traffic"]["annotations"]["description"] == "as it was read"
        assert again["rank"]["annotations"]["description"].startswith("As of 2026-01-01 00:00:00 UTC: nothing newer")
        assert again["rank"]["generatorURL"] == "http://dash"
    notifier.sent.clear()
    peer.offer([notice("traffic")], read_at=NOW)  # by then it is among what is read, or over
    peer.repeat([notice("traffic")])
    drain(peer, NOW + timedelta(minutes=31))
    assert told(notifier) == [["traffic"]]


def test_a_peer_that_does_not_say_what_it_holds_is_told_nothing_old_until_it_does():
    class Shy(FakeNotifier):
        asked = 0

        def held(self, *, now):
            self.asked += 1
            if self.asked == 1:
                raise DeliveryError("not now")
            return super().held(now=now)

    notifier = Shy()
    peer = Peer(notifier)
    peer.repeat([notice("traffic")])
    drain(peer)
    assert (told(notifier), len(peer)) == ([], 1)
    drain(peer, NOW + PAUSE)
    assert told(notifier) == [["traffic"]]


@pytest.mark.parametrize(("skew", "ends"), [(3600, "01:15:00"), (-3600, "00:15:00"), (None, "00:15:00")])
def test_no_alert_ends_in_the_past_of_a_peer_whose_clock_is_ahead(skew, ends):
    notifier = FakeNotifier(looks=Look(None if skew is None else timedelta(seconds=skew)))
    peer = Peer(notifier)
    peer.offer([notice("traffic")], read_at=NOW)
    drain(peer)
    (alert,) = orjson.loads(notifier.sent[0].body)
    assert alert["endsAt"] == f"2026-01-01T{ends}Z"


@pytest.mark.parametrize(
    ("seconds", "said"), [(30, None), (31, "31 s ahead of"), (-30, None), (-3600, "3600 s behind"), (None, None)]
)
def test_a_clock_that_is_more_than_half_a_minute_off_raises_an_alert(seconds, said):
    skew = None if seconds is None else timedelta(seconds=seconds)
    found = clock_skew("http://am", skew, "http://d/{alert}", now=NOW)
    assert (found is None) == (said is None)
    if found is not None:
        assert said in found.annotations["summary"]
        assert found.annotations["runbook_url"] == "http://d/ClockSkew"
        assert found.labels == {"alertname": "ClockSkew", "severity": "ticket", "service": "drift", "peer": "http://am"}


def test_the_watchdog_has_labels_that_never_change():
    first, later = (watchdog("", now=NOW + timedelta(hours=hours)) for hours in (0, 1))
    assert first.labels == later.labels == {"alertname": "Watchdog", "severity": "none", "service": "drift"}
    assert "runbook_url" not in first.annotations
