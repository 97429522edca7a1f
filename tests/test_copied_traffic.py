"""Traffic that repeats itself, all the way to the outbox, under the default objectives."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import LENGTH, START, FakeCollector, healthy, make_monitor, register, spans

from detectors import DETECTORS
from drift.alert import AlertKind
from drift.config.model import DETECTORS as DEFAULT
from drift.config.slos import default_slos
from drift.pipeline import measure
from drift.records import Reference, Rows
from drift.store import reads

HOURS = 2
WINDOWS = HOURS * 12


def fresh(i: int) -> np.ndarray:
    return healthy(256, i)


def popular(i: int) -> np.ndarray:
    """A third of the traffic asks for one of ten things."""
    asked = np.random.default_rng(i).integers(0, 10, 85)
    return np.concatenate([fresh(i)[85:], healthy(10, 12_345)[asked]])


FAULTS = {
    "constant": lambda i: healthy(1, 1).repeat(256, axis=0),
    "every row twice": lambda i: np.repeat(healthy(128, i), 2, axis=0),
    "half of one vector": lambda i: np.concatenate([healthy(128, i), healthy(1, 1).repeat(128, axis=0)]),
    "a quarter replayed": lambda i: np.concatenate([healthy(192, i), healthy(192, i)[:64]]),
}


def pages(engine, traffic, held) -> set[str]:
    """The objectives that page."""
    collector = FakeCollector({START + i * LENGTH: traffic(i) for i in range(WINDOWS)})
    slos = {"search": tuple(config.slo("search", LENGTH) for config in default_slos(DEFAULT))}
    monitor = make_monitor(engine, collector=collector, sample=256, slos=slos)
    monitor = replace(monitor, detectors=tuple(DETECTORS[name]() for name in DEFAULT), references={"search": held})
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(WINDOWS))
    with engine.connect() as conn:
        return {row.alert.slo for row in reads.alerts(conn) if row.alert.kind is AlertKind.PAGE}


@pytest.fixture(scope="module")
def references() -> dict[str, Reference]:
    """Made once, since a detector keeps what it fits with the object."""
    some = np.concatenate([popular(10_000 + i) for i in range(4)])
    return {
        "fresh": Reference("search", Rows(healthy(1024, 99)), START),
        "popular": Reference("search", Rows(some), START),
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_traffic_that_repeats_itself_pages(engine, references, fault):
    assert "duplicates" in pages(engine, FAULTS[fault], references["fresh"])


def test_healthy_traffic_does_not_page_popular_inputs_or_none(engine, references):
    assert pages(engine, fresh, references["fresh"]) == set()


def test_popular_inputs_do_not_page_if_the_reference_has_them(engine, references):
    assert pages(engine, popular, references["popular"]) == set()
