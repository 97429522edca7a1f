"""The example's configuration against the example's traffic: each fault turns some objective bad, health none."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import START

from drift.config import load
from drift.diagnosis import diagnose
from drift.encoder.load import EncoderSpec, locate
from drift.pipeline.measure import measure
from drift.records import Rows, Span, Window
from drift.slo import Outcome
from drift.wiring.build import build_monitor
from drift.wiring.demo import filled
from examples.demo.faults import OLDER, Fault, Serving, mix, older_checkpoint
from examples.demo.source import Draw, corpus
from examples.demo.traffic import PER_SECOND

DECLARED = Path(__file__).parents[1] / "examples/demo/drift.yaml"
WINDOWS = 4
# What an engineer would want to be told first. Where the truth has several faces, others may be bad too.
EXPECTED = {
    Fault.DATA_SHIFT: "traffic",
    Fault.TRUNCATION: "skew",
    Fault.MISSING_NORMALISATION: "spread",
    Fault.QUANTISATION: "skew",
    Fault.COLLAPSE: "rank",
    Fault.STALE_MODEL: "skew",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def found(folder):
    return corpus(folder)


@pytest.fixture(scope="module")
def serving(found, folder):
    serving = Serving(EncoderSpec(threads=1), [d.text for d in found.reference], folder)
    yield serving
    serving.close()


@pytest.fixture
def monitor(found, folder, engine):
    texts, labels = [d.text for d in found.reference], [d.package for d in found.reference]
    pq.write_table(pa.table({"input": texts, "label": labels}), folder / "reference.parquet")
    older_checkpoint(locate(EncoderSpec()), folder / OLDER)
    config = load(filled(DECLARED, variables(folder), folder / "drift.yaml"))
    with engine.begin() as conn:
        return build_monitor(config, config.streams[0], engine, folder, conn, now=START)


def variables(home: Path) -> dict[str, str]:
    ports = ("DRIFT_PORT", "DRIFT_DASHBOARD_PORT", "DRIFT_DEMO_RECEIVER_PORT")
    return dict.fromkeys(ports, "1") | {"DRIFT_DEMO_HOME": str(home)}


def window(monitor, serving, draw: Draw, fault: Fault, span: Span) -> Window:
    sent = draw.columns(draw.take(monitor.sample, mix(fault)))
    inputs, labels, ids = (tuple(sent[name]) for name in ("input", "label", "id"))
    rows = Rows(serving.serve(inputs, fault), inputs=inputs, labels=labels, ids=ids)
    return Window(monitor.stream, span, rows, len(rows))


def bad(monitor, serving, found, fault: Fault, windows: int) -> Counter[str]:
    """How many of `windows` windows each objective calls bad."""
    draw, counts = Draw(found.traffic, np.random.default_rng(7)), Counter()
    span = Span(START, START + monitor.window)
    for _ in range(windows):
        findings = measure(window(monitor, serving, draw, fault, span), monitor)
        for slo in monitor.slos[monitor.stream.key]:
            outcome = findings.outcome(slo)
            assert outcome.is_verdict, (slo.name, findings.gaps)
            counts[slo.name] += outcome is Outcome.BAD
        span = span.next()
    return counts


def test_each_fault_is_seen_by_the_objective_that_names_it_and_health_by_none(monitor, serving, found):
    for fault, objective in EXPECTED.items():
        assert bad(monitor, serving, found, fault, WINDOWS)[objective] == WINDOWS, fault
    healthy = bad(monitor, serving, found, Fault.NONE, 12)
    assert sum(healthy.values()) <= 2, healthy  # of 84 verdicts, three of seven objectives with an alpha of .005


def test_the_stale_model_gets_its_name(monitor, serving, found):
    draw, rng = Draw(found.traffic, np.random.default_rng(7)), np.random.default_rng(0)
    served = window(monitor, serving, draw, Fault.STALE_MODEL, Span(START, START + monitor.window))
    reference = monitor.references[monitor.stream.key]
    (first, *_) = diagnose(served, reference, monitor.encoder, rng=rng, candidates=monitor.candidates).causes
    assert (first.cause, OLDER in first.evidence) == ("other-model-version", True)


def test_each_segment_that_is_monitored_has_rows_enough_in_a_window(found):
    config = load(DECLARED, variables(Path("x")))
    stream = config.streams[0]
    draw = Draw(found.traffic, np.random.default_rng(7))
    rows = round(PER_SECOND * stream.window.total_seconds())
    for _ in range(200):
        sent = draw.columns(draw.take(rows, mix(Fault.NONE)))
        assert all(sent[column].count(value) >= stream.sample for column, (value,) in stream.segments.items())
    assert stream.segments


def test_the_file_that_the_demo_runs_with_needs_no_variables(tmp_path, monkeypatch):
    home = tmp_path / 'a "b" \\c'
    home.mkdir()
    for name in variables(home):
        monkeypatch.delenv(name, raising=False)
    config = load(filled(DECLARED, variables(home), home / "drift.yaml"))
    assert config.streams[0].reference.path == home / "reference.parquet"
