"""Alerts as a real Alertmanager takes them: who is notified, how often, and what one invalid alert costs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

import httpx2
import pytest
from peers import Receiver, Reply, alertmanager, free_port, until

from drift.errors import DeliveryError
from drift.notify.alertmanager import Alertmanager, encode
from drift.notify.base import Message, Notice

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RESEND = timedelta(seconds=60)
LABELS = {"alertname": "Burn", "model_id": "m", "job_id": "j", "slo": "mmd", "severity": "page"}

# resolve_timeout is short so that an alert sent without its end would resolve within the tests.
CONFIG = """
global: {{resolve_timeout: 1s}}
route: {{receiver: a, group_by: [model_id, job_id], group_wait: 500ms, group_interval: 1s, repeat_interval: 1h}}
inhibit_rules:
- {{source_matchers: ['severity="page"'], target_matchers: ['severity="ticket"'], equal: [model_id, job_id, slo]}}
receivers: [{{name: a, webhook_configs: [{{url: '{url}'}}]}}]
"""


def notice(model: str = "m", started: datetime = NOW, **labels: str) -> Notice:
    return Notice(LABELS | {"model_id": model} | labels, {"summary": "something moved"}, started)


def alerts(*notices: Notice, now: datetime = NOW) -> list[dict]:
    return [alert for body in encode(notices, now=now, resend=RESEND) for alert in json.loads(body)]


@dataclass(frozen=True)
class Live:
    """A real Alertmanager, and all it told its receiver."""

    notifier: Alertmanager
    receiver: Receiver

    def send(self, *notices: Notice) -> None:
        now = datetime.now(UTC)
        for body in encode(notices, now=now, resend=RESEND):
            assert self.notifier.send(Message("x", body), now=now) == 200

    def told(self, model: str) -> list[tuple[str, list[str]]]:
        """Status of each notification about `model`, with the SLO and severity of each alert in it."""
        bodies = [json.loads(r.body) for r in self.receiver.received]
        mine = [b for b in bodies if b["groupLabels"].get("model_id") == model]
        return [
            (b["status"], sorted(f"{a['labels']['slo']} {a['labels']['severity']}" for a in b["alerts"])) for b in mine
        ]

    def stored(self, model: str) -> list[dict]:
        url, filters = f"{self.notifier.url}/api/v2/alerts", {"filter": f'model_id="{model}"'}
        return self.notifier.client.get(url, params=filters).json()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def live(client, tmp_path_factory) -> Iterator[Live]:
    directory = tmp_path_factory.mktemp("alertmanager")
    with Receiver() as receiver, alertmanager(CONFIG.format(url=receiver.url), directory) as url:
        yield Live(Alertmanager(url, client), receiver)


def test_a_page_silences_its_ticket_and_only_that(live):
    now = datetime.now(UTC)
    live.send(
        notice("inhibited", now, severity="ticket"),
        notice("inhibited", now, severity="page"),
        notice("inhibited", now, severity="ticket", slo="probe"),
    )
    assert until(lambda: bool(live.told("inhibited")))
    assert live.told("inhibited") == [("firing", ["mmd page", "probe ticket"])]
    silenced = {a["labels"]["slo"]: bool(a["status"]["inhibitedBy"]) for a in live.stored("inhibited")}
    assert silenced["probe"] is False
    assert sum(bool(a["status"]["inhibitedBy"]) for a in live.stored("inhibited")) == 1


def test_an_incident_is_notified_once_however_often_it_is_sent_and_once_more_when_it_ends(live):
    first = notice("once", datetime.now(UTC))
    live.send(first, notice("once", datetime.now(UTC), slo="probe"))
    assert until(lambda: bool(live.told("once")))
    for burn in (15, 20, 25):
        live.send(replace(first, annotations={"summary": f"burns {burn} times too fast"}))
        # Longer than resolve_timeout and two group intervals in all: nothing may come of it.
        until(lambda: len(live.told("once")) > 1, within=1)
    assert live.told("once") == [("firing", ["mmd page", "probe page"])]
    texts = {a["labels"]["slo"]: a["annotations"]["summary"] for a in live.stored("once")}
    assert texts == {"mmd": "burns 25 times too fast", "probe": "something moved"}
    ended = datetime.now(UTC)
    live.send(replace(first, ends_at=ended), replace(notice("once", first.starts_at, slo="probe"), ends_at=ended))
    assert until(lambda: len(live.told("once")) == 2)
    assert live.told("once")[1] == ("resolved", ["mmd page", "probe page"])


@pytest.mark.parametrize(
    ("model", "bad"),
    [
        ("bad-name", lambda n: replace(n, labels=n.labels | {"bad-name": "x"})),  # 400: stores the valid ones
        ("bad-link", lambda n: replace(n, generator_url="::x")),  # 422: stores none
    ],
)
def test_one_invalid_alert_costs_the_others_nothing(live, model, bad):
    notices = [notice(model, datetime.now(UTC), slo=f"slo{i:02}") for i in range(64)]
    notices[37] = bad(notices[37])
    with pytest.raises(DeliveryError, match=r"refused 1 alerts.*slo37") as caught:
        live.send(*notices)
    assert (caught.value.final, caught.value.status) == (True, 400 if model == "bad-name" else 422)
    stored = {a["labels"]["slo"] for a in live.stored(model)}
    assert stored == {f"slo{i:02}" for i in range(64)} - {"slo37"}
    assert len(live.stored(model)) == 63


def test_an_invalid_alert_alone_is_final(live):
    with pytest.raises(DeliveryError, match=r'bad-name="x"') as caught:
        live.send(notice("alone", datetime.now(UTC), **{"bad-name": "x"}))
    assert (caught.value.final, caught.value.status) == (True, 400)


def test_all_of_a_large_firing_set_arrives(live):
    live.send(*(notice("many", datetime.now(UTC), slo=f"slo{i}") for i in range(130)))
    assert len(live.stored("many")) == 130


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (64, [64]), (130, [64, 64, 2]), (1000, [64] * 15 + [40])]
)
def test_batches_hold_at_most_64(count, sizes):
    bodies = encode([notice(slo=str(i)) for i in range(count)], now=NOW, resend=RESEND)
    assert [len(json.loads(body)) for body in bodies] == sizes


def test_pages_go_before_tickets_and_tickets_before_the_rest():
    mixed = [notice(slo=str(i), severity=("info", "ticket", "page")[i % 3]) for i in range(150)]
    sent = [alert["labels"] for alert in alerts(*mixed)]
    assert [labels["severity"] for labels in sent] == ["page"] * 50 + ["ticket"] * 50 + ["info"] * 50
    assert [labels["slo"] for labels in sent[:3]] == ["2", "5", "8"]


@pytest.mark.parametrize(("resend", "minutes"), [(60, 15), (225, 15), (300, 20), (1800, 120)])
def test_a_firing_alert_outlives_three_lost_requests(resend, minutes):
    (body,) = encode([notice()], now=NOW, resend=timedelta(seconds=resend))
    (alert,) = json.loads(body)
    assert alert["startsAt"] == "2026-01-01T00:00:00Z"
    assert alert["endsAt"] == f"2026-01-01T{minutes // 60:02}:{minutes % 60:02}:00Z"


def test_an_ended_alert_keeps_its_end_and_all_times_are_utc():
    india = timezone(timedelta(hours=5, minutes=30))
    (alert,) = alerts(replace(notice(started=NOW.astimezone(india)), ends_at=NOW + timedelta(seconds=1.5)))
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.500000Z")


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        alerts(notice(started=NOW.replace(tzinfo=None)))


def test_empty_labels_and_an_empty_link_are_left_out():
    (alert,) = alerts(notice(team=""))
    assert "team" not in alert["labels"]
    assert "generatorURL" not in alert
    (alert,) = alerts(replace(notice(), generator_url="http://d/e"))
    assert alert["generatorURL"] == "http://d/e"


@pytest.mark.parametrize("status", [204, 299])
def test_any_2xx_is_success(client, status):
    with Receiver(lambda _: Reply(status, {"content-length": "0"})) as receiver:
        assert Alertmanager(f"{receiver.url}/prefix/", client).send(Message("x", b"[]"), now=NOW) == status
    (request,) = receiver.received
    assert (request.path, request.headers["content-type"]) == ("/prefix/api/v2/alerts", "application/json")


@pytest.mark.parametrize("status", [302, 401, 404, 413, 429, 500, 503])
def test_other_answers_are_worth_another_attempt(client, status):
    headers = {"location": "/elsewhere", "retry-after": "7"}
    reply, match = Reply(status, headers, b"not\0 now"), f"{status}: not now"
    with Receiver(lambda _: reply) as receiver, pytest.raises(DeliveryError, match=match) as caught:
        Alertmanager(receiver.url, client).send(Message("x", b"[]"), now=NOW)
    assert (caught.value.status, caught.value.final) == (status, False)
    assert caught.value.retry_after == timedelta(seconds=7)
    assert len(receiver.received) == 1


def test_without_an_answer_there_is_no_status_and_no_password_in_the_text(client):
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(DeliveryError, match=f"{address} needs to be reachable") as caught:
        Alertmanager(f"http://user:hush@{address}", client).send(Message("x", b"[]"), now=NOW)
    assert (caught.value.status, caught.value.final) == (None, False)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("kept", [False, True])
def test_an_alertmanager_that_drips_is_cut_at_the_deadline_also_after_an_answer(client, monkeypatch, kept):
    monkeypatch.setattr("drift.notify.alertmanager_api.TIMEOUT", timedelta(seconds=0.4))
    replies = [Reply(200, body=b"[]")] * kept
    with Receiver(lambda _: replies.pop() if replies else Reply(200, drip=0.05)) as receiver:
        peer = Alertmanager(receiver.url, client)
        if kept:
            peer.look(now=NOW)
        with pytest.raises(DeliveryError, match=r"no answer within 0:00:00\.4"):
            peer.look(now=NOW)


@pytest.mark.parametrize("status", [Reply(403), Reply(200, body=b"{}")])
def test_an_alertmanager_that_does_not_say_since_when_it_runs_has_run_for_ever(client, status):
    answers = {"/api/v2/status": status}
    with Receiver(lambda request: answers.get(request.path, Reply(200, body=b"[]"))) as receiver:
        found = Alertmanager(receiver.url, client).held(now=NOW)
    assert (found.labels, found.since.year) == ((), 1)


def test_trouble_while_a_batch_is_halved_is_worth_another_attempt(client):
    bodies = encode([notice(slo=str(i)) for i in range(4)], now=NOW, resend=RESEND)
    statuses = iter([400, 200, 503])
    with Receiver(lambda _: Reply(next(statuses))) as receiver, pytest.raises(DeliveryError) as caught:
        Alertmanager(receiver.url, client).send(Message("x", bodies[0]), now=NOW)
    assert (caught.value.status, caught.value.final) == (503, False)
    assert [len(json.loads(r.body)) for r in receiver.received] == [4, 2, 2]


def test_the_text_stays_short_when_all_are_refused(client):
    bodies = encode([notice(slo=f"slo{i}") for i in range(64)], now=NOW, resend=RESEND)
    with Receiver(lambda _: Reply(422)) as receiver, pytest.raises(DeliveryError, match="and 56 more") as caught:
        Alertmanager(receiver.url, client).send(Message("x", bodies[0]), now=NOW)
    assert str(caught.value).count("alertname") == 8
    assert len(receiver.received) == 127


def test_a_batch_whose_halves_are_taken_is_delivered(client):
    bodies = encode([notice(slo=str(i)) for i in range(2)], now=NOW, resend=RESEND)
    statuses = iter([400, 200, 200])
    with Receiver(lambda _: Reply(next(statuses))) as receiver:
        assert Alertmanager(receiver.url, client).send(Message("x", bodies[0]), now=NOW) == 200
