"""Two installations that watch streams of the same names, told apart at one real Alertmanager by external labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fakes import make_monitor, register
from peers import Receiver, alertmanager, until
from pydantic import ValidationError

from drift.config import Config
from drift.config.receivers import ReceiversConfig
from drift.notify.alertmanager import Alertmanager, encode
from drift.notify.base import Message, Notice
from drift.notify.external import Labelled, LabelledSilences
from drift.notify.muting import Matcher
from drift.notify.silences import AlertmanagerSilences
from drift.pipeline import maintenance
from drift.pipeline.maintenance import Author, Wish
from drift.pipeline.silence import reconcile
from drift.records import Coverage
from drift.wiring.receivers import build_alertmanagers, build_silencers

HOUR, RESEND = timedelta(hours=1), timedelta(seconds=60)
CONFIG = """
route: {{receiver: a, group_by: [cluster, job_id], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: a, webhook_configs: [{{url: '{url}'}}]}}]
"""
LABELS = {"alertname": "Burn", "service": "drift", "model_id": "m", "job_id": "search"}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Shared:
    """The Alertmanager as each installation has it, and as somebody sees it who looks at all of it."""

    url: str
    client: httpx2.Client

    def of(self, cluster: str) -> Labelled:
        return Labelled(Alertmanager(self.url, self.client), {"cluster": cluster} if cluster else {})

    def silencers(self, cluster: str) -> dict[str, LabelledSilences]:
        silences = AlertmanagerSilences(self.url, self.client)
        return {self.url: LabelledSilences(silences, {"cluster": cluster} if cluster else {})}

    def fire(self, cluster: str) -> None:
        (body,) = encode([Notice(LABELS, {"summary": "it moved"}, now())], now=now(), resend=RESEND)
        self.of(cluster).send(Message("x", body), now=now())

    def silence(self, **matched: str) -> None:
        matchers = [{"name": name, "value": value, "isRegex": False} for name, value in matched.items()]
        times = {"startsAt": now().isoformat(), "endsAt": (now() + HOUR).isoformat()}
        body = {"matchers": matchers, "createdBy": "anna", "comment": "x", **times}
        self.client.post(f"{self.url}/api/v2/silences", json=body).raise_for_status()

    def silences(self) -> list[dict]:
        found = self.client.get(f"{self.url}/api/v2/silences").json()
        return [one for one in found if one["status"]["state"] != "expired"]

    def silenced(self) -> dict[str, bool]:
        """By cluster, whether its alert is silenced."""
        found = self.client.get(f"{self.url}/api/v2/alerts").json()
        return {alert["labels"].get("cluster", ""): bool(alert["status"]["silencedBy"]) for alert in found}


@pytest.fixture
def shared(tmp_path) -> Iterator[Shared]:
    with (
        Receiver() as receiver,
        alertmanager(CONFIG.format(url=receiver.url), tmp_path) as url,
        httpx2.Client(trust_env=False) as client,
    ):
        yield Shared(url, client)


@pytest.fixture
def brought(engine, shared) -> Callable[[str], int]:
    """Have the maintenance of one hour, that is on, brought to the Alertmanager by the installation of a cluster."""
    register(engine, make_monitor(engine))
    wish = Wish(Coverage("search"), "team", "new index", start=now(), length=HOUR)
    with engine.begin() as conn:
        maintenance.add(conn, maintenance.plan(wish, Author("anna", now(), "m-1")))
    return lambda cluster: reconcile(engine, shared.silencers(cluster), now=now())


def test_alerts_of_the_same_streams_stay_apart_and_each_installation_sees_its_own(shared):
    for cluster in ("east", "west"):
        shared.fire(cluster)
    assert set(shared.silenced()) == {"east", "west"}
    assert shared.of("east").held(now=now()).labels == (LABELS,)
    assert shared.of("north").held(now=now()).labels == ()


def test_a_silence_by_external_labels_covers_the_alerts_of_that_installation(shared):
    shared.silence(cluster="east", job_id="search")
    (east,) = shared.of("east").look(now=now()).silences
    assert east.matchers == (Matcher("job_id", "search"),)
    assert east.covers(LABELS)
    assert shared.of("west").look(now=now()).silences == ()


def test_maintenance_silences_the_alerts_of_its_own_installation(shared, brought):
    for cluster in ("east", "west"):
        shared.fire(cluster)
    assert brought("east") == 0
    assert until(lambda: shared.silenced() == {"east": True, "west": False})
    (first,) = shared.silences()
    brought("east")
    assert shared.silences() == [first]


def test_a_silence_from_before_the_labels_is_corrected(shared, brought):
    brought("")
    brought("east")
    (found,) = shared.silences()
    assert {"name": "cluster", "value": "east", "isRegex": False, "isEqual": True} in found["matchers"]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"severity": "page"}, "severity is a label of the alerts themselves"),
        ({"my-cluster": "east"}, "'my-cluster' must be letters, digits and _"),
        ({"cluster": ""}, "cluster must have a value"),
    ],
)
def test_external_labels_that_would_change_an_alert_or_be_refused_are_named(labels, says):
    with pytest.raises(ValidationError, match=says):
        ReceiversConfig(external_labels=labels)


def test_what_the_configuration_says_is_on_all_that_is_told_and_silenced():
    stream = {"id": "s", "model": "m", "dim": 4, "reference": {"path": "r.npy"}}
    receivers = {"alertmanagers": [{"url": "http://am:9093"}], "external_labels": {"cluster": "east"}}
    config = Config.model_validate({"streams": [stream], "receivers": receivers})
    (peer,), (silencer,) = build_alertmanagers(config).values(), build_silencers(config).values()
    assert isinstance(silencer, LabelledSilences)
    assert peer.receiver.external == silencer.external == {"cluster": "east"}
