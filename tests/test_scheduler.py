"""The queue and the clocks, on a real Postgres."""

import datetime as dt
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from zoneinfo import ZoneInfo

import fakes
import httpx2
import orjson
import pytest
import sqlalchemy as sa
from fakes import (
    LENGTH,
    REFERENCE,
    START,
    STREAM,
    FakeCollector,
    FakeEncoder,
    FakeNotifier,
    healthy,
    make_monitor,
    register,
    spans,
    variance_slo,
)
from peers import until

from drift.encoder.endpoint import Endpoint
from drift.notify.base import Notice
from drift.notify.peer import Peer
from drift.pipeline.canary import Trial
from drift.pipeline.canary_inputs import CanaryInputs
from drift.pipeline.digest import Schedule
from drift.pipeline.environment import Environment
from drift.pipeline.gates import Gatekeeper
from drift.pipeline.pictures import Painter
from drift.records import CanaryRule, GapReason, Judgement
from drift.scheduler import BATCH, CLOCKS, GIVE_UP_AFTER, Scheduler, Service, Tally, work_once
from drift.store import diagnoses, jobs, operations, outbox, reads, tables
from drift.store.connect import OperationalError


@dataclass
class Clock:
    """A time of day that the test sets."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class BrokenCollector(FakeCollector):
    """Fails on one window, as often as it is told to."""

    broken: datetime = START
    failures: list[str] = field(default_factory=list)

    def collect(self, stream, span, *, limit):
        if span.start == self.broken and self.failures:
            raise RuntimeError(self.failures.pop(0))
        return super().collect(stream, span, limit=limit)


class Unable(FakeEncoder):
    """An encoder that runs out of memory."""

    def encode(self, inputs):
        raise RuntimeError("out of memory")


def make_service(engine, clock, **changes) -> Service:
    monitor = make_monitor(engine, **changes)
    register(engine, monitor)
    day = timedelta(days=1)
    quiet = {"http://am": Peer(FakeNotifier())}
    return Service(engine, {"search": monitor}, quiet, {"retrain": FakeNotifier()}, day, 14 * day, 400 * day, clock)


def queue(engine, count, stream="search", now=START):
    with engine.begin() as conn:
        jobs.add(conn, stream, spans(count), now=now)


def claim(conn, **changes):
    return jobs.claim(conn, **{"streams": ["search", "ads"], "now": START, "most": BATCH, **changes})


def test_two_workers_never_claim_the_same_stream(engine):
    queue(engine, 3)
    queue(engine, 3, stream="ads")
    with engine.begin() as one, engine.begin() as two, engine.begin() as three:
        claimed = [claim(conn) for conn in (one, two, three)]
    assert sorted(job.stream for job in claimed[:2]) == ["ads", "search"]
    assert claimed[2] is None


def test_windows_that_a_dead_worker_held_are_free_at_once(engine):
    queue(engine, 1)
    dead = engine.connect()
    assert claim(dead) is not None
    dead.invalidate()
    dead.close()
    with engine.begin() as conn:
        assert claim(conn) is not None


def test_a_window_is_queued_once(engine):
    queue(engine, 2)
    with engine.begin() as conn:
        assert jobs.add(conn, "search", spans(3), now=START) == 1


def test_windows_are_measured_oldest_first_even_when_the_oldest_failed(engine):
    queue(engine, 2)
    with engine.begin() as conn:
        jobs.postpone(conn, claim(conn), until=START + timedelta(minutes=1), error="boom")
        assert claim(conn) is None
        assert claim(conn, now=START + timedelta(minutes=1)).spans == tuple(spans(1))


def test_all_windows_are_worked_off(engine):
    given = {START + i * LENGTH: healthy(80, i) for i in range(40)}
    service = make_service(engine, Clock(START + timedelta(days=1)), collector=FakeCollector(given))
    queue(engine, 40)
    rounds = 0
    while work_once(service):
        rounds += 1
    assert rounds == 3
    with engine.connect() as conn:
        assert fakes.verdicts(conn)[("search", "spread")] == (40, 0)
        assert operations.queue(conn) == []


def test_a_failure_undoes_its_writes_and_is_tried_again(engine):
    given = {START + i * LENGTH: healthy(80, i) for i in range(3)}
    collector = BrokenCollector(given, broken=START + 2 * LENGTH, failures=["once"])
    clock = Clock(START)
    service = make_service(engine, clock, collector=collector)
    queue(engine, 3)
    assert work_once(service)
    with engine.connect() as conn:
        assert fakes.verdicts(conn) == {}
        assert operations.queue(conn)[0].error == "RuntimeError: once"
    clock.now += timedelta(minutes=1)
    while work_once(service):
        pass
    with engine.connect() as conn:
        assert fakes.verdicts(conn)[("search", "spread")] == (3, 0)


def test_a_window_that_always_fails_becomes_a_gap_and_holds_up_no_other(engine):
    given = {START + i * LENGTH: healthy(80, i) for i in range(3)}
    collector = BrokenCollector(given, broken=START + LENGTH, failures=["boom"] * 99)
    clock = Clock(START)
    service = make_service(engine, clock, collector=collector)
    queue(engine, 3)
    for _ in range(20):
        clock.now += timedelta(minutes=10)
        work_once(service)
    with engine.connect() as conn:
        (gap,) = reads.gaps(conn, "search", START, START + 3 * LENGTH)
        outcomes = [row.outcome for row in reads.budgets(conn, "search", START, START + 3 * LENGTH)]
    assert (gap.span, gap.reason) == (spans(2)[1], GapReason.FAILED)
    assert outcomes == ["good", "missing", "good"]
    assert len(collector.failures) == 99 - GIVE_UP_AFTER - 1  # one of them in a batch, before the window was known


def test_the_clocks_close_measure_alert_and_deliver(engine):
    given = {START + i * LENGTH: healthy(80, i) * 5 for i in range(12)}
    service = make_service(engine, Clock(START + 12 * LENGTH + timedelta(minutes=1)), collector=FakeCollector(given))
    scheduler = Scheduler(service)
    scheduler.start()
    try:
        retrain = service.webhooks["retrain"]
        deadline = time.monotonic() + 20
        while not retrain.sent and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        scheduler.stop()
    assert len(retrain.sent) == 1
    assert len(service.alertmanagers["http://am"].receiver.sent) >= 1
    assert service.failures.counts == {}


def test_receivers_that_hang_keep_no_window_from_being_measured(engine):
    given = {START + i * LENGTH: healthy(80, i) for i in range(3)}
    service = make_service(engine, Clock(START + 3 * LENGTH + timedelta(minutes=1)), collector=FakeCollector(given))
    release, names = Event(), [f"http://am{i}" for i in range(12)]

    class Hanging(FakeNotifier):
        def send(self, message, *, now):
            release.wait(30)
            return 200

    with engine.begin() as conn:
        for name in names:
            draft = outbox.Draft("m", name, outbox.MessageKind.RETRAIN, b"{}")
            outbox.put(conn, draft, state=outbox.MessageState.DUE, now=START)
    peers = {name: Peer(Hanging()) for name in names}
    scheduler = Scheduler(replace(service, alertmanagers=peers, resend=timedelta(days=1)))
    scheduler.start()
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not measured(engine):
            time.sleep(0.05)
        assert measured(engine)
    finally:
        release.set()
        scheduler.stop()


def test_an_alertmanager_that_hangs_keeps_no_other_from_hearing_every_round(engine):
    release = Event()

    class Hanging(FakeNotifier):
        def look(self, *, now):
            release.wait(30)
            return super().look(now=now)

    there = Peer(FakeNotifier())
    peers = {"hangs": Peer(Hanging()), "there": there}
    service = make_service(engine, Clock(START))
    scheduler = Scheduler(replace(service, alertmanagers=peers, resend=timedelta(seconds=1)))
    scheduler.start()
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and len(there.receiver.sent) < 2:
            time.sleep(0.05)
        assert len(there.receiver.sent) >= 2
        assert peers["hangs"].counts.sent == 0
    finally:
        release.set()
        scheduler.stop()


def measured(engine):
    with engine.connect() as conn:
        return fakes.verdicts(conn)


def test_failures_are_counted_under_the_names_of_the_clocks(engine):
    def broken() -> datetime:
        raise RuntimeError("no time")

    made = replace(REFERENCE, fingerprint="fake", rows=replace(REFERENCE.rows, inputs=("text",) * 512))
    environment = Environment(Unable(), timedelta(days=1))
    service = make_service(engine, Clock(), references={"search": made}, environment=environment)
    with engine.begin() as conn:
        diagnoses.ask(conn, diagnoses.Request("search", "", spans(1)[0]), now=START)
    nine = Schedule(dt.time(9), ZoneInfo("UTC"), ("retrain",))
    monitor = service.monitors["search"]
    trials = (Trial(monitor, monitor, CanaryRule(("novelty",))),)
    more = {
        "trials": trials,
        "gatekeepers": {"search": Gatekeeper(lambda *_: Judgement("a", "b", "pass"))},
        "painter": Painter("flat", lambda rows, _: rows[:, :2]),
        "canary_inputs": {"search/canary": CanaryInputs(monitor, Endpoint("http://127.0.0.1:1", httpx2.Client()))},
    }
    scheduler = Scheduler(replace(service, clock=broken, digest=nine, **more))
    scheduler.start()
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and len(service.failures.counts) < len(CLOCKS):
            time.sleep(0.05)
    finally:
        scheduler.stop()
    assert set(service.failures.counts) == set(CLOCKS)


def test_a_stream_whose_past_is_replayed_is_passed_over(engine):
    queue(engine, 1)
    queue(engine, 1, stream="ads", now=START)
    with engine.begin() as replaying, engine.begin() as worker:
        jobs.wait_turn(replaying, "search")
        assert claim(worker).stream == "ads"
    with engine.begin() as conn:
        assert claim(conn).stream in ("search", "ads")


def test_processes_on_one_database_measure_their_own_streams_and_no_window_twice(engine):
    given = {START + i * LENGTH: healthy(80, i) for i in range(6)}
    clock = Clock(START + 6 * LENGTH + timedelta(minutes=1))
    both = [make_service(engine, clock, collector=FakeCollector(given)) for _ in range(2)]
    ads = replace(STREAM, name="ads")
    other = make_monitor(
        engine,
        stream=ads,
        parts=(ads,),
        collector=FakeCollector(given),
        references={"ads": REFERENCE},
        slos={"ads": (variance_slo("ads"),)},
    )
    register(engine, other)
    services = [*both, replace(both[0], monitors={"ads": other}, failures=Tally())]
    schedulers = [Scheduler(service) for service in services]
    for scheduler in schedulers:
        scheduler.start()
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and sum(count for count, _ in measured(engine).values()) < 12:
            time.sleep(0.05)
    finally:
        for scheduler in schedulers:
            scheduler.stop()
    assert measured(engine) == {("search", "spread"): (6, 0), ("ads", "spread"): (6, 0)}
    assert [service.failures.counts for service in services] == [{}] * 3


WORKER = """
import sys, time
sys.path.insert(0, {tests!r})
from datetime import timedelta
from fakes import LENGTH, START, FakeCollector, healthy
from test_scheduler import Clock, make_service
from drift.scheduler import work_once
from drift.store.connect import connect

class Slow(FakeCollector):
    def collect(self, stream, span, *, limit):
        time.sleep(0.02)
        return super().collect(stream, span, limit=limit)

given = {{START + i * LENGTH: healthy(80, i) * (5 if i % 3 else 1) for i in range(200)}}
service = make_service(connect({url!r}), Clock(START + timedelta(days=2)), collector=Slow(given))
print("ready", flush=True)
while work_once(service):
    pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_workers_that_are_killed_skip_no_window_and_double_none(engine, postgres_url):
    register(engine, make_monitor(engine))
    queue(engine, 200, now=START)
    code = WORKER.format(tests=str(Path(__file__).parent), url=postgres_url)
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
            worker.stdout.readline()
            time.sleep(0.8)
            worker.send_signal(signal.SIGKILL)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    with engine.connect() as conn:
        slots = reads.budgets(conn, "search", START, START + timedelta(days=9))
        assert fakes.verdicts(conn)[("search", "spread")] == (200, 133)
        assert conn.execute(sa.select(sa.func.count()).select_from(tables.window)).scalar_one() == 200
        retrains = conn.execute(sa.select(tables.outbox.c.id).where(tables.outbox.c.kind == "retrain")).all()
        pages = [row for row in reads.alerts(conn) if row.alert.kind == "page"]
    assert [slot.span for slot in slots] == spans(200)
    assert len(retrains) == len(pages) == 1


def test_what_fires_goes_on_firing_while_the_database_is_away_and_says_how_old_it_is(engine, server):
    """For an hour, four times as long as an alert lives at an Alertmanager that hears no more of it."""
    given = {START + i * LENGTH: healthy(80, i) * 5 for i in range(9)}
    clock = Clock(START + 9 * LENGTH)
    service = make_service(engine, clock, collector=FakeCollector(given))
    queue(engine, 9)
    while work_once(service):
        pass
    peer = service.alertmanagers["http://am"]
    notifier, scheduler = peer.receiver, Scheduler(service)

    def told() -> dict[str, dict]:
        """What the Alertmanager is told from here on, by name."""
        notifier.sent.clear()
        for work in (scheduler._resend, lambda: scheduler._deliver("http://am"), lambda: scheduler._tell(peer)):
            with suppress(OperationalError):  # which the clocks log, with a traceback that takes long to write
                work()
        found = {one["labels"]["alertname"]: one for m in notifier.sent for one in orjson.loads(m.body)}
        notifier.holds = [alert["labels"] for alert in found.values()]
        return found

    def page_lives(alerts: dict[str, dict]) -> bool:
        return datetime.fromisoformat(alerts["ErrorBudgetBurn"]["endsAt"]) > clock.now + timedelta(minutes=14)

    before = told()
    assert page_lives(before)
    name, read_at = engine.url.database, clock.now
    server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    for minutes in (1, 30, 60):
        clock.now = read_at + timedelta(minutes=minutes)
        away = told()
        assert page_lives(away)
        said = away["ErrorBudgetBurn"]["annotations"]["description"]
        assert said.startswith(f"As of {read_at:%Y-%m-%d %H:%M:%S} UTC: nothing newer could be read since. Measured")
        assert ("StoreUnreachable" in away, "Watchdog" in away) == (minutes > 3, False)
    clock.now = read_at + timedelta(days=5, minutes=1)
    assert told() == {}
    server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    back = told()
    assert page_lives(back)
    assert ("StoreUnreachable" in back, "Watchdog" in back) == (False, True)


def test_a_database_that_hangs_is_away_too(engine, monkeypatch):
    """As when its server is frozen: connections stay, and nothing is answered."""
    monkeypatch.setattr("drift.scheduler.clocks.PATIENCE", timedelta(seconds=0.3))
    service = make_service(engine, clock := Clock())
    peer, scheduler = service.alertmanagers["http://am"], Scheduler(service)
    scheduler._resend()
    scheduler._tell(peer)
    clock.now = START + timedelta(minutes=4)
    with engine.begin() as other:
        other.execute(sa.text(f"LOCK TABLE {tables.alert} IN ACCESS EXCLUSIVE MODE"))
        for _ in range(2):  # the second while the first still hangs
            peer.receiver.sent.clear()
            with pytest.raises(sa.exc.TimeoutError, match="has not answered within"):
                scheduler._resend()
            scheduler._tell(peer)
            told = orjson.loads(peer.receiver.sent[0].body)
            assert "StoreUnreachable" in {alert["labels"]["alertname"] for alert in told}
            peer.receiver.holds = [alert["labels"] for alert in told]
    assert until(lambda: works(scheduler._resend))
    scheduler._tell(peer)
    peer.receiver.sent.clear()
    scheduler._resend()
    scheduler._tell(peer)
    assert b"StoreUnreachable" not in peer.receiver.sent[0].body


def works(work):
    with suppress(sa.exc.TimeoutError):
        work()
        return True
    return False


@pytest.mark.parametrize(
    ("error", "is_away"),
    [
        (sa.exc.OperationalError("SELECT 1", None, Exception("no route")), True),
        (sa.exc.InterfaceError("SELECT 1", None, Exception("the connection is closed")), True),
        (sa.exc.TimeoutError("no connection to spare"), True),
        (KeyError("a fault of ours"), False),
    ],
)
def test_whatever_fails_what_fires_goes_on_and_postgres_is_away_only_where_it_cannot_be_reached(
    engine, monkeypatch, error, is_away
):
    def fails(*_, **__):
        raise error

    service = make_service(engine, clock := Clock())
    scheduler = Scheduler(service)
    scheduler._resend()
    scheduler._tell(service.alertmanagers["http://am"])
    firing = Notice({"alertname": "ErrorBudgetBurn", "severity": "page"}, {}, START)
    scheduler._standing = replace(scheduler._standing, told=(firing,))
    monkeypatch.setattr("drift.scheduler.clocks.deliver.standing", fails)
    clock.now = START + timedelta(minutes=4)
    with pytest.raises(type(error)):
        scheduler._resend()
    scheduler._tell(service.alertmanagers["http://am"])
    told = [
        one["labels"]["alertname"]
        for m in service.alertmanagers["http://am"].receiver.sent
        for one in orjson.loads(m.body)
    ]
    assert told == ["Watchdog", "ErrorBudgetBurn", *(["StoreUnreachable"] if is_away else [])]


def test_a_clock_does_not_begin_a_turn_before_the_last_one_has_ended(engine):
    going, ended, turns = Event(), Event(), []

    def work() -> None:
        turns.append(1)
        going.set()
        assert ended.wait(30)

    run = Scheduler(make_service(engine, Clock()))._surviving("forget", work)
    first = Thread(target=run)
    first.start()
    try:
        assert going.wait(30)
        run()
        assert len(turns) == 1
    finally:
        ended.set()
        first.join()
    run()
    assert len(turns) == 2


def test_the_clock_is_utc():
    from drift.wiring.build import clock

    assert clock().tzinfo is UTC
