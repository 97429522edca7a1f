"""Adapters against servers that hold callers to what each API documents: a message that comes twice starts one run."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from peers import Received, Receiver, Reply

from drift.errors import DeliveryError
from drift.notify.adapters import ADAPTERS
from drift.notify.adapters.base import Door
from drift.notify.base import Message
from drift.notify.endpoint import Endpoint

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EVENT = {"id": "msg_1", "type": "io.drift.retrain.requested", "data": {"model": "encoder"}}
MESSAGE = Message("msg_1", json.dumps(EVENT).encode())
TARGETS = {
    "airflow": "retrain",
    "prefect": "0b1c",
    "argo": "",
    "github": "acme/models",
    "kubeflow": "p1/v2",
    "dagster": "loc/repo/job",
}


def answer(status: int, said: object = None) -> Reply:
    return Reply(status, {"content-type": "application/json"}, b"" if said is None else json.dumps(said).encode())


@dataclass
class Server:
    """One API; `runs` are those that it has started, by the id that it knows them by."""

    runs: dict[str, dict] = field(default_factory=dict)

    def airflow(self, request: Received) -> Reply:
        sent = json.loads(request.body)
        if request.path != "/api/v2/dags/retrain/dagRuns":
            return answer(404, {"detail": "no DAG"})
        if "logical_date" not in sent or set(sent) - {"dag_run_id", "logical_date", "conf", "note"}:
            return answer(422, {"detail": "logical_date: Field required"})
        if sent["dag_run_id"] in self.runs:
            return answer(409, {"detail": "DAGRun with this dag_run_id already exists"})
        self.runs[sent["dag_run_id"]] = sent["conf"]["event"]
        return answer(200, {"dag_run_id": sent["dag_run_id"], "state": "queued"})

    def prefect(self, request: Received) -> Reply:
        sent = json.loads(request.body)
        if request.path != "/deployments/0b1c/create_flow_run":
            return answer(404)
        is_new = sent["idempotency_key"] not in self.runs
        self.runs.setdefault(sent["idempotency_key"], sent["parameters"]["event"])
        return answer(201 if is_new else 200, {"id": "run"})

    def argo(self, request: Received) -> Reply:
        if request.headers.get("content-type") != "application/json":
            return answer(400)
        event = json.loads(request.body)
        self.runs.setdefault(event["id"], event)  # the sensor's Workflow is named by the event's id
        return Reply(200, body=b"success")

    def github(self, request: Received) -> Reply:
        sent = json.loads(request.body)
        if request.path != "/repos/acme/models/dispatches":
            return answer(404)
        if request.headers.get("accept") != "application/vnd.github+json":
            return answer(415)
        if len(sent["event_type"]) > 100 or len(sent["client_payload"]) > 10 or len(request.body) > 65_535:
            return answer(422)
        self.runs.setdefault(sent["client_payload"]["id"], sent["client_payload"]["event"])  # by `concurrency`
        return answer(204)

    def kubeflow(self, request: Received) -> Reply:
        if urlsplit(request.path).path != "/apis/v2beta1/runs":
            return answer(404)
        if not request.body:
            (wanted,) = json.loads(parse_qs(urlsplit(request.path).query)["filter"][0])["predicates"]
            assert (wanted["key"], wanted["operation"]) == ("display_name", "EQUALS")
            name = wanted["string_value"]
            return answer(200, {"runs": [{"display_name": name}]} if name in self.runs else {})
        sent = json.loads(request.body)
        if sent["pipeline_version_reference"] != {"pipeline_id": "p1", "pipeline_version_id": "v2"}:
            return answer(400)
        assert sent["display_name"] not in self.runs
        self.runs[sent["display_name"]] = json.loads(sent["runtime_config"]["parameters"]["event"])
        return answer(200, {"run_id": "1"})

    def dagster(self, request: Received) -> Reply:
        sent = json.loads(request.body)
        if request.path != "/graphql":
            return answer(404)
        if "runsOrError" in sent["query"]:
            (tag,) = sent["variables"]["filter"]["tags"]
            results = [{"runId": "r"}] if tag["value"] in self.runs else []
            return answer(200, {"data": {"runsOrError": {"__typename": "Runs", "results": results}}})
        params = sent["variables"]["executionParams"]
        selector = {"repositoryLocationName": "loc", "repositoryName": "repo", "jobName": "job"}
        if params["selector"] != selector:
            return answer(200, {"data": {"launchRun": {"__typename": "PipelineNotFoundError"}}})
        tags = {tag["key"]: tag["value"] for tag in params["executionMetadata"]["tags"]}
        assert tags["drift/id"] not in self.runs
        self.runs[tags["drift/id"]] = json.loads(tags["drift/event"])
        return answer(200, {"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "r"}}}})


@pytest.fixture(scope="module")
def client():
    with httpx2.Client(trust_env=False) as client:
        yield client


def adapter(client, name: str, url: str, target: str | None = None):
    endpoint = Endpoint(f"{name} train", client, (ip_network("127.0.0.0/8"),))
    return ADAPTERS[name](Door(endpoint, url, "t0ken"), TARGETS[name] if target is None else target)


def of(server: Server, name: str) -> Callable[[Received], Reply]:
    """Its API of that name, for those who bring the token."""

    def reply(request: Received) -> Reply:
        headers = {key.lower(): value for key, value in request.headers.items()}
        if headers.get("authorization") != "Bearer t0ken":
            return answer(401)
        return getattr(server, name)(Received(request.path, headers, request.body))

    return reply


def test_every_adapter_is_tested():
    assert set(TARGETS) == set(ADAPTERS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_message_starts_one_run_however_often_it_comes(client, name):
    server = Server()
    with Receiver(of(server, name)) as receiver:
        mine = adapter(client, name, receiver.url)
        for _ in range(3):
            mine.send(MESSAGE, now=NOW)
        mine.send(Message("msg_2", json.dumps(EVENT | {"id": "msg_2"}).encode()), now=NOW)
    assert server.runs == {"msg_1": EVENT, "msg_2": EVENT | {"id": "msg_2"}}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_refused_is_a_failure_that_shows_no_token(client, name):
    closed = Receiver(lambda _: answer(403, {"detail": "not you"}))
    with closed as receiver, pytest.raises(DeliveryError, match="not you") as caught:
        adapter(client, name, receiver.url).send(MESSAGE, now=NOW)
    assert (caught.value.status, caught.value.final) == (403, False)
    assert "t0ken" not in str(caught.value) + repr(adapter(client, name, "http://x"))


def test_a_job_that_is_not_there_is_a_failure_though_dagster_answers_200(client):
    with Receiver(of(Server(), "dagster")) as receiver, pytest.raises(DeliveryError, match="PipelineNotFoundError"):
        adapter(client, "dagster", receiver.url, "loc/repo/other").send(MESSAGE, now=NOW)


@pytest.mark.parametrize("name", ["kubeflow", "dagster"])
def test_a_page_where_an_api_should_be_is_named(client, name):
    page = Receiver(lambda _: Reply(200, body=b"<html>log in"))
    with page as receiver, pytest.raises(DeliveryError, match="is this the API's url"):
        adapter(client, name, receiver.url).send(MESSAGE, now=NOW)


def test_an_adapter_reaches_no_private_address_that_is_not_allowed(client):
    with Receiver() as receiver:
        shut = ADAPTERS["airflow"](Door(Endpoint("airflow train", client), receiver.url), "retrain")
        with pytest.raises(DeliveryError, match="public address"):
            shut.send(MESSAGE, now=NOW)
    assert receiver.received == []
