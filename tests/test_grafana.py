"""The dashboards for Grafana ask for what `/metrics` gives, and a real Prometheus answers them."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import httpx2
import pytest
from fakes import START, FakeCollector, FakeEncoder, FakeNotifier, healthy, make_monitor, register, spans, variance_slo
from peers import Receiver, Reply, prometheus, until
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from test_api import LENGTH

from detectors import DETECTORS
from drift.api.app import create_app
from drift.encoder.cache import CachedEncoder
from drift.encoder.meter import Meter
from drift.notify.base import Look, Notice
from drift.notify.peer import Peer
from drift.pipeline import measure
from drift.scheduler import Scheduler, Service
from drift.slo import Quantity, Sli, Slo
from drift.store.connect import connect

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana"
FILES = sorted(FOLDER.glob("*.json"))
NOW, DAY = START + 40 * LENGTH, timedelta(days=1)
VARIABLES = {"$model": ".*", "$stream": "search", "$slo": ".*", "$detector": ".*"}
# What needs no scrape before it: an increase of nothing is nothing, and two scrapes may lie too near for a rate.
COUNTED = re.compile(r"\b(rate|increase)\(")


def queries(path: Path) -> Iterator[tuple[str, str]]:
    """What a dashboard asks Prometheus for, its variables filled in, and the names that it shows."""
    board = json.loads(path.read_text())
    asked = [(t["expr"], t["legendFormat"]) for panel in board["panels"] for t in panel["targets"]]
    lists = [v["query"]["query"] for v in board["templating"]["list"] if v["type"] == "query"]
    asked += [re.fullmatch(r"label_values\((.+), (\w+)\)", text).expand(r"\1|{{\2}}").rsplit("|", 1) for text in lists]
    for text, shown in asked:
        for name, value in VARIABLES.items():
            text = text.replace(name, value)  # noqa: PLW2901
        yield text, shown


def labels(query: str, shown: str) -> set[str]:
    """The labels that a query selects by, groups by, or shows."""
    grouped = re.findall(r"\b(?:by|without) \(([^)]*)\)", query)
    named = [name.strip() for names in grouped for name in names.split(",")]
    return {*named, *re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query), *re.findall(r"{{(\w+)}}", shown)}


@pytest.fixture(scope="module")
def exposition(server) -> Iterator[str]:
    """What a service exports to which everything has happened that it can tell of."""
    server.run(f"CREATE DATABASE {server.template}_grafana TEMPLATE {server.template}")
    engine = connect(server.url(f"{server.template}_grafana"))
    try:
        yield exported(engine)
    finally:
        engine.dispose()
        server.run(f"DROP DATABASE {server.template}_grafana WITH (FORCE)")


def exported(engine) -> str:
    # Of a service on a GPU, which none is here.
    encoder = CachedEncoder(FakeEncoder(), meter=Meter("bundled", 2.0, price=36.0, gpu_utilisation=0.5))
    detectors = tuple(DETECTORS[name]() for name in ("variance_ratio", "valid_ratio", "novelty"))
    test = Sli("novelty", Quantity.P_VALUE, 0.005)
    novelty = Slo("novelty", "search", test, variance_slo().target, LENGTH, alpha=Fraction("0.005"))
    given = {START + i * LENGTH: healthy(80, i) * (1 if i < 30 else 5) for i in range(40)}
    monitor = make_monitor(
        engine,
        collector=FakeCollector(given),
        detectors=detectors,
        slos={"search": (variance_slo(), novelty)},
        encoder=encoder,
    )
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(40))
    encoder.encode(["a", "b"])
    peer = Peer(FakeNotifier(looks=Look(timedelta(seconds=3))))
    peer.offer([Notice({"alertname": "A"}, {}, NOW)], read_at=NOW)
    peer.tell_next(now=NOW, resend=timedelta(minutes=1))
    hooks = {"retrain": FakeNotifier()}
    service = Service(engine, {"search": monitor}, {"http://am": peer}, hooks, DAY, DAY, DAY, lambda: NOW)
    with TestClient(create_app(service, Scheduler(service))) as client:
        return client.get("/metrics").text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_metric_and_label_is_exported(path, exposition):
    known: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            known.setdefault(sample.name, set()).update(sample.labels)
    for query, shown in queries(path):
        metrics = set(re.findall(r"\bdrift_\w+", query))
        assert metrics
        assert metrics <= known.keys(), query
        missing = labels(query, shown) - set().union(*(known[name] for name in metrics))
        assert not missing, (query, shown)


def test_prometheus_answers_each_query(exposition, tmp_path):
    with Receiver(lambda _: Reply(headers={"content-type": "text/plain"}, body=exposition.encode())) as service:
        target = service.url.removeprefix("http://")
        job = f"{{job_name: drift, scrape_interval: 1s, static_configs: [{{targets: ['{target}']}}]}}"
        address = prometheus(f"scrape_configs: [{job}]", tmp_path)
        with address as url, httpx2.Client(base_url=url, trust_env=False) as client:

            def answer(query: str) -> list:
                found = client.get("/api/v1/query", params={"query": query}).json()
                assert found["status"] == "success", (query, found)
                return found["data"]["result"]

            assert until(lambda: bool(answer("drift_up")), within=20)
            for query, _ in (asked for path in FILES for asked in queries(path)):
                found = answer(query)
                assert found or COUNTED.search(query), query


def test_dashboards_are_told_apart_and_find_each_other():
    boards = [json.loads(path.read_text()) for path in FILES]
    assert len({board["uid"] for board in boards}) == len(boards) == 3
    assert all("drift" in board["tags"] and board["links"][0]["tags"] == ["drift"] for board in boards)
    for board in boards:
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert all(panel["datasource"]["uid"] == "${datasource}" for panel in board["panels"])
