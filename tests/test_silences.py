"""Maintenance as a real Alertmanager keeps it: silent while it is on, made again when lost, once in a cluster."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fakes import STREAM, make_monitor, register
from peers import Receiver, Reply, find_or_skip, free_port, until

from drift.errors import DeliveryError
from drift.notify.alertmanager import Alertmanager, encode
from drift.notify.base import Message, Notice
from drift.notify.silences import AlertmanagerSilences, Silencer
from drift.pipeline import maintenance
from drift.pipeline.maintenance import Author, Wish
from drift.pipeline.silence import AHEAD, reconcile
from drift.records import Coverage
from drift.store import maintenance as kept
from drift.store.connect import Engine

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
CONFIG = """
route: {{receiver: a, group_by: [job_id], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: a, webhook_configs: [{{url: '{url}'}}]}}]
"""


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Peer:
    """A real Alertmanager that can be killed and started again on its port and its files."""

    directory: Path
    url: str
    command: list[str]
    client: httpx2.Client
    process: subprocess.Popen[bytes]

    @property
    def silences(self) -> AlertmanagerSilences:
        return AlertmanagerSilences(self.url, self.client)

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        assert until(self._ready), (self.directory / "log").read_text()

    def _ready(self) -> bool:
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            return self.client.get(f"{self.url}/-/ready").status_code == 200
        except httpx2.TransportError:
            return False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def every(self) -> list[dict]:
        """All its silences that are not over, as it tells of them."""
        found = self.client.get(f"{self.url}/api/v2/silences").json()
        return [one for one in found if one["status"]["state"] != "expired"]

    def send(self, **labels: str) -> None:
        told = Notice({"alertname": "Burn", "service": "drift", **labels}, {"summary": "it moved"}, now())
        for body in encode([told], now=now(), resend=timedelta(seconds=60)):
            Alertmanager(self.url, self.client).send(Message("x", body), now=now())

    def silenced(self, job: str) -> bool:
        """Whether the alert of that stream is, once it has been taken in."""
        path, found = f"{self.url}/api/v2/alerts", []

        def taken() -> bool:
            found[:] = self.client.get(path, params={"filter": f'job_id="{job}"'}).json()
            return bool(found) and found[0]["status"]["state"] != "unprocessed"

        assert until(taken)
        return bool(found[0]["status"]["silencedBy"])


@contextmanager
def peer(directory: Path, *arguments: str, url: str = "http://127.0.0.1:9") -> Iterator[Peer]:
    binary = find_or_skip("prometheus-alertmanager", "prometheus-alertmanager")
    directory.mkdir(exist_ok=True)
    (directory / "alertmanager.yml").write_text(CONFIG.format(url=url))
    address = f"127.0.0.1:{free_port()}"
    command = [binary, f"--config.file={directory / 'alertmanager.yml'}", f"--storage.path={directory / 'data'}"]
    command += [f"--web.listen-address={address}", *(arguments or ("--cluster.listen-address=",))]
    with httpx2.Client(trust_env=False) as client:
        started = Peer(directory, f"http://{address}", command, client, None)  # type: ignore[arg-type]
        started.start()
        try:
            yield started
        finally:
            started.kill()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def shared(tmp_path_factory, receiver) -> Iterator[Peer]:
    with peer(tmp_path_factory.mktemp("alertmanager"), url=receiver.url) as found:
        yield found


@pytest.fixture
def alone(shared: Peer) -> Peer:
    """The one Alertmanager of most tests, without a silence."""
    for one in shared.every():
        shared.client.delete(f"{shared.url}/api/v2/silence/{one['id']}")
    return shared


@pytest.fixture
def search(engine) -> Engine:
    register(engine, make_monitor(engine))
    return engine


def plan(engine, id_: str = "m-1", at: datetime | None = None, **changes) -> None:
    at = at or now()
    wish = replace(Wish(Coverage("search"), "team", "new index", start=at, length=HOUR), **changes)
    with engine.begin() as conn:
        maintenance.add(conn, maintenance.plan(wish, Author("anna", at, id_)))


def cancel(engine, id_: str = "m-1", at: datetime | None = None) -> None:
    with engine.begin() as conn:
        maintenance.cancel(conn, id_, Author("anna", at or now()))


def turn(engine, *peers: Peer, at: datetime | None = None) -> int:
    return reconcile(engine, {peer.url: peer.silences for peer in peers}, now=at or now())


def test_a_window_is_one_silence_however_often_it_is_brought(search, alone):
    plan(search)
    assert turn(search, alone) == 0
    (first,) = alone.every()
    turn(search, alone)
    assert [one["id"] for one in alone.every()] == [first["id"]]
    with search.connect() as conn:
        (span,) = kept.find(conn, "m-1").times
    assert datetime.fromisoformat(first["endsAt"]) == span.end
    assert (first["createdBy"], first["status"]["state"]) == ("drift", "active")
    assert first["comment"] == f"drift maintenance m-1 from {span.start:%Y-%m-%dT%H:%M:%SZ}: new index (team)"


@pytest.mark.parametrize(
    ("covers", "silenced"),
    [
        (Coverage("search"), {"search", "search/lang=de"}),
        (Coverage("search/lang=de"), {"search/lang=de"}),
        (Coverage(), {"search", "search/lang=de", "research", "search-2"}),
        (Coverage(model="encoder"), {"search", "search/lang=de"}),
    ],
)
def test_alerts_of_what_is_covered_are_silent_and_no_others(search, alone, covers, silenced):
    register(search, make_monitor(search, parts=(STREAM, STREAM.part("lang=de"))))
    plan(search, covers=covers)
    turn(search, alone)
    for job in ("search", "search/lang=de", "research", "search-2"):
        alone.send(job_id=job, model_id="encoder" if job.startswith("search") and job != "search-2" else "e5")
    assert {job for job in ("search", "search/lang=de", "research", "search-2") if alone.silenced(job)} == silenced


def test_what_tells_that_the_service_lives_is_never_silenced(search, alone, receiver):
    plan(search, covers=Coverage())
    turn(search, alone)
    alone.send(alertname="Watchdog")
    assert until(lambda: any(b"Watchdog" in one.body for one in receiver.received))


def test_an_alert_that_fires_in_maintenance_is_told_when_it_is_over(search, alone, receiver):
    plan(search, length=4 * SECOND)
    turn(search, alone)
    alone.send(job_id="search", model_id="told-later")
    assert alone.silenced("search")
    assert not any(b"told-later" in one.body for one in receiver.received)
    assert until(lambda: any(b"told-later" in one.body for one in receiver.received))


def test_cancelling_ends_the_silence_early(search, alone):
    plan(search)
    turn(search, alone)
    cancel(search)
    turn(search, alone)
    assert alone.every() == []


def test_a_time_to_come_is_brought_an_hour_before_and_a_later_one_not_yet(search, alone):
    at = now()
    plan(search, at=at, start=at + HOUR / 2, rrule="FREQ=DAILY;COUNT=3")
    plan(search, "m-2", at=at, start=at + 2 * AHEAD)
    turn(search, alone, at=at)
    (only,) = alone.every()
    assert only["status"]["state"] == "pending"
    turn(search, alone, at=at + HOUR + SECOND)
    assert len(alone.every()) == 2


def test_what_somebody_changed_there_is_put_right_under_the_same_id(search, alone):
    plan(search)
    turn(search, alone)
    (made,) = alone.every()
    shorter = {key: made[key] for key in ("id", "matchers", "startsAt", "createdBy", "comment")}
    ends = (now() + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    alone.client.post(f"{alone.url}/api/v2/silences", json=shorter | {"endsAt": ends}).raise_for_status()
    turn(search, alone)
    (again,) = alone.every()
    assert {key: again[key] for key in ("id", "startsAt", "endsAt")} == {
        key: made[key] for key in ("id", "startsAt", "endsAt")
    }


def test_silences_of_people_and_of_other_databases_are_left_alone(search, alone):
    start, end = (at.isoformat().replace("+00:00", "Z") for at in (now(), now() + HOUR))
    theirs = {"matchers": [{"name": "a", "value": "b", "isRegex": False}], "startsAt": start, "endsAt": end}
    for comment in ("lunch", f"drift maintenance m-9 from {start}: other", "drift maintenance x from noon: by hand"):
        alone.client.post(f"{alone.url}/api/v2/silences", json=theirs | {"createdBy": "bert", "comment": comment})
    plan(search)
    turn(search, alone)
    cancel(search)
    turn(search, alone)
    assert len(alone.every()) == 3


def test_it_is_made_again_after_a_kill_lost_it(search, tmp_path):
    with peer(tmp_path / "am") as lost:
        plan(search)
        turn(search, lost)
        (before,) = lost.every()
        lost.kill()
        assert turn(search, lost) == 1
        lost.start()
        assert lost.every() == []
        turn(search, lost)
        (after,) = lost.every()
    assert (after["comment"], after["endsAt"]) == (before["comment"], before["endsAt"])


def test_an_alertmanager_that_is_away_keeps_no_other_from_being_silent(search, alone):
    plan(search)
    away = AlertmanagerSilences(f"http://me:hush@127.0.0.1:{free_port()}", alone.client)
    assert reconcile(search, {"away": away, "there": alone.silences}, now=now()) == 1
    assert len(alone.every()) == 1


def test_a_cluster_has_one_silence_and_loses_it_everywhere(search, tmp_path):
    gossip = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    quick = ("--cluster.settle-timeout=1s", "--cluster.pushpull-interval=1s", "--cluster.gossip-interval=50ms")

    def words(mine: str, other: str) -> tuple[str, ...]:
        listens = (f"--cluster.listen-address={mine}", f"--cluster.advertise-address={mine}")
        return (*listens, f"--cluster.peer={other}", *quick)

    with peer(tmp_path / "a", *words(*gossip)) as a, peer(tmp_path / "b", *words(*gossip[::-1])) as b:
        plan(search)
        turn(search, a, b)
        assert until(lambda: len(b.every()) == 1)
        turn(search, a, b)
        turn(search, b, a)
        assert [one["id"] for one in a.every()] == [one["id"] for one in b.every()]
        assert len(a.every()) == 1
        cancel(search)
        turn(search, a, b)
        assert until(lambda: not a.every() and not b.every())


def test_those_of_no_cluster_each_have_it_a_turn_later(search, alone, tmp_path):
    with peer(tmp_path / "other") as other:
        plan(search)
        turn(search, alone, other)
        assert [len(alone.every()), len(other.every())] == [1, 0]
        turn(search, alone, other)
        assert [len(alone.every()), len(other.every())] == [1, 1]


def test_what_was_taken_before_a_failure_is_not_doubled_elsewhere(search):
    @dataclass
    class Peerlike:
        most: int
        taken: list[str]

        def live(self):
            return []

        def put(self, silence, replaces=None):
            if len(self.taken) == self.most:
                raise DeliveryError("full")
            self.taken.append(silence.key.id)

        def expire(self, live): ...

    plan(search)
    plan(search, "m-2")
    one, other = Peerlike(1, []), Peerlike(9, [])
    assert reconcile(search, {"one": one, "other": other}, now=now()) == 1
    assert (one.taken, other.taken) == (["m-1"], ["m-2"])


def test_two_processes_bring_one_silence(search, alone):
    plan(search)
    with search.begin() as other:
        assert kept.take_turn(other)
        assert turn(search, alone) == 0
        assert alone.every() == []
    turn(search, alone)
    assert len(alone.every()) == 1


@pytest.mark.parametrize("reply", [Reply(503, body=b"later"), Reply(200, body=b"[{}]"), Reply(200, body=b"<html>")])
def test_an_answer_that_is_none_says_what_was_needed(reply):
    with httpx2.Client(trust_env=False) as client, Receiver(lambda _: reply) as receiver:
        silencer: Silencer = AlertmanagerSilences(receiver.url.replace("//", "//me:hush@"), client)
        with pytest.raises(DeliveryError, match=r"Alertmanager at 127\.0\.0\.1:\d+ needs to") as caught:
            silencer.live()
    assert "hush" not in str(caught.value)


def test_the_matchers_are_what_alertmanager_is_sent(search):
    with httpx2.Client(trust_env=False) as client, Receiver(lambda _: Reply(200, body=b"[]")) as receiver:
        plan(search, covers=Coverage("search", "encoder"))
        reconcile(search, {"a": AlertmanagerSilences(receiver.url, client)}, now=now())
    (sent,) = [json.loads(one.body) for one in receiver.received if one.body]
    assert [(m["name"], m["value"], m["isRegex"]) for m in sent["matchers"]] == [
        ("job_id", "search(/.*)?", True),
        ("model_id", "encoder", False),
        ("service", "drift", False),
    ]
