"""Environment drift: the encoder, as it runs here, against the references that it made."""

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import numpy as np
import pytest
from fakes import (
    LENGTH,
    REFERENCE,
    START,
    STREAM,
    FakeCollector,
    FakeEncoder,
    healthy,
    make_monitor,
    register,
    spans,
)
from structlog.testing import capture_logs

from drift.alert import AlertKind, AlertState
from drift.config.slos import default_slos
from drift.pipeline import measure
from drift.pipeline.environment import SAMPLE, Environment, look_at, noise_floor, sample
from drift.records import Lineage, Reference, Rows, Window
from drift.store import reads

TEXTS = tuple(f"text {i} {'long ' * (i % 90)}" for i in range(300))
DAY = timedelta(days=1)


class Changing(FakeEncoder):
    """The fake encoder, until it breaks: then it gives the longest inputs another vector."""

    broken: ClassVar[list[str]] = []

    def encode(self, inputs):
        vectors = super().encode(inputs)
        at = [i for i, text in enumerate(inputs) if self.broken and len(text) > 400]
        vectors[at] = vectors[at, ::-1]
        return vectors


@pytest.fixture
def encoder(monkeypatch) -> Changing:
    monkeypatch.setattr(Changing, "broken", [])
    return Changing(fingerprint="new", described={"weights": "fake", "torch": "2"})


@pytest.fixture
def kept() -> Reference:
    rows = Rows(FakeEncoder().encode(TEXTS), inputs=TEXTS)
    return Reference("search", rows, START, "old", lineage=Lineage(encoder={"weights": "fake", "torch": "1"}))


def number(environment: Environment, reference: Reference):
    return environment.measurement(STREAM, spans(1)[0], reference)


def test_an_encoder_that_gives_the_reference_is_good(encoder, kept):
    with capture_logs() as logs:
        found = number(Environment(encoder, DAY), kept)
    assert (found.detector, found.stream, found.reference) == ("environment", "search", kept.version)
    assert (found.value, found.rows, found.low) == (0, SAMPLE, 0)
    assert [(log["event"], log["encoder_changed"]) for log in logs] == [
        ("encoder changed and gives the same", "torch 1 -> 2")
    ]


def test_one_that_does_not_is_measured_and_the_log_names_what_changed(encoder, kept):
    encoder.broken.append("yes")
    with capture_logs() as logs:
        found = number(Environment(encoder, DAY), kept)
    long = np.mean([len(text) > 400 for text in TEXTS])
    assert found.value == pytest.approx(long, abs=1 / SAMPLE)  # the sample is of all lengths
    assert 0 < found.low < found.value < found.high < 1
    (told,) = logs
    assert (told["event"], told["log_level"], told["encoder_changed"]) == (
        "environment drifted",
        "warning",
        "torch 1 -> 2",
    )
    assert told["failing"] == found.value * SAMPLE


def test_a_look_is_remembered_until_the_next(encoder, kept):
    environment = Environment(encoder, DAY)
    assert number(environment, kept).value == 0
    encoder.broken.append("yes")
    assert number(environment, kept).value == 0
    environment.look([kept])
    assert number(environment, kept).value > 0
    encoder.broken.clear()
    environment.look([kept])
    assert number(environment, kept).value == 0


def test_vectors_from_production_do_not_depend_on_the_environment(encoder, kept):
    encoder.broken.append("yes")
    served = replace(kept, fingerprint="")
    assert look_at(served, encoder).likeness is None
    found = number(Environment(encoder, DAY), served)
    assert (found.value, found.rows) == (0, 0)


def test_the_sample_is_of_all_lengths_and_always_the_same(kept):
    lengths = np.array([len(text) for text in TEXTS])
    taken = sample(kept.rows)
    assert len(set(taken.tolist())) == SAMPLE
    assert {lengths.min(), lengths.max()} <= set(lengths[taken])
    assert np.abs(np.quantile(lengths[taken], [0.25, 0.5, 0.75]) - np.quantile(lengths, [0.25, 0.5, 0.75])).max() < 15
    assert np.array_equal(taken, sample(kept.rows))
    few = kept.rows.take(np.arange(5))
    assert sorted(sample(few)) == [0, 1, 2, 3, 4]


# In the service.


def monitor_of(engine, environment, reference, windows):
    (slo,) = default_slos(["environment"])
    return make_monitor(
        engine,
        collector=FakeCollector(windows),
        environment=environment,
        references={"search": reference},
        slos={"search": (slo.slo("search", LENGTH),)},
    )


def test_the_environment_is_measured_whether_rows_arrive_or_not(engine, encoder, kept):
    monitor = monitor_of(engine, Environment(encoder, DAY), kept, {})
    empty = Window(STREAM, spans(1)[0], Rows.none(STREAM.dim), 0)
    full = Window(STREAM, spans(1)[0], Rows(healthy(80)), 80)
    for window in (empty, full):
        found = measure.measure(window, monitor)
        assert found.of("environment").value == 0
        assert found.outcome(monitor.slos["search"][0]) == "good"
    assert monitor.measured_names[-1] == "environment"
    without = measure.measure(full, replace(monitor, environment=None))
    assert without.of("environment") is None


def test_an_environment_that_drifted_pages_and_says_so_and_resolves_when_it_is_right_again(engine, encoder, kept):
    encoder.broken.append("yes")
    environment = Environment(encoder, DAY)
    monitor = monitor_of(engine, environment, kept, {span.start: healthy(80, i) for i, span in enumerate(spans(40))})
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(14))
        (page,) = (row for row in reads.alerts(conn) if row.alert.kind is AlertKind.PAGE)
    assert (page.alert.slo, page.alert.state) == ("environment", AlertState.FIRING)
    assert "no longer gives the reference's own vectors" in page.annotations["summary"]
    assert "drift reference recompute" in page.annotations["next_step"]
    encoder.broken.clear()
    environment.look([kept])
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(40)[14:])
        (page,) = (row for row in reads.alerts(conn) if row.alert.kind is AlertKind.PAGE)
    assert page.alert.state is AlertState.RESOLVED


def test_a_reference_that_was_not_encoded_here_is_always_good(engine, encoder):
    monitor = monitor_of(engine, Environment(encoder, DAY), REFERENCE, {})
    found = measure.measure(Window(STREAM, spans(1)[0], Rows(healthy(80)), 80), monitor)
    assert found.outcome(monitor.slos["search"][0]) == "good"


# The noise floor of production's own vectors.


def test_the_noise_floor_is_how_far_healthy_production_is_from_the_encoder(encoder, kept):
    assert noise_floor(kept, encoder) is None  # the encoder made them
    served = replace(kept, fingerprint="")
    found = noise_floor(served, encoder)
    assert (found.rows, found.failing) == (SAMPLE, 0)
    assert found.p01 == pytest.approx(1)
    encoder.broken.append("yes")
    assert noise_floor(served, encoder).p01 < 0.9
    without = replace(served, rows=replace(served.rows, inputs=()))
    assert noise_floor(without, encoder) is None
