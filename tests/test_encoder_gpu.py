"""How busy the GPU is. No test has one: torch's two questions to it are answered by stand-ins, all else is real."""

import re
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import FakeEncoder, make_monitor, register
from starlette.testclient import TestClient
from structlog.testing import capture_logs
from test_api import service_of
from test_dashboard import config_file, page, text  # noqa: F401
from test_dashboard_operations import plain

from benchmarks import encoder as bench
from drift.api.app import create_app
from drift.encoder import gpu, meter
from drift.encoder.cache import CachedEncoder
from drift.encoder.gpu import Gpu, gpu_of
from drift.encoder.load import EncoderSpec, load
from drift.encoder.meter import Meter
from drift.encoder.transformer import TransformerEncoder
from drift.encoder.vision import ImageEncoder
from drift.scheduler import Scheduler

CUDA = torch.device("cuda", 0)


@dataclass(frozen=True)
class OnGpu(FakeEncoder):
    """As it would be where there is a GPU."""

    gpu: Gpu = Gpu(CUDA)  # noqa: RUF009


@pytest.fixture
def percent(monkeypatch):
    """What a stand-in for NVML answers, one after another, the last for ever; raised where it is an error."""
    answers: list[int | Exception] = [62]

    def utilization(device):
        assert device == CUDA
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr("torch.cuda.utilization", utilization)
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda device: 3_000_000_000)
    return answers


def refused() -> list[Exception]:
    """Whatever stands between us and the number; the last two where NVML's package is there to raise them."""
    found = [ModuleNotFoundError("nvidia-ml-py is not installed"), RuntimeError("device 0 is not visible")]
    if gpu.NVMLError is not ModuleNotFoundError:
        found += [gpu.NVMLError(code) for code in (3, 4)]  # not supported, as under MIG; no permission
    return found


@pytest.mark.parametrize("error", refused(), ids=str)
def test_what_nvml_does_not_say_is_unknown_and_the_log_says_once_why(percent, error):
    gpu.warn_of.cache_clear()
    assert Gpu(CUDA).utilisation == 0.62
    percent[:] = [error]
    with capture_logs() as logs:
        assert [Gpu(CUDA).utilisation for _ in range(3)] == [None] * 3
    assert [(line["event"], line["why"]) for line in logs] == [("GPU utilisation not read", str(error))]


def test_an_idle_gpu_is_known_to_be_idle(percent):
    percent[:] = [0]
    assert Gpu(CUDA).utilisation == 0.0


@pytest.mark.parametrize(
    ("kind", "given"),
    [(TransformerEncoder, {"model": SimpleNamespace(device=CUDA)}), (ImageEncoder, {"device": CUDA})],
)
def test_an_encoder_on_a_gpu_says_which(kind, given):
    assert kind.gpu.fget(SimpleNamespace(**given)) == Gpu(CUDA)


def test_an_encoder_on_a_cpu_has_no_gpu():
    cached = CachedEncoder(load(EncoderSpec(device="cpu")))
    cached.encode(["a"])
    assert cached.encoder.gpu is None
    assert (cached.gpu_memory, cached.meter.gpu_utilisation) == (0, None)
    assert gpu_of(torch.device("cpu")) is None
    assert gpu_of(CUDA) == Gpu(CUDA)


def test_the_gpu_is_looked_at_while_it_encodes_and_at_most_once_a_second(percent, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(meter, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    percent[:] = [10, 20, RuntimeError("gone"), 30, 99]
    cached = CachedEncoder(OnGpu())
    seen = []
    for at, words in ((100.0, "a"), (100.9, "b"), (101.0, "c"), (300.0, "c"), (302.0, "d"), (303.0, "e")):
        now[0] = at
        cached.encode([words])  # "c" is remembered the second time: the GPU does nothing
        seen.append(cached.meter.gpu_utilisation)
    assert seen == [0.1, 0.1, 0.2, 0.2, None, 0.3]


@pytest.mark.parametrize(
    ("percent_said", "exported", "told"), [(62, 0.62, "62 %"), (0, 0.0, "0 %"), (RuntimeError("MIG"), None, "unknown")]
)
def test_what_is_exported_is_what_the_dashboard_says(page, engine, percent, percent_said, exported, told):  # noqa: F811
    percent[:] = [percent_said]
    encoder = CachedEncoder(OnGpu(), meter=Meter("bundled", load_seconds=2.5))
    numbers, shown = exported_and_shown(page, engine, encoder)
    assert numbers == ([] if exported is None else [exported])
    assert f"3 GB {told}" in shown


def test_on_a_cpu_nothing_is_exported_and_the_dashboard_has_a_dash(page, engine):  # noqa: F811
    numbers, shown = exported_and_shown(page, engine, CachedEncoder(FakeEncoder(), meter=Meter("bundled")))
    assert numbers == []
    assert "on the CPU -" in shown


def exported_and_shown(page, engine, encoder: CachedEncoder) -> tuple[list[float], str]:  # noqa: F811
    """What `/metrics` and the page Operations say once the encoder has encoded something."""
    monitor = make_monitor(engine, encoder=encoder)
    register(engine, monitor)
    service = replace(service_of(engine, monitor), clock=lambda: datetime.now(UTC))
    clocks = Scheduler(service)
    encoder.encode(["a", "b"])
    clocks._tell_encoders()
    with TestClient(create_app(service, clocks)) as client:
        said = client.get("/metrics").text
    numbers = re.findall(r'^drift_encoder_gpu_utilisation_ratio{encoder="bundled"} (\S+)$', said, re.MULTILINE)
    assert "# TYPE drift_encoder_gpu_utilisation_ratio gauge" in said
    shown = plain(text(page(engine.url.render_as_string(hide_password=False), "operations")))
    return [float(number) for number in numbers], shown


@pytest.mark.parametrize("said", [0.87, None])
def test_the_benchmark_prints_whole_lines_to_a_pipe(capsys, monkeypatch, said):
    monkeypatch.setenv("COLUMNS", "80")
    line = bench.Line(
        "mix of lengths", bench.PEER, "float32", "bfloat16", 128, "cuda", 123_456.0, 1.25, 1e-4, 0.0, said
    )
    bench.tables().print(bench.table([line, replace(line, who=bench.OURS, batch=0, tokenizing=0.123)], 512))
    heads, theirs, ours = (
        re.split(r" *[┃│] *", row)[1:-1] for row in capsys.readouterr().out.splitlines() if row[0] in "┃│"
    )
    assert heads[-3:] == ["1 - cosine", "tokenizing", "GPU"]
    share = "" if said is None else "87%"
    assert theirs == [
        *["mix of lengths", "sentence-transformers", "float32", "bfloat16", "128", "123,456", "1.25", "1.0e-04"],
        "",
        share,
    ]
    assert ours[-2:] == ["12.3%", share]


def test_the_benchmark_keeps_the_gpu_busy_before_it_is_asked(percent, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "BUSY", 0.5)
    texts, vectors = tmp_path / "texts.json", tmp_path / "vectors.npy"
    texts.write_text('["a", "b"]')
    side = bench.Side(bench.OURS, [sys.executable, "-m", "benchmarks.one_encoder"])
    side.ask(texts, vectors, (bench.OURS, "float32", 0))
    start = time.perf_counter()
    assert side.busy(texts, vectors, (bench.OURS, "float32", 0)) == 0.62
    assert time.perf_counter() - start > 0.5
    side.close()
    assert np.load(vectors).shape == (2, 384)
