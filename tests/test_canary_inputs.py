"""Golden inputs, sent through an endpoint: a local server that embeds with the bundled encoder, or fakes it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import DIM, FakeEncoder, healthy
from samples import reference

from drift.alert import AlertKind, AlertState
from drift.config import Config, Settings, load
from drift.encoder.base import Encoder
from drift.encoder.cache import CachedEncoder
from drift.encoder.load import EncoderSpec
from drift.encoder.load import load as load_encoder
from drift.errors import BadReferenceError, ConfigError
from drift.pipeline import canary_inputs
from drift.pipeline.canary_inputs import CanaryInputs
from drift.pipeline.golden_measures import can_probe
from drift.records import Reference
from drift.scheduler import Scheduler, Service, diagnose_one
from drift.store import reads, windows
from drift.wiring.build import begin, build_service
from drift.wiring.check import checks
from drift.wiring.diagnose_command import Models, of_stream

Embed = Callable[[list[str]], np.ndarray]
COUNT = 96


@dataclass
class Production:
    """Embeds as it is told; by default it answers 503. `plain` answers in a list of lists."""

    url: str = ""
    embed: Embed | None = None
    plain: bool = False
    asked: list[dict] = field(default_factory=list)

    def answer(self, body: dict) -> tuple[int, object]:
        self.asked.append(body)
        if self.embed is None:
            return 503, {"error": "loading"}
        rows = self.embed(body["inputs" if self.plain else "input"]).tolist()
        data = [{"index": i, "embedding": row} for i, row in enumerate(rows)]
        return 200, rows if self.plain else {"data": data}


@pytest.fixture
def production() -> Iterator[Production]:
    found = Production()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status, said = found.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}/v1/embeddings"
        yield found
        server.shutdown()
        thread.join()


def texts(count: int = COUNT) -> list[str]:
    """Questions of two kinds, some of them long."""
    kinds = ("how do I send {} euros to my {} friends {}", "what is the weather in town {} on {} mornings {}")
    return [kinds[i % 2].format(i, i % 7 + 2, "and so on " * (i % 5) * 4) for i in range(count)]


def configured(folder: Path, url: str, *, dim: int, canary: str = "", encoder: str = "", labels: bool = True) -> Config:
    """One stream with its reference in a file, and canary inputs with or without labels and their vectors."""
    pq.write_table(pa.table({"vector": list(healthy(200, 5, dim))}), folder / "reference.parquet")
    golden: dict[str, object] = {"input": texts()}
    if labels:
        golden["label"] = [("money", "weather")[i % 2] for i in range(COUNT)]
    if not encoder:
        golden["vector"] = list(FakeEncoder().encode(texts()))
    pq.write_table(pa.table(golden), folder / "golden.parquet")
    (folder / "drift.yaml").write_text(f"""
streams:
  - id: search
    model: encoder
    dim: {dim}
    {encoder}
    detectors: [variance_ratio]
    merge: []
    reference: {{path: reference.parquet, recompute: null}}
    canary_inputs: {{endpoint: "{url}", inputs: golden.parquet, every: 2m{canary}}}
""")
    return load(folder / "drift.yaml")


@pytest.fixture
def service(engine, production, tmp_path) -> Service:
    """Its golden inputs have the fake encoder's vectors."""
    production.embed = FakeEncoder().encode
    built = build_service(configured(tmp_path, production.url, dim=DIM), engine, tmp_path)
    begin(built)
    return built


def looks(service: Service, count: int) -> CanaryInputs:
    """Look once in each of so many slots."""
    (canary,) = service.canary_inputs.values()
    span = canary.due(service.clock())
    for _ in range(count):
        window, findings = canary.look(span)
        with service.engine.begin() as conn:
            assert canary_inputs.keep(conn, canary, window, findings)
        span = span.next()
    return canary


def slots(service: Service) -> dict[str, list[str]]:
    with service.engine.connect() as conn:
        rows = reads.budgets(
            conn, "search/canary", service.clock() - timedelta(hours=1), service.clock() + timedelta(1)
        )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.slo, []).append(str(row.outcome))
    return found


def test_an_endpoint_that_gives_the_right_vectors_is_good_each_time_and_no_rows_are_kept(service):
    canary = looks(service, 3)
    assert slots(service) == {"canary": ["good"] * 3, "canary-probe": ["good"] * 3}
    assert [slo.interval for slo in canary.monitor.slos["search/canary"]] == [timedelta(minutes=2)] * 2
    with service.engine.connect() as conn:
        assert windows.newest(conn, "search/canary") is None


def test_a_slot_is_counted_once_whoever_looks(service):
    canary = looks(service, 1)
    window, findings = canary.look(canary.due(service.clock()))
    with service.engine.begin() as conn:
        assert not canary_inputs.keep(conn, canary, window, findings)


def test_no_answer_is_a_gap_that_says_why_and_a_missing_slot(service, production):
    production.embed = None
    looks(service, 1)
    with service.engine.connect() as conn:
        now = service.clock()
        (gap,) = reads.gaps(conn, "search/canary", now - timedelta(hours=1), now)
    assert (gap.detector, str(gap.reason)) == ("", "no_answer")
    assert "503" in gap.detail
    assert "loading" in gap.detail
    assert slots(service)["canary"] == ["missing"]


def rounded(inputs: list[str]) -> np.ndarray:
    right = FakeEncoder().encode(inputs)
    right[::10] = np.nan
    return right


@pytest.mark.parametrize(
    ("embed", "least", "said"),
    [
        (lambda inputs: np.zeros((len(inputs), DIM)), 1.0, "zeroed-dimensions"),
        (lambda inputs: healthy(len(inputs), dim=DIM + 1), 1.0, "unknown"),
        (rounded, 0.1, "unknown"),
    ],
    ids=["zeros", "another length", "some are NaN"],
)
def test_what_is_no_vector_is_beyond_tolerance_and_diagnosed(service, production, embed, least, said):
    production.embed = embed
    looks(service, 6)
    assert slots(service)["canary"] == ["bad"] * 6
    with service.engine.connect() as conn:
        (newest,) = reads.measurements(conn, "search/canary", service.clock() - timedelta(hours=1), service.clock())[:1]
    assert newest.value >= least
    assert diagnose_one(service, lambda _: None)
    with service.engine.connect() as conn:
        (page,) = [row for row in reads.alerts(conn) if row.alert.kind is AlertKind.PAGE and row.alert.slo == "canary"]
    assert page.alert.stream == "search/canary"
    assert page.annotations["cause"] == said


def test_a_probe_on_the_labels_sees_vectors_that_say_something_else(service, production):
    production.embed = lambda inputs: FakeEncoder().encode(["another " + text for text in inputs])
    canary = looks(service, 1)
    probe = next(each for each in canary.monitor.detectors if each.name == "canary_probe")
    assert probe.is_test
    assert slots(service)["canary"] == ["bad"]


def test_one_label_beside_empty_ones_is_too_few_for_a_probe():
    def labelled(*labels: str) -> Reference:
        return reference(healthy(200), labels=tuple(labels[i % len(labels)] for i in range(200)))

    assert can_probe(labelled("pay", "find"))
    assert not can_probe(labelled("pay", ""))


def test_inputs_without_labels_have_no_probe(engine, production, tmp_path):
    production.embed = FakeEncoder().encode
    built = build_service(configured(tmp_path, production.url, dim=DIM, labels=False), engine, tmp_path)
    begin(built)
    looks(built, 1)
    assert slots(built) == {"canary": ["good"]}


def test_a_look_is_diagnosed_by_its_key(engine, service, production, tmp_path):
    production.embed = lambda inputs: 3 * FakeEncoder().encode(inputs)
    looks(service, 1)
    config = load(tmp_path / "drift.yaml")
    settings = Settings(database_url=engine.url.render_as_string(hide_password=False), home=tmp_path)
    _, found = of_stream("search/canary", config, settings, Models(), reference="", at=None, progress=lambda _: None)
    assert found.causes[0].cause == "missing-normalisation"


def test_an_endpoint_of_plain_json_is_asked_in_its_own_words(engine, production, tmp_path):
    production.embed, production.plain = FakeEncoder().encode, True
    built = build_service(configured(tmp_path, production.url, dim=DIM, canary=", form: plain"), engine, tmp_path)
    begin(built)
    looks(built, 1)
    assert slots(built)["canary"] == ["good"]
    assert set(production.asked[0]) == {"inputs"}


def test_the_clock_looks_once_a_slot_with_no_traffic_at_all(service, production):
    scheduler = Scheduler(service)
    (canary,) = service.canary_inputs.values()
    scheduler._ask(canary)
    asked = len(production.asked)
    scheduler._ask(canary)
    assert len(production.asked) == asked > 0
    assert slots(service)["canary"] == ["good"]


def test_too_few_inputs_are_refused_at_the_start(engine, production, tmp_path):
    config = configured(tmp_path, production.url, dim=DIM)
    few = {"input": texts(15), "vector": list(FakeEncoder().encode(texts(15)))}
    pq.write_table(pa.table(few), tmp_path / "golden.parquet")
    with pytest.raises(BadReferenceError, match="16 rows at least, found 15 inputs"):
        build_service(config, engine, tmp_path)


def test_check_asks_the_endpoint(production, postgres_url, tmp_path):
    config = configured(tmp_path, production.url, dim=DIM)
    settings = Settings(database_url=postgres_url, home=tmp_path)

    def said() -> tuple[str, str]:
        return next((one.detail, one.fault) for one in checks(config, settings) if one.what == "stream search: canary")

    assert "503" in said()[1]
    production.embed = FakeEncoder().encode
    assert said() == (f"{COUNT} golden inputs with labels, embedded by {production.url}", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [("host:1/x", "is not an address"), ("http://me:hush@host/x", "put its key into `api_key`")],
)
def test_an_address_that_is_none_is_refused(tmp_path, given, said):
    with pytest.raises(ConfigError, match=said):
        configured(tmp_path, given, dim=DIM)


# With the bundled encoder on both sides.


@pytest.fixture(scope="module")
def bundled() -> Encoder:
    return load_encoder(EncoderSpec(threads=1))


def test_a_fault_of_the_serving_path_pages_and_is_named_with_no_traffic(engine, production, bundled, tmp_path):
    encoder = "encoder: {model: bundled, threads: 1}"
    config = configured(tmp_path, production.url, dim=384, encoder=encoder)
    service = build_service(config, engine, tmp_path)
    begin(service)
    production.embed = CachedEncoder(bundled).encode
    looks(service, 1)
    assert slots(service) == {"canary": ["good"], "canary-probe": ["good"]}
    production.embed = CachedEncoder(load_encoder(EncoderSpec(threads=1, max_length=24))).encode
    (canary,) = service.canary_inputs.values()
    span = canary.due(service.clock()).next()
    for _ in range(6):
        window, findings = canary.look(span)
        with engine.begin() as conn:
            canary_inputs.keep(conn, canary, window, findings)
        span = span.next()
    while diagnose_one(service, lambda _: None):
        pass
    with engine.connect() as conn:
        (page,) = [row for row in reads.alerts(conn) if row.alert.kind is AlertKind.PAGE]
    assert (page.alert.stream, page.alert.slo, page.alert.state) == ("search/canary", "canary", AlertState.FIRING)
    assert page.annotations["cause"] == "truncation"
