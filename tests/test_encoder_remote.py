"""An encoder behind an endpoint of OpenAI's kind. A server that keeps to the documented contract stands in for one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx2
import numpy as np
import pytest
from fakes import DIM, START, FakeCollector, FakeEncoder, healthy, make_monitor, register, spans
from pydantic import SecretStr

from detectors import DETECTORS
from drift.config import EncoderConfig
from drift.encoder.endpoint import BATCH
from drift.encoder.remote import RemoteEncoder
from drift.errors import EncoderError
from drift.pipeline import measure
from drift.records import Rows, Window
from drift.store import reads
from drift.wiring.encoders import open_encoder


@dataclass
class Endpoint:
    """Answers as told; by default with the fake encoder's vectors, in another order than asked for."""

    url: str = ""
    asked: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    answer: Callable[[list[str]], tuple[int, object]] | None = None

    def said(self, inputs: list[str]) -> tuple[int, object]:
        if self.answer is not None:
            return self.answer(inputs)
        rows = FakeEncoder().encode(inputs).tolist()
        return 200, {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)][::-1]}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.asked.append(body)
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, said = found.said(body["input"])
            text = said if isinstance(said, bytes) else json.dumps(said).encode()
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


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


def test_vectors_come_in_the_order_of_the_inputs_in_batches_that_servers_take(endpoint, client):
    encoder = RemoteEncoder(endpoint.url, client, "bge-small", SecretStr("hush"))
    texts = [f"text {i}" for i in range(2 * BATCH + 3)]
    assert np.allclose(encoder.encode(texts), FakeEncoder().encode(texts))
    assert [len(each["input"]) for each in endpoint.asked] == [1, BATCH, BATCH, 3]
    assert {each["model"] for each in endpoint.asked} == {"bge-small"}
    assert endpoint.headers[0]["authorization"] == "Bearer hush"
    assert "hush" not in repr(encoder)
    assert encoder.encode([]).shape == (0, DIM)


def test_odd_texts_are_sent_as_they_can_be(endpoint, client):
    encoder = RemoteEncoder(endpoint.url, client)
    odd = ["", "nul \0 inside", "\ud800 lone surrogate", "👩‍👩‍👧‍👦", "\u202eשלם\u202c", "x" * 100_000]
    assert encoder.encode(odd).shape == (len(odd), encoder.dim)
    assert endpoint.asked[-1]["input"] == [text.replace("\ud800", "\ufffd") for text in odd]


def test_the_fingerprint_tells_models_and_addresses_apart(endpoint, client):
    one = RemoteEncoder(endpoint.url, client, "a")
    assert one.fingerprint == RemoteEncoder(endpoint.url, client, "a").fingerprint
    assert one.fingerprint != RemoteEncoder(endpoint.url, client, "b").fingerprint
    assert one.fingerprint != RemoteEncoder(endpoint.url + "?x", client, "a").fingerprint
    assert one.described == {"endpoint": endpoint.url, "model": "a", "dimensions": str(DIM)}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: (401, {"error": "no key"}), "401"),
        (lambda _: (500, b"<html>"), "500"),
        (lambda _: (200, b"<html>"), "/v1/embeddings"),
        (lambda _: (200, {"data": []}), "1 inputs with a vector each"),
        (lambda _: (200, {"data": [{"index": 1, "embedding": [1.0]}]}), "1 inputs with a vector each"),
        (lambda _: (200, b'{"data": [{"index": 0, "embedding": [1.0, NaN]}]}'), "not finite"),
        (lambda _: (307, b""), "307"),
    ],
)
def test_an_answer_that_is_none_is_an_error_that_says_what_came(endpoint, client, answer, said):
    endpoint.answer = answer
    with pytest.raises(EncoderError, match=said):
        RemoteEncoder(endpoint.url, client)


def test_vectors_of_another_length_than_before_are_refused(endpoint, client):
    encoder = RemoteEncoder(endpoint.url, client)
    endpoint.answer = lambda inputs: (200, {"data": [{"index": i, "embedding": [1.0]} for i in range(len(inputs))]})
    with pytest.raises(EncoderError, match=f"1 dimensions, it gave {DIM}"):
        encoder.encode(["a"])


def test_an_address_where_nobody_listens_is_an_error(client):
    with pytest.raises(EncoderError, match="does not answer"):
        RemoteEncoder("http://127.0.0.1:1/v1/embeddings", client)


def test_it_is_declared_by_its_address(endpoint):
    encoder = open_encoder(EncoderConfig(model=endpoint.url, served_model="bge-small"))
    assert encoder.dim == DIM
    assert endpoint.asked[0]["model"] == "bge-small"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "https://tei/v1/embeddings", "pooling": "cls"}, "`pooling` is decided by the endpoint"),
        ({"model": "https://me:hush@tei/v1/embeddings"}, "put its key into `api_key`"),
        ({"model": "bundled", "api_key": "x"}, "`api_key` is for an endpoint"),
    ],
)
def test_what_does_not_belong_together_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        EncoderConfig(**given)


def test_while_it_is_down_skew_has_a_gap_that_says_so_and_all_else_is_measured(engine, endpoint, client):
    encoder = RemoteEncoder(endpoint.url, client)
    detectors = (DETECTORS["variance_ratio"](), DETECTORS["skew"](min_rows=2))
    rows = Rows(healthy(80), inputs=("a",) * 80)

    class Collector(FakeCollector):
        def collect(self, stream, span, *, limit):
            return Window(stream, span, rows, len(rows))

    monitor = make_monitor(engine, encoder=encoder, detectors=detectors, collector=Collector({}))
    register(engine, monitor)
    endpoint.answer = lambda _: (503, b"loading")
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(1))
        (measured,) = reads.measurements(conn, "search", START, START + monitor.window)
        (gap,) = reads.gaps(conn, "search", START, START + monitor.window)
    assert measured.detector == "variance_ratio"
    assert (gap.detector, gap.reason) == ("skew", "no_inputs")
    assert "503: loading" in gap.detail
