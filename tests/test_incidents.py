"""What people are told of an incident, by a real Alertmanager with the routes of the sample that we ship."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import yaml
from fakes import LENGTH, START, FakeCollector, make_monitor, register, spans, tell_peers, variance_slo
from peers import Receiver, alertmanager, find_or_skip, free_port, until

from drift.alert import Alert, AlertKind, AlertState
from drift.notify.alertmanager import Alertmanager
from drift.notify.base import Notice
from drift.notify.compose import ALERT_NAMES
from drift.notify.peer import PAUSE, Counts, Peer
from drift.pipeline import measure
from drift.store import writes

pytestmark = pytest.mark.xdist_group("processes")

SAMPLE = Path(__file__).parents[1] / "deploy" / "alertmanager.yml"
RESEND = timedelta(seconds=60)
QUICK = {"group_wait": "700ms", "group_interval": "1s", "repeat_interval": "1h"}


def sample(url: str, **slower: str) -> str:
    """The sample with the receivers at `url`, and in a hurry but for `slower`."""
    config = yaml.safe_load(SAMPLE.read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route |= {name: quick for name, quick in (QUICK | slower).items() if name in route}
    for receiver in config["receivers"]:
        (hook,) = receiver["webhook_configs"]
        hook["url"] = hook["url"].replace("http://127.0.0.1:9", url)
    return yaml.safe_dump(config)


@dataclass
class People:
    """Whom the Alertmanagers tell, and how the service tells these."""

    receiver: Receiver
    client: httpx2.Client
    peers: dict[str, Peer] = field(default_factory=dict)

    def add(self, url: str) -> Peer:
        return self.peers.setdefault(url, Peer(Alertmanager(url, self.client)))

    def tell(self, *notices: Notice, now: datetime | None = None) -> None:
        for peer in self.peers.values():
            peer.offer(notices, read_at=now or datetime.now(UTC))
        self.drain(now)

    def drain(self, now: datetime | None = None) -> None:
        for peer in self.peers.values():
            while peer.tell_next(now=now or datetime.now(UTC), resend=RESEND):
                pass

    def heard(self, path: str, model: str | None = None) -> list[tuple[str, list[str]]]:
        """Each notification at `path`: its status, and of each alert in it the name and objective."""
        bodies = [json.loads(r.body) for r in self.receiver.received if r.path == path]
        mine = [b for b in bodies if model is None or b["commonLabels"].get("model_id") == model]
        return [
            (b["status"], sorted(f"{a['labels']['alertname']} {a['labels'].get('slo')}" for a in b["alerts"]))
            for b in mine
        ]

    def silence(self, url: str, model: str, length: timedelta) -> None:
        now = datetime.now(UTC)
        body = {
            "matchers": [{"name": "model_id", "value": model, "isRegex": False}],
            "startsAt": now.isoformat(),
            "endsAt": (now + length).isoformat(),
            "createdBy": "somebody",
            "comment": "looking",
        }
        self.client.post(f"{url}/api/v2/silences", json=body).raise_for_status()


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    with Receiver() as receiver, httpx2.Client(trust_env=False) as client:
        yield People(receiver, client)


@pytest.fixture(scope="module")
def one(people, tmp_path_factory) -> Iterator[People]:
    """With one Alertmanager, which all tests of this file share: each has a model of its own."""
    with alertmanager(sample(people.receiver.url), tmp_path_factory.mktemp("one")) as url:
        shared = People(people.receiver, people.client)
        shared.add(url)
        yield shared


@pytest.fixture
def alone() -> Iterator[People]:
    """To have Alertmanagers of its own."""
    with Receiver() as receiver, httpx2.Client(trust_env=False) as client:
        yield People(receiver, client)


def named(alert: dict) -> str:
    return f"{alert['labels']['alertname']} {alert['labels'].get('slo')}"


def notice(model: str, name: str, slo: str, severity: str = "ticket", **changes: object) -> Notice:
    labels = {"alertname": name, "model_id": model, "job_id": "search", "slo": slo, "severity": severity}
    return replace(Notice(labels, {"summary": "something moved"}, datetime.now(UTC)), **changes)


def page(model: str, slo: str = "traffic", **changes: object) -> Notice:
    return notice(model, "ErrorBudgetBurn", slo, "page", **changes)


def amtool(*arguments: str) -> str:
    binary = find_or_skip("amtool", "prometheus-alertmanager")
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("receiver", "labels"),
    [
        ("oncall", ("alertname=ErrorBudgetBurn", "severity=page", "model_id=m", "job_id=j")),
        ("tickets", ("alertname=ErrorBudgetBurn", "severity=ticket")),
        ("tickets", ("alertname=ClockSkew", "severity=ticket")),
        ("deadman", ("alertname=Watchdog", "severity=none")),
    ],
)
def test_amtool_takes_the_sample_and_sends_each_alert_where_it_belongs(receiver, labels):
    assert "SUCCESS" in amtool("check-config", str(SAMPLE))
    amtool("config", "routes", "test", f"--config.file={SAMPLE}", f"--verify.receivers={receiver}", *labels)


def test_all_objectives_of_a_stream_are_one_notification_and_the_page_keeps_its_tickets_quiet(one):
    one.tell(
        page("many"),
        page("many", "rank"),
        notice("many", "ErrorBudgetBurn", "traffic"),
        notice("many", "ErrorBudgetExhausted", "traffic"),
        notice("many", "EvaluationMissing", "traffic"),
        notice("many", "ErrorBudgetBurn", "novelty"),
    )
    assert until(lambda: bool(one.heard("/page", "many") and one.heard("/ticket", "many")))
    until(lambda: len(one.heard("/page", "many")) + len(one.heard("/ticket", "many")) > 2, within=2)
    assert one.heard("/page", "many") == [("firing", ["ErrorBudgetBurn rank", "ErrorBudgetBurn traffic"])]
    assert one.heard("/ticket", "many") == [("firing", ["ErrorBudgetBurn novelty", "EvaluationMissing traffic"])]


def test_slow_drift_joins_no_incident_that_single_windows_have_shown(one):
    one.tell(page("slow"), page("slow", "slow-drift-x12"), notice("slow", "ErrorBudgetBurn", "slow-drift-x36"))
    one.tell(page("slower", "slow-drift-x12"), notice("slower", "ErrorBudgetBurn", "traffic"))
    assert until(lambda: bool(one.heard("/page", "slow") and one.heard("/page", "slower")))
    assert one.heard("/page", "slow") == [("firing", ["ErrorBudgetBurn traffic"])]
    assert one.heard("/page", "slower") == [("firing", ["ErrorBudgetBurn slow-drift-x12"])]


def test_a_stream_that_got_no_rows_is_one_notification_whatever_it_is_measured_by(one, engine):
    """As after a restart of the service: windows are made up for, and each objective misses its own.

    Alertmanager waits for no more of a group whose first alert is older than `group_wait`: on a busy machine it
    tells of some of a batch first, and of all of it once more.
    """
    slos = tuple(variance_slo(name=name) for name in ("spread", "rank", "traffic"))
    monitor = make_monitor(engine, collector=FakeCollector({}), slos={"search": slos})
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(4))
    known = {("search", slo.name) for slo in slos}
    tell_peers(engine, one.peers, known, (), runbook_url="", now=START + 4 * LENGTH)
    one.drain()
    assert until(lambda: bool(one.heard("/ticket", "encoder")))
    with engine.begin() as conn:
        # It had too little as well: of this nobody needs to hear.
        few = Alert("search", "spread", AlertKind.INSUFFICIENT, AlertState.FIRING, START, fired_at=START)
        labels = notice("encoder", "InsufficientSamples", "spread").labels
        writes.save_alert(conn, few, labels=labels, annotations={}, muted=False)
    tell_peers(engine, one.peers, known, (), runbook_url="", now=START + 4 * LENGTH)
    one.drain()
    until(lambda: len(one.heard("/ticket", "encoder")) > 1, within=2)
    names = [f"EvaluationMissing {name}" for name in ("rank", "spread", "traffic")]
    *parts, whole = one.heard("/ticket", "encoder")
    assert whole == ("firing", names)
    assert len(parts) <= 1
    assert all(state == "firing" and set(some) < set(names) for state, some in parts)


def test_the_watchdog_reaches_its_receiver_when_nothing_fires(alone, engine, tmp_path):
    with alertmanager(sample(alone.receiver.url), tmp_path) as url:
        alone.add(url)
        tell_peers(engine, alone.peers, set(), (), runbook_url="", now=datetime.now(UTC))
        alone.drain()
        assert until(lambda: bool(alone.heard("/alive")))
    assert alone.heard("/alive") == [("firing", ["Watchdog None"])]
    assert not alone.heard("/page") + alone.heard("/ticket")


def test_an_incident_that_ends_under_a_silence_is_told_to_be_over_after_it(one, engine):
    (url,) = one.peers
    fired = datetime.now(UTC) - timedelta(hours=1)
    alert = Alert("search", "traffic", AlertKind.PAGE, AlertState.FIRING, fired, fired_at=fired)
    labels = page("silenced").labels

    def resend(alert: Alert, now: datetime) -> None:
        with engine.begin() as conn:
            writes.save_alert(conn, alert, labels=labels, annotations={"summary": "x"}, muted=False)
        tell_peers(engine, one.peers, {("search", "traffic")}, (), runbook_url="", now=now)
        one.drain(now)

    resend(alert, datetime.now(UTC))
    assert until(lambda: len(one.heard("/page", "silenced")) == 1)
    one.silence(url, "silenced", timedelta(seconds=3))
    ended = datetime.now(UTC)
    over = replace(alert, state=AlertState.RESOLVED, resolved_at=ended)
    resend(over, ended)
    time.sleep(4)  # the silence is over, and the group has been looked at since
    assert len(one.heard("/page", "silenced")) == 1
    # Without the silence it would not be repeated any more.
    resend(over, ended + timedelta(minutes=15, seconds=1))
    assert until(lambda: len(one.heard("/page", "silenced")) == 2)
    assert one.heard("/page", "silenced")[1][0] == "resolved"


def test_a_peer_that_is_down_keeps_no_other_from_paging_and_hears_of_it_when_it_is_back(alone, tmp_path):
    (up, down), port = (tmp_path / "up", tmp_path / "down"), free_port()
    up.mkdir()
    down.mkdir()
    with ExitStack() as running:
        dead = alone.add(f"http://127.0.0.1:{port}")
        alone.add(running.enter_context(alertmanager(sample(alone.receiver.url), up)))
        alone.tell(page("m"))
        assert until(lambda: bool(alone.heard("/page")))
        assert (dead.counts, len(dead)) == (Counts(failed=1), 1)
        back = running.enter_context(alertmanager(sample(alone.receiver.url), down, port=port))
        alone.drain(datetime.now(UTC) + PAUSE)
        assert (dead.counts, len(dead)) == (Counts(sent=1, failed=1), 0)
        assert len(alone.client.get(f"{back}/api/v2/alerts").json()) == 1


def test_an_alertmanager_says_what_fires_there_and_leaves_out_what_is_over_and_what_is_not_ours(one):
    (peer,) = one.peers.values()
    ours = {slo: page("held", slo).labels | {"service": "drift"} for slo in ("fires", "over", "silenced")}
    over = replace(page("held"), labels=ours["over"])
    one.silence(next(iter(one.peers)), "held", timedelta(minutes=1))
    one.tell(over, *(replace(page("held"), labels=ours[slo]) for slo in ("fires", "silenced")), page("held", "other"))
    one.tell(replace(over, ends_at=datetime.now(UTC)))
    held = peer.receiver.held(now=datetime.now(UTC))
    mine = [labels for labels in held.labels if labels.get("model_id") == "held"]
    assert sorted(labels["slo"] for labels in mine) == ["fires", "silenced"]
    assert ours["fires"] in mine


def test_an_alertmanager_that_starts_anew_while_postgres_is_away_is_told_what_fires(alone, tmp_path):
    port, fires = free_port(), page("m")
    fires = replace(fires, labels=fires.labels | {"service": "drift"})
    began = datetime.now(UTC)
    with alertmanager(sample(alone.receiver.url), tmp_path, port=port) as url:
        peer = alone.add(url)
        alone.tell(fires)
        held = peer.receiver.held(now=datetime.now(UTC))
        assert held.labels == (fires.labels,)
        assert began - timedelta(seconds=1) <= held.since <= datetime.now(UTC) + timedelta(seconds=1)
    with alertmanager(sample(alone.receiver.url), tmp_path, port=port):
        assert peer.receiver.held(now=datetime.now(UTC)).labels == ()
        peer.repeat([fires])
        alone.drain()
        assert peer.receiver.held(now=datetime.now(UTC)).labels == (fires.labels,)


def test_a_pair_of_alertmanagers_tells_of_an_incident_once_and_of_its_end_once(alone, tmp_path):
    gossip = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    config = sample(alone.receiver.url, group_interval="2s")
    options = ["peer-timeout=300ms", "settle-timeout=2s", "pushpull-interval=1s", "gossip-interval=50ms"]
    arguments = [*(f"--cluster.{option}" for option in options), f"--cluster.peer={gossip[0]}"]
    with ExitStack() as running:
        for i, address in enumerate(gossip):
            (folder := tmp_path / str(i)).mkdir()
            more = (*arguments, f"--cluster.advertise-address={address}")
            url = running.enter_context(alertmanager(config, folder, *more, cluster=address))
            alone.add(url)
        joined = f"{url}/api/v2/status"
        assert until(lambda: len(alone.client.get(joined).json()["cluster"]["peers"]) == 2)
        fires = page("m")
        alone.tell(fires)
        assert until(lambda: bool(alone.heard("/page")))
        alone.tell(replace(fires, annotations={"summary": "it burns faster"}))
        # Between two looks at the group: an end that comes while the second waits for the first is told four times
        # (prometheus/alertmanager#4008), which with their own intervals is 15 s in 5 min.
        until(lambda: len(alone.heard("/page")) > 1, within=3)
        alone.tell(replace(fires, ends_at=datetime.now(UTC)))
        assert until(lambda: len(alone.heard("/page")) > 1)
        until(lambda: len(alone.heard("/page")) > 2, within=1)
    assert [status for status, _ in alone.heard("/page")] == ["firing", "resolved"]


def test_an_alertmanager_that_was_killed_knows_of_the_incident_again_and_tells_its_end(alone, tmp_path):
    port, fires = free_port(), page("m")
    with alertmanager(sample(alone.receiver.url), tmp_path, port=port) as url:
        alone.add(url)
        alone.tell(fires)
        assert until(lambda: bool(alone.heard("/page")))
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    before = len(alone.heard("/page"))
    with alertmanager(sample(alone.receiver.url), tmp_path, port=port):
        assert alone.client.get(f"{url}/api/v2/alerts").json() == []
        alone.tell(fires)
        # It has forgotten whom it told, so that it tells them again: at least once.
        assert until(lambda: len(alone.heard("/page")) > before)
        alone.tell(replace(fires, ends_at=datetime.now(UTC)))
        assert until(lambda: alone.heard("/page")[-1][0] == "resolved")
    assert [status for status, _ in alone.heard("/page")] == ["firing", "firing", "resolved"]


def test_one_invalid_alert_of_64_is_counted_once_and_the_others_are_stored(one):
    (peer,) = one.peers.values()
    before = replace(peer.counts)
    notices = [page("invalid", f"slo{i:02}") for i in range(64)]
    notices[37] = replace(notices[37], labels=notices[37].labels | {"bad-name": "x"})
    one.tell(*notices)
    one.tell(*(replace(notice, annotations={"summary": "it burns faster"}) for notice in notices))
    (url,) = one.peers
    stored = one.client.get(f"{url}/api/v2/alerts", params={"filter": 'model_id="invalid"'}).json()
    assert {alert["labels"]["slo"] for alert in stored} == {f"slo{i:02}" for i in range(64)} - {"slo37"}
    assert (peer.counts.invalid - before.invalid, peer.counts.sent - before.sent) == (1, 2 * 63)


def test_the_sample_names_no_alert_that_there_is_not():
    text = SAMPLE.read_text()
    assert {"EvaluationMissing", "InsufficientSamples"} <= {name for name in ALERT_NAMES.values() if name in text}
