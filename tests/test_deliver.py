"""The outbox on a real Postgres: nothing lost, nothing sent twice with another id."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, FakeCollector, FakeNotifier, healthy, make_monitor, register, spans, tell_peers

from drift.errors import DeliveryError, RefusedAlertsError
from drift.notify import alertmanager
from drift.notify.base import Look
from drift.notify.muting import Matcher, Silence
from drift.notify.peer import Peer
from drift.pipeline import deliver, measure
from drift.records import Span
from drift.store import endpoints, outbox, reads, tables, writes
from drift.store.outbox import Draft, MessageKind, MessageState
from drift.wiring import build

KNOWN = {("search", "spread")}
RETRAIN = Draft("msg_1", "retrain", MessageKind.RETRAIN, b"{}")


def put(engine, draft=RETRAIN, state=MessageState.DUE):
    with engine.begin() as conn:
        return outbox.put(conn, draft, state=state, now=START)


def attempt(engine, notifier, now=START, receiver="retrain"):
    with engine.begin() as conn:
        return deliver.deliver_one(conn, receiver, notifier, resend=timedelta(minutes=1), now=now)


def row(engine):
    with engine.connect() as conn:
        return conn.execute(sa.select(tables.outbox)).one()


def test_a_message_is_written_down_once(engine):
    assert put(engine)
    assert not put(engine)


def test_a_delivered_message_is_not_sent_again(engine):
    put(engine)
    notifier = FakeNotifier()
    assert attempt(engine, notifier)
    assert not attempt(engine, notifier)
    assert [message.id for message in notifier.sent] == ["msg_1"]
    assert (row(engine).state, row(engine).status, row(engine).attempts) == ("sent", 200, 1)


def test_muted_messages_are_never_sent(engine):
    put(engine, state=MessageState.MUTED)
    assert not attempt(engine, FakeNotifier(), now=START + timedelta(days=99))


def test_a_failed_message_is_tried_again_with_the_same_id_and_bytes_until_it_is_dead(engine):
    put(engine)
    notifier, now, waits = FakeNotifier([DeliveryError("no", status=500)] * 10), START, []
    while row(engine).state == "due":
        now = row(engine).due_at
        assert attempt(engine, notifier, now)
        waits.append((row(engine).due_at - now) / timedelta(seconds=1))
    assert (row(engine).state, row(engine).attempts, row(engine).error) == ("dead", 10, "no")
    nominal = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert waits[:9] == [pytest.approx(wait, rel=0.2) for wait in nominal]


AWAY = DeliveryError("no answer")


def at(number):
    return START + timedelta(minutes=number)


def put_all(engine, *numbers):
    """A message a minute, named by its minute."""
    with engine.begin() as conn:
        for number in numbers:
            draft = Draft(f"msg_{number}", "retrain", MessageKind.RETRAIN, b"{}")
            outbox.put(conn, draft, state=MessageState.DUE, now=at(number))


def rows(engine):
    with engine.connect() as conn:
        return conn.execute(sa.select(tables.outbox).order_by(tables.outbox.c.created_at)).all()


def test_after_a_day_without_its_receiver_everything_arrives_in_order_of_age(engine):
    down, now = FakeNotifier([AWAY] * 99), START
    for hour in range(24):
        now = START + timedelta(hours=hour)
        put_all(engine, 60 * hour)
        while attempt(engine, down, now):
            pass
    up = FakeNotifier()
    put_all(engine, 60 * 24)
    while attempt(engine, up, START + timedelta(hours=24)):
        pass
    assert [message.id for message in up.sent] == [f"msg_{60 * hour}" for hour in range(25)]
    assert max(row.attempts for row in rows(engine)) <= 9  # being tried first has cost the oldest none of its own


def test_once_a_receiver_answers_what_is_held_for_it_goes_out_at_once(engine):
    put_all(engine, *range(6))
    attempt(engine, FakeNotifier([AWAY]), at(6))
    first = min(rows(engine), key=lambda row: row.due_at)
    assert first.id != "msg_5"  # so that there are younger ones, which are due later
    up = FakeNotifier()
    while attempt(engine, up, first.due_at):
        pass
    assert [message.id for message in up.sent] == [f"msg_{number}" for number in range(6)]


def test_a_receiver_that_is_away_is_tried_once_for_all_that_is_due(engine):
    put_all(engine, 0, 1, 2)
    down = FakeNotifier([AWAY])
    assert attempt(engine, down, at(2))
    assert not attempt(engine, down, at(2))
    assert [row.attempts for row in rows(engine)] == [1, 1, 1]


def test_a_message_that_is_refused_holds_up_no_other(engine):
    put_all(engine, 0, 1)
    picky = FakeNotifier([DeliveryError("cannot read it", status=400)])
    while attempt(engine, picky, at(1)):
        pass
    assert [message.id for message in picky.sent] == ["msg_1"]
    assert [(row.state, row.attempts) for row in rows(engine)] == [("due", 1), ("sent", 1)]


def test_a_receiver_that_asks_for_time_gets_it_for_all_messages(engine):
    put_all(engine, 0)
    attempt(engine, FakeNotifier([DeliveryError("slow", status=429, retry_after=timedelta(minutes=10))]), at(0))
    put_all(engine, 1)
    later = FakeNotifier()
    assert not attempt(engine, later, at(9))
    while attempt(engine, later, at(10)):
        pass
    assert [message.id for message in later.sent] == ["msg_0", "msg_1"]


def test_410_disables_the_receiver_until_it_is_enabled_and_loses_nothing(engine):
    put_all(engine, 0, 1)
    assert attempt(engine, FakeNotifier([DeliveryError("gone", status=410, final=True)]), at(1))
    later = FakeNotifier()
    assert not attempt(engine, later, at(5))
    with engine.begin() as conn:
        assert endpoints.endpoints(conn)["retrain"].why == "gone"
        assert endpoints.enable(conn, "retrain")
        assert not endpoints.enable(conn, "retrain")
    assert attempt(engine, later, at(5))
    assert [message.id for message in later.sent] == ["msg_1"]
    with engine.connect() as conn:
        (dead,) = reads.dead_messages(conn, ["retrain"], since=START)
    assert (dead.receiver, dead.messages, dead.error) == ("retrain", 1, "gone")


def test_the_receiver_may_ask_for_more_time(engine):
    put(engine)
    attempt(engine, FakeNotifier([DeliveryError("slow down", status=429, retry_after=timedelta(minutes=2))]))
    assert row(engine).due_at == START + timedelta(minutes=2)


def test_a_final_refusal_ends_it(engine):
    put(engine)
    attempt(engine, FakeNotifier([DeliveryError("gone", status=410, final=True)]))
    assert (row(engine).state, row(engine).status) == ("dead", 410)


def test_a_message_that_nobody_delivers_any_more_is_dead_and_says_so(engine):
    put(engine, Draft("m", "old", MessageKind.RETRAIN, b"{}"))
    with engine.begin() as conn:
        assert outbox.abandon(conn, before=START) == 0
        assert outbox.abandon(conn, before=START + timedelta(seconds=1)) == 1
    assert (row(engine).state, row(engine).error[:30]) == ("dead", "nobody delivers to its receive")


def test_a_message_for_a_disabled_receiver_waits_however_long(engine):
    put(engine, Draft("m", "old", MessageKind.RETRAIN, b"{}"))
    with engine.begin() as conn:
        endpoints.disable(conn, "old", why="gone", now=START)
        assert outbox.abandon(conn, before=START + timedelta(days=9)) == 0
        assert endpoints.enable(conn, "old")
        assert outbox.abandon(conn, before=START + timedelta(days=9)) == 1


def test_an_error_that_nobody_foresaw_is_a_failed_attempt_and_blocks_nothing(engine):
    class Broken:
        def send(self, message, *, now):
            raise RuntimeError("boom")

    put(engine)
    attempt(engine, Broken())
    assert (row(engine).state, row(engine).attempts, row(engine).error) == ("due", 1, "RuntimeError: boom")


def test_news_of_an_alert_is_alive_when_it_is_sent_however_late(engine):
    now = play(engine, "B" * 9) + timedelta(hours=2)
    notifier = FakeNotifier()
    attempt(engine, notifier, now=now, receiver="http://am")
    (alert,) = orjson.loads(notifier.sent[0].body)
    assert alert["endsAt"].startswith((now + timedelta(minutes=15)).isoformat()[:19])


def test_what_is_replayed_is_not_repeated_until_it_goes_on_live(engine):
    now = play(engine, "B" * 9, muted=True)
    assert of_objectives(resend(engine, now, FakeNotifier())) == []
    monitor = make_monitor(engine, collector=FakeCollector({now: healthy(80) * 5}))
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, [Span(now, now + LENGTH)])
    assert len(of_objectives(resend(engine, now + LENGTH, FakeNotifier()))) == 1


def test_what_is_repeated_says_how_things_are_now(engine):
    at_first, later = (
        float(resend(engine, play(engine, pattern), FakeNotifier())[0]["annotations"]["budget_remaining_ratio"])
        for pattern in ("B" * 9, "B" * 30)
    )
    assert later < at_first


def test_alerts_of_objectives_that_are_not_configured_any_more_end(engine):
    now = play(engine, "B" * 9)
    with engine.begin() as conn:
        assert writes.resolve_others(conn, ["ads"], [("ads", "spread")], now=now) == 0  # another process's stream
        assert writes.resolve_others(conn, ["search"], [("search", "spread")], now=now) == 0
        assert writes.resolve_others(conn, ["search"], [("search", "other")], now=now) == 1
    assert resend(engine, now, FakeNotifier())[0]["endsAt"].startswith(now.isoformat()[:19])


def test_two_workers_never_send_the_same_message(engine):
    put(engine)
    with engine.begin() as one, engine.begin() as two:
        assert outbox.claim(one, "retrain", now=START) is not None
        assert outbox.claim(two, "retrain", now=START) is None


def test_a_crash_after_sending_sends_the_same_id_again(engine):
    put(engine)
    notifier = FakeNotifier()
    with engine.connect() as conn:
        deliver.deliver_one(conn, "retrain", notifier, resend=timedelta(minutes=1), now=START)
        conn.rollback()
    attempt(engine, notifier)
    assert [message.id for message in notifier.sent] == ["msg_1", "msg_1"]


def play(engine, pattern, *, muted=False):
    given = {START + i * LENGTH: healthy(80, i) * (5 if letter == "B" else 1) for i, letter in enumerate(pattern)}
    monitor = make_monitor(engine, collector=FakeCollector(given))
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, build.muted(monitor) if muted else monitor, spans(len(pattern)))
    return START + len(pattern) * LENGTH


def resend(engine, now, notifier, *, known=KNOWN, webhooks=()):
    """What an Alertmanager is told of objectives, after it was looked at."""
    peer = Peer(notifier)
    peer.offer([], read_at=now)
    peer.tell_next(now=now, resend=timedelta(minutes=1))
    tell_peers(engine, {"http://am": peer}, known, webhooks, runbook_url="http://d/{alert}", now=now)
    while peer.tell_next(now=now, resend=timedelta(minutes=1)):
        pass
    return [alert for message in notifier.sent for alert in orjson.loads(message.body)]


def of_objectives(told):
    return [alert for alert in told if "slo" in alert["labels"]]


def test_what_fires_is_repeated_with_a_fresh_end(engine):
    now = play(engine, "B" * 9) + timedelta(hours=1)
    (alert,) = of_objectives(resend(engine, now, FakeNotifier()))
    assert alert["labels"]["severity"] == "page"
    assert alert["endsAt"].startswith((now + timedelta(minutes=15)).isoformat()[:19])


def test_what_was_resolved_is_repeated_for_a_quarter_of_an_hour(engine):
    now = play(engine, "B" * 9 + "GG")
    (alert,) = of_objectives(resend(engine, now + timedelta(minutes=14), FakeNotifier()))
    assert alert["endsAt"].startswith(now.isoformat()[:19])
    assert of_objectives(resend(engine, now + timedelta(minutes=16), FakeNotifier())) == []


def test_what_was_resolved_under_a_silence_is_repeated_for_a_quarter_of_an_hour_after_it(engine):
    over = play(engine, "B" * 9 + "GG")
    silence = Silence((Matcher("job_id", "search"),), over - LENGTH, over + timedelta(hours=5))
    other = replace(silence, matchers=(Matcher("job_id", "ads"),))

    def told(minutes: int, silence: Silence) -> int:
        peer = FakeNotifier(looks=Look(timedelta(0), (silence,)))
        return len(of_objectives(resend(engine, over + timedelta(minutes=minutes), peer)))

    assert [told(minutes, silence) for minutes in (120, 314, 316)] == [1, 1, 0]
    assert told(120, other) == 0


def test_an_alert_that_fires_again_is_not_told_to_be_over(engine):
    now = play(engine, "B" * 9 + "GG" + "B" * 9)
    (alert,) = of_objectives(resend(engine, now, FakeNotifier()))
    assert alert["endsAt"] > now.isoformat()


def test_old_news_of_an_alert_is_never_sent_after_newer(engine):
    now = play(engine, "B" * 9 + "GG")
    notifier = FakeNotifier()
    while attempt(engine, notifier, now=now, receiver="http://am"):
        pass
    alerts = [orjson.loads(m.body)[0] for m in notifier.sent if m.id.startswith("alert_")]
    assert [alert["endsAt"][:19] for alert in alerts] == [now.isoformat()[:19]]


def test_news_overtaken_while_it_was_being_tried_is_not_tried_again(engine):
    """The incident ends while the message that it began hangs at the receiver, which then refuses it."""
    now = play(engine, "B" * 9)
    pages = FakeNotifier([DeliveryError("hangs")])
    with engine.connect() as conn, conn.begin():
        claimed = outbox.claim(conn, "http://am", now=now)
        with engine.begin() as settling:
            newer = Draft("newer", "http://am", MessageKind.ALERT, b"[]", claimed_subject(settling, claimed.id))
            outbox.put(settling, newer, state=MessageState.DUE, now=now + timedelta(seconds=1))
        outbox.failed(conn, claimed, DeliveryError("hangs"), again_at=now)
    while attempt(engine, pages, now=now + timedelta(minutes=1), receiver="http://am"):
        pass
    assert claimed.id not in {message.id for message in pages.sent}


def claimed_subject(conn, id_):
    return conn.execute(sa.select(tables.outbox.c.subject).where(tables.outbox.c.id == id_)).scalar_one()


def test_a_refused_batch_keeps_no_later_one_from_being_repeated(engine):
    now = play(engine, "B" * 9)
    with engine.begin() as conn:
        (alert,) = (row.alert for row in reads.alerts(conn, limit=1))
        for i in range(2 * alertmanager.BATCH):
            slo = f"slo {i}"
            writes.save_alert(conn, replace(alert, slo=slo), labels={"slo": slo}, annotations={}, muted=False)
    peer = FakeNotifier([RefusedAlertsError("bad label", status=400, places=(0,))])
    known = {("search", f"slo {i}") for i in range(2 * alertmanager.BATCH)} | KNOWN
    told = resend(engine, now, peer, known=known)
    assert len(of_objectives(told)) == alertmanager.BATCH + 1


def test_a_message_that_a_webhook_never_took_raises_a_ticket_for_a_day(engine):
    put(engine)
    attempt(engine, FakeNotifier([DeliveryError("gone for good", status=410, final=True)]))
    hour = timedelta(hours=1)

    def dead(now, webhooks=("retrain",)):
        told = resend(engine, now, FakeNotifier(), webhooks=webhooks)
        return [alert for alert in told if alert["labels"]["alertname"] == "WebhookDead"]

    (alert,) = dead(START + hour)
    assert alert["labels"] == {
        "alertname": "WebhookDead",
        "receiver": "retrain",
        "service": "drift",
        "severity": "ticket",
    }
    assert alert["annotations"]["description"] == "The newest failed with: gone for good"
    assert alert["annotations"]["runbook_url"] == "http://d/WebhookDead"
    assert dead(START + 25 * hour) == []
    assert dead(START + hour, webhooks=("another file's",)) == []


def test_deliveries_are_listed_for_people(engine):
    put(engine)
    attempt(engine, FakeNotifier([DeliveryError("no", status=500)]))
    with engine.connect() as conn:
        (found,) = reads.deliveries(conn)
    assert (found.id, found.receiver, found.attempts, found.status, found.error) == ("msg_1", "retrain", 1, 500, "no")
