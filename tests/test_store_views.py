"""Reads for people: thinned, bounded, and of one moment."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import orjson
import pytest
import sqlalchemy as sa

from dashboard import charts, looks, matrix, past, words
from dashboard.declared import Declared
from dashboard.series import Range
from dashboard.standing import Fleet, lines
from drift.alert import Alert, AlertKind, AlertState, Watch
from drift.config import AccessConfig, StreamConfig
from drift.errors import DeliveryError, StoreError
from drift.records import Gap, GapReason, Measurement, Rows, Span, Stream, Window
from drift.slo import Budget, Burn, Outcome, Sli, Slo, Slot
from drift.store import incidents, operations, outbox, outgoing, reads, views, writes
from drift.store.connect import connect_reader
from drift.store.fleet import standings
from drift.store.outbox import Draft, MessageKind, MessageState
from drift.store.reads import StreamRow

START = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = Span(START, START + timedelta(days=1))
SLO = Slo("rank", "s", Sli("rank", at_least=0.8), Fraction("0.95"), MINUTE)


def minute(i: int) -> Span:
    return Span(START + i * MINUTE, START + (i + 1) * MINUTE)


def measured(i: int, value: float, detector: str = "rank") -> Measurement:
    return Measurement("s", minute(i), detector, "r", float(value), 400, p_value=0.5)


def record(engine: sa.Engine, measurements: list[Measurement]) -> None:
    with engine.begin() as conn:
        for span in {m.span for m in measurements}:
            writes.save_window(conn, Window(Stream("s", "m", "1", 2), span, Rows.none(2), 0))
        writes.record(conn, measurements)


def test_few_measurements_come_whole(engine):
    record(engine, [measured(i, i) for i in range(20)])
    with views.reading(engine) as conn:
        found = views.thinned_measurements(conn, SLO, DAY, most=20)
    assert [m.value for m in found] == list(range(20))


def test_thinning_keeps_the_worst_and_the_best_of_each_stretch(engine):
    values = [1.0] * 120
    values[7], values[100] = -5.0, 9.0
    record(engine, [measured(i, value) for i, value in enumerate(values)])
    span = Span(START, START + 120 * MINUTE)
    with views.reading(engine) as conn:
        found = views.thinned_measurements(conn, SLO, span, most=12)
    assert len(found) <= 12
    assert {-5.0, 9.0} <= {m.value for m in found}
    assert found == sorted(found, key=lambda m: m.span)


def test_of_a_long_range_a_segment_has_its_newest_number_and_all_of_its_bad_windows(engine, monkeypatch):
    monkeypatch.setattr(past, "FEW_POINTS", 12)
    values = [0.5 + (i + 4) % 7 / 10 for i in range(120)]  # the newest is neither least nor greatest
    record(engine, [measured(i, value) for i, value in enumerate(values)])
    with engine.begin() as conn:
        for i, value in enumerate(values):
            slot(conn, i, 1, Outcome.BAD if value < 0.8 else Outcome.GOOD)
    with views.reading(engine) as conn:
        (found,) = looks.by_segment(conn, SLO, Range(fixed=Span(START, START + 120 * MINUTE)), [SLO]).series
    assert len(found.measurements) <= 13
    assert (found.measurements[-1].value, found.bad) == (values[-1], sum(value < 0.8 for value in values))
    assert charts.of_segment(found).note == f"newest {words.number(values[-1])}, {found.bad} bad windows"


def test_the_newest_measurement_of_each_pair_is_found_across_months(engine):
    record(engine, [measured(0, 1), measured(90, 2), measured(0, 3, "mmd")])
    with views.reading(engine) as conn:
        found = views.latest_measurements(conn, [("s", "rank"), ("s", "mmd"), ("s", "skew"), ("t", "rank")])
        assert views.latest_measurements(conn, []) == []
    assert {(m.detector, m.value) for m in found} == {("rank", 2), ("mmd", 3)}


def test_of_each_detector_the_newest_window_of_a_stretch_is_read_and_no_other(engine, monkeypatch):
    for detector, far in (("rank", 90), ("mmd", 50)):
        record(engine, [measured(i, i, detector) for i in (*range(40), far)])
    record(engine, [measured(99, 1, "probe")])
    made, read = reads.measurement_of, []
    monkeypatch.setattr(reads, "measurement_of", lambda row: read.append(row) or made(row))
    with views.reading(engine) as conn:
        found = matrix.pair(conn, "s", *(Span(START, START + n * MINUTE) for n in (20, 60)), slos=())
        nothing = views.newest_within(conn, "t", DAY)
    first, second = ({name: m.value for name, m in of.items()} for of in (found.first, found.second))
    assert (first, second, nothing) == ({"rank": 19, "mmd": 19}, {"rank": 39, "mmd": 50}, [])
    assert len(read) == 4


def test_trails_have_the_newest_numbers_of_each_pair_in_order(engine):
    record(engine, [measured(i, i) for i in (3, 1, 2, 0)])
    record(engine, [measured(0, 9, "mmd")])
    with views.reading(engine) as conn:
        found = views.trails(conn, [("s", "rank"), ("s", "mmd"), ("t", "rank")], last=3)
    assert {trail.detector: trail.values for trail in found} == {"rank": (1, 2, 3), "mmd": (9,)}
    assert {len(trail.p_values) == len(trail.values) for trail in found} == {True}


def test_gaps_that_follow_each_other_for_one_reason_are_one(engine):
    reasons = {0: GapReason.NO_DATA, 1: GapReason.NO_DATA, 2: GapReason.TOO_FEW_ROWS, 9: GapReason.TOO_FEW_ROWS}
    with engine.begin() as conn:
        writes.record_gaps(conn, [Gap("s", minute(i), "rank", reason, f"at {i}") for i, reason in reasons.items()])
        writes.record_gaps(
            conn, [Gap("s", minute(5), "", GapReason.FAILED, "all"), Gap("s", minute(6), "mmd", GapReason.FAILED, "")]
        )
    with views.reading(engine) as conn:
        found = views.gap_runs(conn, "s", "rank", DAY)
        newest = views.gap_runs(conn, "s", "rank", DAY, limit=1)
    assert [(gap.span.start, gap.span.length // MINUTE, gap.reason, gap.detail) for gap in found] == [
        (minute(0).start, 2, GapReason.NO_DATA, "at 1"),
        (minute(2).start, 1, GapReason.TOO_FEW_ROWS, "at 2"),
        (minute(5).start, 1, GapReason.FAILED, "all"),
        (minute(9).start, 1, GapReason.TOO_FEW_ROWS, "at 9"),
    ]
    assert newest == found[-1:]


def slot(conn: sa.Connection, i: int, burn: int, outcome: Outcome = Outcome.GOOD) -> None:
    burns = tuple(Burn(rule, Fraction(burn), Fraction(burn), 1, None, False, False) for rule in SLO.rules)
    writes.save_slot(conn, SLO, Slot(minute(i), outcome), Budget(minute(i).end, Fraction(1), burns))


def test_reach_is_from_the_first_slot_to_the_end_of_the_last(engine):
    with engine.begin() as conn:
        assert views.reach(conn, "s", "rank") is None
        slot(conn, 3, 0)
        slot(conn, 8, 0)
        assert views.reach(conn, "s", "rank") == Span(minute(3).start, minute(8).end)


def test_thinned_slots_keep_the_peak_of_the_burn(engine):
    with engine.begin() as conn:
        for i in range(60):
            slot(conn, i, 50 if i == 31 else 0)
        found = views.thinned_budgets(conn, "s", "rank", Span(START, START + 60 * MINUTE), most=6)
    assert len(found) <= 6
    assert max(row.burn_long for row in found) == 50


def test_messages_name_the_stream_and_objective_that_they_tell_of(engine):
    alert = b'[{"labels":{"job_id":"s","slo":"rank"},"startsAt":"2026-03-31T23:00:00+00:00"}]'
    retrain = b'{"time":"2026-03-31T23:00:00+00:00","data":{"stream":"s","slo":"rank"}}'
    drafts = [
        (Draft("a", "am", MessageKind.ALERT, alert), MessageState.SENT),
        (Draft("b", "hook", MessageKind.RETRAIN, retrain), MessageState.SENT),
        (Draft("c", "hook", MessageKind.RETRAIN, b"\xff"), MessageState.DEAD),
    ]
    with engine.begin() as conn:
        for i, (draft, state) in enumerate(drafts):
            outbox.put(conn, draft, state=state, now=START + i * MINUTE)
        found = outgoing.messages(conn)
        assert outgoing.undelivered(conn, since=START, now=START) == 1
        assert outgoing.undelivered(conn, since=DAY.end, now=START) == 0
    assert [(row.delivery.id, row.stream, row.slo) for row in found] == [
        ("c", "", ""),
        ("b", "s", "rank"),
        ("a", "s", "rank"),
    ]


def told(conn: sa.Connection, name: str, i: int, state: MessageState = MessageState.SENT) -> None:
    body = b'[{"labels":{"job_id":"%s","slo":"rank"}}]' % name.encode()
    outbox.put(conn, Draft(f"{name}{i}", "am", MessageKind.ALERT, body), state=state, now=START + i * MINUTE)


def test_messages_and_alerts_of_others_take_no_place_of_those_that_are_asked_for(engine):
    with engine.begin() as conn:
        for i, name in enumerate(("s", "t", "lang=größe")):
            told(conn, name, i)
            alert = Alert(name, "rank", AlertKind.PAGE, AlertState.FIRING, START + i * MINUTE, START + i * MINUTE)
            writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)
        for name in ("s", "lang=größe"):
            assert [row.stream for row in outgoing.messages(conn, among=(name,), limit=1)] == [name]
            assert [row.alert.stream for row in reads.alerts(conn, among=(name,), limit=1)] == [name]
        assert outgoing.messages(conn, among=()) == []


def test_messages_are_found_by_the_whole_name_of_their_stream_in_alerts_and_events_alike(engine):
    names = ["s", "lang=größe", 'a "quoted" name', "back\\slash", "tab\t"]
    with engine.begin() as conn:
        for i, name in enumerate(names):
            labels = orjson.dumps([{"labels": {"alertname": "x", "job_id": name, "slo": "s"}}])
            event = orjson.dumps({"id": "x", "data": {"model": "s", "stream": name}})
            for kind, body in ((MessageKind.ALERT, labels), (MessageKind.RETRAIN, event)):
                outbox.put(conn, Draft(f"{kind}{i}", "am", kind, body), state=MessageState.SENT, now=START + i * MINUTE)
        for i, body in enumerate((b"", b"\xff\x00", b"[]", b'{"data":{}}', b'[{"labels":{"job_id":"s2"}}]')):
            draft = Draft(f"other{i}", "am", MessageKind.ALERT, body)
            outbox.put(conn, draft, state=MessageState.SENT, now=START)
        for name in names:
            assert [row.stream for row in outgoing.messages(conn, among=(name, "nobody"))] == [name] * 2
        assert len(outgoing.messages(conn, among=names)) == 2 * len(names)


def test_a_message_is_not_searched_for_each_stream_that_a_visitor_may_see(engine):
    asked = []
    with engine.begin() as conn:
        told(conn, "t", 0)
        sa.event.listen(conn, "before_cursor_execute", lambda *args: asked.append(args[2:4]))
        outgoing.messages(conn, among=[f"stream-{i}" for i in range(100, 1000)])
        ((query, parameters),) = asked
        (plan,) = conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", parameters).scalars()
    looked = [part["Actual Rows"] for part in parts(plan[0]["Plan"]) if part["Node Type"] == "Function Scan"]
    assert looked == [1]  # one length of 900 names


def parts(plan):
    return [plan, *(part for each in plan.get("Plans", ()) for part in parts(each))]


def test_messages_since_a_moment_are_the_newer_ones_and_those_that_still_wait(engine):
    with engine.begin() as conn:
        for i, state in enumerate((MessageState.DUE, MessageState.DEAD, MessageState.SENT, MessageState.SENT)):
            told(conn, "s", i, state)
        found = outgoing.messages(conn, since=START + 3 * MINUTE)
    assert [row.delivery.id for row in found] == ["s0", "s3"]


def test_a_message_that_used_up_its_attempts_is_given_up_when_it_dies_and_not_when_it_was_written(engine):
    since = START + timedelta(days=2)
    refused = DeliveryError("hook answered 503", status=503)
    with engine.begin() as conn:
        for i, last in enumerate((since - MINUTE, since)):
            told(conn, "s", i)
            outbox.put(conn, Draft(f"hook{i}", "hook", MessageKind.EVENT, b"{}"), state=MessageState.DUE, now=START)
            tried = outbox.Delivery(f"hook{i}", "hook", MessageKind.EVENT, b"{}", 9, START, last)
            outbox.failed(conn, tried, refused, again_at=last)
            outbox.failed(conn, tried, refused, again_at=None)
        (hook,) = operations.receivers(conn, since=since, now=since)
        assert outgoing.undelivered(conn, since=since, now=since) == 1
        assert [row.delivery.id for row in outgoing.messages(conn, since=since)] == ["hook1"]
    assert (hook.receiver, hook.dead, hook.error) == ("hook", 1, "hook answered 503")


def test_other_alerts_are_of_its_own_stream_first_and_of_no_stream_that_is_not_asked_for(engine):
    with engine.begin() as conn:
        for i, (stream, slo) in enumerate([("hidden", "rank"), ("other", "rank"), ("s", "rank"), ("s", "traffic")]):
            began = START + i * MINUTE
            alert = Alert(stream, slo, AlertKind.PAGE, AlertState.FIRING, began, began)
            writes.save_alert(conn, alert, labels={"model_id": "m"}, annotations={}, muted=False)
        mine = incidents.episode(conn, "s", "traffic", AlertKind.PAGE, began)

        def streams(**asked) -> list[str]:
            return [row.alert.stream for row in incidents.related(conn, mine, DAY, **asked)]

        assert streams() == ["s", "hidden", "other"]
        assert streams(limit=1) == ["s"]
        assert streams(among=("s", "other"), limit=2) == ["s", "other"]
        assert streams(among=("other",)) == ["other"]


def test_an_alert_that_is_open_for_long_gives_way_to_none_that_is_over(engine):
    with engine.begin() as conn:
        for i, ended in enumerate((None, START + 2 * MINUTE, START + 3 * MINUTE, None)):
            state, began = AlertState.RESOLVED if ended else AlertState.FIRING, START + i * MINUTE
            alert = Alert("s", f"slo{i}", AlertKind.PAGE, state, began, began, ended)
            writes.save_alert(conn, alert, labels={}, annotations={}, muted=False)
        found = reads.alerts(conn, limit=3)
    assert [row.alert.slo for row in found] == ["slo3", "slo0", "slo2"]


def test_reads_see_one_moment_while_others_write(engine):
    with views.reading(engine) as conn:
        before = (reads.streams(conn), views.now(conn))
        with engine.begin() as other:
            writes.register(other, Stream("s", "m", "1", 2), team="", open_from=START)
        assert (reads.streams(conn), views.now(conn)) == before


@pytest.mark.parametrize(
    ("age", "lateness", "state"),
    [(13, 10, "ok"), (14, 10, "no data"), (3, 0, "ok"), (4, 0, "no data"), (5, None, "ok"), (6, None, "no data")],
)
def test_an_objective_has_no_data_once_three_windows_and_late_rows_have_been_waited_for(engine, age, lateness, state):
    """By the API and `drift status` as by the dashboard, whose configuration may not know the stream."""
    waits = {} if lateness is None else {"s": lateness * MINUTE}
    config = {"id": "s", "model": "m", "dim": 2, "reference": {"path": "x.parquet"}}
    streams = {"s": StreamConfig.model_validate(config | {"lateness": waits["s"]})} if waits else {}
    declared = Declared(streams, {"s": {"rank": SLO}}, AccessConfig())
    with engine.begin() as conn:
        slot(conn, 0, 0)
        writes.save_watch(conn, SLO, Watch(), Slot(minute(0), Outcome.GOOD))
        now = minute(age).end + MINUTE / 2
        (found,) = standings(conn, now=now, lateness=waits)
    row = StreamRow(Stream("s", "m", "1", 2), "", None)
    (line,) = lines(Fleet(now, (row,), (found.budget,), (), (), (), 0), declared)
    assert (found.state, str(line.standing)) == (state.replace(" ", ""), state)


def test_a_database_that_does_not_answer_is_named_without_its_password():
    reader = connect_reader("postgresql://me:secret@127.0.0.1:1/nowhere")
    with pytest.raises(StoreError, match="1/nowhere does not answer") as found, views.reading(reader):
        pass
    assert "secret" not in str(found.value)
