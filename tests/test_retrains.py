"""Requests to retrain on a real Postgres: one for each incident, one at a time for each model."""

import threading
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, STREAM, FakeCollector, healthy, make_monitor, register, spans, variance_slo

from drift.errors import RetrainStateError, UnknownRetrainError
from drift.pipeline import measure, retrains
from drift.pipeline.monitor import Outlet
from drift.pipeline.retrains import Feedback
from drift.records import RetrainPolicy, RetrainState
from drift.store import outbox, tables
from drift.store import retrains as kept
from drift.wiring.build import muted

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FREE = RetrainPolicy(cooldown=timedelta(minutes=1))
INCIDENT = "B" * 9 + "G" * 30
TWO = (variance_slo(), variance_slo(name="spread-too"))


def play(engine, pattern, policy=FREE, start=START, **changes):
    """The stream with these windows: B is bad, G good, I has too few rows."""
    rows = {"B": lambda i: healthy(80, i) * 5, "G": lambda i: healthy(80, i), "I": lambda i: healthy(3, i)}
    given = {start + i * LENGTH: rows[letter](i) for i, letter in enumerate(pattern)}
    outlet = Outlet(("http://am",), ("retrain",), "http://dash", policy=policy)
    monitor = make_monitor(engine, **{"collector": FakeCollector(given), "outlet": outlet, **changes})
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(len(pattern), start))
    return monitor


def intents(engine):
    """Oldest first."""
    with engine.connect() as conn:
        return kept.retrains(conn)[::-1]


def states(engine) -> list[str]:
    return [intent.state.value for intent in intents(engine)]


def asked(engine) -> list[str]:
    with engine.connect() as conn:
        due = tables.outbox.c.state == "due"
        return list(conn.execute(sa.select(tables.outbox.c.id).where(due, tables.outbox.c.kind == "retrain")).scalars())


def tell(engine, state, *, now=START + DAY, **said):
    with engine.begin() as conn:
        return retrains.report(conn, intents(engine)[0].id, Feedback(state, **said), now=now)


def test_a_page_keeps_an_intent_beside_its_message(engine):
    play(engine, "B" * 9)
    (intent,) = intents(engine)
    assert asked(engine) == [intent.id]
    assert (intent.state, intent.model, intent.slo, intent.stream) == ("requested", "encoder", "spread", "search")
    assert intent.fired_at == intent.asked_at == intent.requested_at == START + 9 * LENGTH
    assert intent.receivers == ("retrain",)


def test_several_objectives_of_one_incident_make_one_request_that_the_others_join(engine):
    play(engine, "B" * 9, slos={"search": TWO})
    first, second = sorted(intents(engine), key=lambda intent: intent.state, reverse=True)
    assert (first.state, second.state, second.because) == ("requested", "joined", first.id)
    assert asked(engine) == [first.id]
    with engine.connect() as conn:
        assert kept.joined_to(conn, first.id) == [second]


def test_while_a_request_is_open_no_other_is_made(engine):
    play(engine, INCIDENT + INCIDENT)
    assert states(engine) == ["requested", "joined"]


def test_after_its_end_a_request_holds_up_no_other(engine):
    play(engine, INCIDENT)
    tell(engine, RetrainState.FAILED, detail="out of memory")
    play(engine, INCIDENT, start=START + DAY)
    assert states(engine) == ["failed", "requested"]


def test_a_model_is_left_alone_until_its_cooldown_is_over(engine):
    policy = RetrainPolicy(cooldown=DAY)
    play(engine, INCIDENT, policy)
    tell(engine, RetrainState.SUCCEEDED, new_version="2", now=START + 2 * HOUR)
    play(engine, INCIDENT, policy, start=START + 4 * HOUR)
    play(engine, INCIDENT, policy, start=START + 8 * HOUR)
    play(engine, INCIDENT, policy, start=START + DAY + HOUR)
    assert states(engine) == ["succeeded", "cooling", "cooling", "requested"]
    assert {intent.because for intent in intents(engine)[1:3]} == {intents(engine)[0].id}


def test_another_model_is_asked_for_all_the_same(engine):
    play(engine, "B" * 9)
    other = replace(STREAM, name="ads", model="other")
    parts = {"stream": other, "parts": (other,), "slos": {"ads": (variance_slo("ads"),)}}
    references = {"ads": replace(make_monitor(engine).references["search"], stream="ads")}
    play(engine, "B" * 9, references=references, **parts)
    assert states(engine) == ["requested", "requested"]


def test_a_request_of_which_nothing_is_heard_does_not_hold_up_others_for_ever(engine):
    policy = RetrainPolicy(cooldown=HOUR, feedback_within=DAY)
    play(engine, INCIDENT, policy)
    play(engine, INCIDENT, policy, start=START + 2 * DAY)
    assert states(engine) == ["failed", "requested"]
    first, second = intents(engine)
    assert first.detail == "nothing was heard of it for 1d"
    assert asked(engine) == [second.id]  # a receiver that was away all the time is not asked for both


def test_a_request_that_nobody_answered_for_approval_does_not_swallow_the_next(engine):
    policy = RetrainPolicy(cooldown=3 * DAY, approval=True, feedback_within=DAY)
    play(engine, INCIDENT, policy)
    play(engine, INCIDENT, policy, start=START + 2 * DAY)
    assert states(engine) == ["failed", "waiting"]


def test_who_was_away_is_not_asked_for_what_has_ended(engine):
    play(engine, "B" * 9)
    tell(engine, RetrainState.FAILED)
    assert asked(engine) == []


def test_nothing_is_asked_for_on_insufficient_data(engine):
    play(engine, "I" * 30)
    with engine.connect() as conn:
        assert conn.execute(sa.select(tables.alert.c.kind)).scalars().all() == ["insufficient"]
    assert intents(engine) == []


def test_replayed_history_is_on_record_and_stands_in_nobodys_way(engine):
    given = FakeCollector({START + i * LENGTH: healthy(80, i) * 5 for i in range(9)})
    monitor = muted(make_monitor(engine, collector=given))
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(9))
    play(engine, "G" * 30 + "B" * 9, start=START + 9 * LENGTH)
    assert states(engine) == ["muted", "requested"]


def test_with_approval_nobody_is_asked_until_a_person_agrees(engine):
    play(engine, "B" * 9, replace(FREE, approval=True))
    assert (states(engine), asked(engine)) == (["waiting"], [])
    id_ = intents(engine)[0].id
    with engine.begin() as conn:
        first = retrains.approve(conn, id_, by="anna", now=START + DAY)
        assert retrains.approve(conn, id_, by="bert", now=START + DAY) == first
    assert (first.state, first.by, first.requested_at) == ("requested", "anna", START + DAY)
    assert asked(engine) == [id_]
    with engine.connect() as conn:
        sent = outbox.claim(conn, "retrain", now=START + DAY)
    assert orjson.loads(sent.body)["id"] == id_


def test_what_was_not_asked_for_cannot_be_approved_or_told_of(engine):
    play(engine, "B" * 9, slos={"search": TWO})
    joined = next(intent for intent in intents(engine) if intent.state is RetrainState.JOINED)
    for call in (
        lambda conn: retrains.approve(conn, joined.id, by="anna", now=START),
        lambda conn: retrains.report(conn, joined.id, Feedback(RetrainState.STARTED), now=START),
    ):
        with engine.begin() as conn, pytest.raises(RetrainStateError, match=f"{joined.because} stands for it"):
            call(conn)
    with engine.begin() as conn, pytest.raises(UnknownRetrainError, match="msg_none"):
        retrains.approve(conn, "msg_none", by="anna", now=START)


def test_what_is_rejected_is_not_sent_and_frees_the_model(engine):
    play(engine, INCIDENT)
    id_ = intents(engine)[0].id
    with engine.begin() as conn:
        done = retrains.reject(conn, id_, by="anna", reason="it is the serving path", now=START + HOUR)
        assert outbox.claim(conn, "retrain", now=START + DAY) is None
    assert (done.state, done.detail) == ("rejected", "it is the serving path")
    play(engine, INCIDENT, start=START + 2 * DAY)
    assert states(engine) == ["rejected", "requested"]


def test_feedback_closes_the_flight_and_says_how_long_it_took(engine):
    play(engine, "B" * 9)
    begun = tell(engine, RetrainState.STARTED, now=START + HOUR)
    assert (begun.started_at, begun.time_to_recover) == (START + HOUR, None)
    done = tell(engine, RetrainState.SUCCEEDED, now=START + 3 * HOUR, new_version="2")
    assert (done.new_version, done.ended_at) == ("2", START + 3 * HOUR)
    assert done.time_to_recover == 3 * HOUR - 9 * LENGTH
    assert tell(engine, RetrainState.SUCCEEDED, now=START + 9 * HOUR, new_version="2") == done


def test_feedback_that_cannot_be_true_is_refused_with_its_reason(engine):
    play(engine, "B" * 9)
    with pytest.raises(RetrainStateError, match="needs the new `version`"):
        tell(engine, RetrainState.SUCCEEDED)
    tell(engine, RetrainState.SUCCEEDED, new_version="2")
    with pytest.raises(RetrainStateError, match="already given version '2', found '3'"):
        tell(engine, RetrainState.SUCCEEDED, new_version="3")
    with pytest.raises(RetrainStateError, match="is succeeded and may become nothing else"):
        tell(engine, RetrainState.FAILED)


def test_two_processes_that_see_an_incident_at_once_make_one_request(engine):
    """Two streams of one model, each in a transaction of its own, one of which commits while the other decides."""
    ads = replace(STREAM, name="ads")
    other = {"stream": ads, "parts": (ads,), "slos": {"ads": (variance_slo("ads"),)}}
    given = FakeCollector({START + i * LENGTH: healthy(80, i) * 5 for i in range(9)})
    references = {name: replace(make_monitor(engine).references["search"], stream=name) for name in ("search", "ads")}
    both = [make_monitor(engine, collector=given, references=references, **changes) for changes in ({}, other)]
    for monitor in both:
        register(engine, monitor)
        with engine.begin() as conn:
            measure.measure_spans(conn, monitor, spans(8))

    def late():
        with engine.begin() as conn:
            measure.measure_spans(conn, both[1], spans(9)[8:])

    second = threading.Thread(target=late)
    with engine.begin() as conn:
        measure.measure_spans(conn, both[0], spans(9)[8:])
        second.start()
        second.join(0.5)
    second.join(20)
    assert sorted(states(engine)) == ["joined", "requested"]
