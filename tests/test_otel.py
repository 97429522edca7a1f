"""The numbers of `/metrics` by OTLP, as a receiver gets them."""

import gzip
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fakes import START, FakeCollector, healthy, make_monitor, register, spans
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from drift.api.metrics import Exporter
from drift.errors import ConfigError
from drift.pipeline import measure
from drift.scheduler import Scheduler
from drift.wiring.otel import exporting, wanted

Points = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Receiver:
    """Takes what is posted to /v1/metrics."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/metrics"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def newest(self):
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        (resource,) = ExportMetricsServiceRequest.FromString(self.bodies[-1]).resource_metrics
        return resource

    def points(self) -> Points:
        (scope,) = self.newest().scope_metrics
        return {
            (metric.name, frozenset((a.key, a.value.string_value) for a in point.attributes)): point.as_double
            or float(point.as_int)
            for metric in scope.metrics
            for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points
        }


@pytest.fixture
def receiver(monkeypatch) -> Iterator[Receiver]:
    if not os.environ.get("CI"):
        pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="pip install 'drift[otel]'")
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{found.server.server_port}")
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


class Given(Collector):
    def __init__(self, value: float) -> None:
        self.value = value

    def collect(self) -> Iterator[Metric]:
        counter = CounterMetricFamily("drift_evaluations", "Windows.", labels=["slo"])
        counter.add_metric(["traffic"], self.value)
        info = InfoMetricFamily("drift_build", "The version.")
        info.add_metric([], {"version": "1"})
        seconds = GaugeMetricFamily("drift_evaluation_interval_seconds", "Length.")
        seconds.add_metric([], 300)
        yield from (counter, info, seconds)


def test_what_is_exported_is_what_is_scraped(engine, receiver):
    from test_api import service_of

    given = {START + i * (spans(1)[0].length): healthy(80, i) * 5 for i in range(9)}
    monitor = make_monitor(engine, collector=FakeCollector(given))
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(9))
    service = service_of(engine, monitor)
    exporter = Exporter(service, Scheduler(service))
    with exporting(exporter):
        pass
    suffixed = {"counter": "_total", "info": ""}
    scraped = {
        (sample.name.removesuffix(suffixed.get(family.type, "")), frozenset(sample.labels.items())): sample.value
        for family in exporter.collect()
        for sample in family.samples
    }
    assert receiver.points() == scraped
    assert scraped[
        "drift_evaluations_bad", frozenset({("model_id", "encoder"), ("job_id", "search"), ("slo", "spread")})
    ]


def test_the_end_has_the_newest_numbers_and_says_whose_they_are(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=staging")
    given = Given(3)
    with exporting(given):
        given.value = 8
    assert receiver.points()["drift_evaluations", frozenset({("slo", "traffic")})] == 8
    assert receiver.points()["drift_build_info", frozenset({("version", "1")})] == 1
    about = {one.key: one.value.string_value for one in receiver.newest().resource.attributes}
    assert (about["service.name"], about["deployment.environment"]) == ("drift", "staging")


def test_counters_add_up_and_lengths_have_their_unit(receiver):
    given = Given(3)
    with exporting(given):
        pass
    (scope,) = receiver.newest().scope_metrics
    counter = next(metric for metric in scope.metrics if metric.name == "drift_evaluations")
    units = {metric.name: metric.unit for metric in scope.metrics}
    assert units["drift_evaluation_interval_seconds"] == "s"
    assert (counter.sum.is_monotonic, counter.sum.aggregation_temporality) == (True, 2)  # cumulative


def test_a_name_given_by_the_environment_wins(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "drift-eu")
    with exporting(Given(1)):
        pass
    about = {one.key: one.value.string_value for one in receiver.newest().resource.attributes}
    assert about["service.name"] == "drift-eu"


def test_each_process_counts_for_itself_unless_the_environment_names_it(receiver, monkeypatch):
    def name() -> str:
        with exporting(Given(1)):
            pass
        about = {one.key: one.value.string_value for one in receiver.newest().resource.attributes}
        return about["service.instance.id"]

    first, second = name(), name()
    assert first
    assert first != second
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-7")
    assert name() == "pod-7"


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_METRICS_EXPORTER": "none"}])
def test_nothing_is_sent_where_it_is_turned_off(receiver, monkeypatch, off):
    for name, value in off.items():
        monkeypatch.setenv(name, value)
    with exporting(Given(1)):
        pass
    assert not receiver.bodies


def test_nothing_is_sent_where_nobody_is_named():
    assert not wanted({})
    assert wanted({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318/v1/metrics"})


def test_a_protocol_that_drift_does_not_speak_is_refused():
    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': drift exports by http/protobuf"):
        wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
