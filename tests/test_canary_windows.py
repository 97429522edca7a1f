"""Two versions side by side in production: how rows are paired, and what is kept and told of the decision."""

import json
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import sqlalchemy as sa
from fakes import DIM, LENGTH, START, FakeEncoder, healthy, make_monitor, register, spans
from prometheus_client import CollectorRegistry, generate_latest
from starlette.testclient import TestClient
from test_canary import RULE
from test_events import valid
from typer.testing import CliRunner

from detectors import DETECTORS
from drift.api.app import create_app
from drift.api.metrics import Exporter
from drift.cli import app
from drift.pipeline.canary import Trial, advance, paired
from drift.pipeline.measure import measure_spans
from drift.records import CanaryRule, CanaryState, Reference, Rows, Stream, Tally, Window
from drift.scheduler import Scheduler, Service
from drift.store import canaries, retention, tables

CLASSES = ("pay", "move", "close", "find")


def test_rows_are_paired_by_id_once():
    old = Rows(healthy(5), ids=("a", None, "b", "a", "c"))
    new = Rows(healthy(4), ids=("c", "a", "x", "c"))
    assert [part.tolist() for part in paired(old, new)] == [[0, 4], [1, 0]]
    assert [part.tolist() for part in paired(old, Rows(healthy(4)))] == [[], []]


CENTRES = np.eye(DIM, dtype=np.float32)[: len(CLASSES)]


def served(labels, seed: int, spread: float) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((len(labels), DIM)) * spread
    return (CENTRES[[CLASSES.index(label) for label in labels]] + noise).astype(np.float32)


class Serving:
    """A source of windows of labelled inputs, whose vectors are `spread` around their class."""

    def __init__(self, spread: float, *, labelled: bool = True) -> None:
        self.spread, self.labelled = spread, labelled

    def collect(self, stream, span, *, limit):
        at = int((span.start - START) / LENGTH)
        labels = tuple(np.random.default_rng(at).choice(CLASSES, 80))
        ids = tuple(f"{at}-{i}" for i in range(80))
        rows = Rows(served(labels, 1000 + at, self.spread), ids=ids, labels=labels if self.labelled else ())
        return Window(stream, span, rows, len(rows))


def monitor_of(engine, version: str, spread: float, **given):
    name = f"search-{version}"
    labels = CLASSES * 150
    reference = Reference(name, Rows(served(labels, 5, 0.3), labels=labels), START)
    made = make_monitor(engine, **{
        "collector": Serving(spread),
        "stream": (stream := Stream(name, "encoder", version, DIM)),
        "parts": (stream,),
        "references": {name: reference},
        "slos": {name: ()},
        **given,
    })  # fmt: skip
    register(engine, made)
    return made


def trial_of(engine, spread: float, *, rule: CanaryRule = RULE, **given) -> Trial:
    return Trial(monitor_of(engine, "1", 0.3), monitor_of(engine, "2", spread, **given), rule, ("hub",))


def play(engine, trial: Trial, windows: int = 12):
    """Both streams' windows, and a look after each."""
    with engine.begin() as conn:
        advance(conn, trial, now=START)
    for span in spans(windows):
        with engine.begin() as conn:
            for monitor in (trial.baseline, trial.candidate):
                measure_spans(conn, monitor, [span])
            found = advance(conn, trial, now=span.end)
    return found


def events(engine) -> list[dict]:
    with engine.connect() as conn:
        t = tables.outbox
        rows = conn.execute(sa.select(t.c.body, t.c.state).where(t.c.receiver == "hub"))
        return [json.loads(row.body) for row in rows if row.state == "due"]


def test_a_worse_candidate_is_rolled_back_and_the_previous_version_told_once(engine):
    trial = trial_of(engine, 0.8)
    found = play(engine, trial)
    assert (found.state, found.windows < 12) == (CanaryState.ROLL_BACK, True)
    (event,) = events(engine)
    data = valid(event)["data"]
    assert event["type"] == "io.drift.canary.decided"
    assert (data["decision"], data["serve"], data["previous_version"], data["new_version"]) == (
        *("roll_back", "1", "1", "2"),
    )
    assert data["pairs"] == found.pairs == 80 * found.windows
    assert data["signals"][0]["high"] < 0


def test_an_equal_candidate_is_promoted(engine):
    rule = CanaryRule(("probe", "novelty"), margin=0.05)
    found = play(engine, trial_of(engine, 0.3, rule=rule))
    assert found.state is CanaryState.PROMOTE
    (event,) = events(engine)
    assert (event["data"]["decision"], event["data"]["serve"]) == ("promote", "2")


def test_a_candidate_without_labels_takes_those_of_the_baseline(engine):
    assert play(engine, trial_of(engine, 0.8, collector=Serving(0.8, labelled=False))).state is CanaryState.ROLL_BACK


def test_what_a_signal_lacks_is_said(engine):
    old = monitor_of(engine, "1", 0.3, collector=Serving(0.3, labelled=False))
    new = monitor_of(engine, "2", 0.3, collector=Serving(0.3, labelled=False))
    found = play(engine, Trial(old, new, replace(RULE, signals=("probe", "skew"))), windows=2)
    assert (found.state, found.pairs, found.tallies) == (CanaryState.WAIT, 160, (Tally("probe"), Tally("skew")))
    assert "send `label`" in found.detail
    assert "configure an encoder" in found.detail


def test_skew_of_the_candidate_alone_is_its_loss(engine):
    class Texts(Serving):
        def collect(self, stream, span, *, limit):
            window = super().collect(stream, span, limit=limit)
            inputs = tuple(f"text {id_}" for id_ in window.rows.ids)
            vectors = FakeEncoder().encode(inputs) * (1 if self.spread else -1)
            return replace(window, rows=replace(window.rows, inputs=inputs, vectors=vectors))

    given = {"encoder": FakeEncoder(), "detectors": (DETECTORS["skew"](),)}
    old = monitor_of(engine, "1", 0.3, collector=Texts(1), **given)
    new = monitor_of(engine, "2", 0.3, collector=Texts(0), **given)
    assert play(engine, Trial(old, new, replace(RULE, signals=("skew",)))).state is CanaryState.ROLL_BACK


def test_windows_of_one_side_wait_for_the_other(engine):
    trial = trial_of(engine, 0.3, rule=replace(RULE, margin=0.001))
    with engine.begin() as conn:
        advance(conn, trial, now=START)
        measure_spans(conn, trial.candidate, spans(3))
        assert advance(conn, trial, now=START).windows == 0
        measure_spans(conn, trial.baseline, spans(2))
        assert advance(conn, trial, now=START).windows == 2
        assert advance(conn, trial, now=START).windows == 2
        measure_spans(conn, trial.baseline, spans(3))
        assert advance(conn, trial, now=START).windows == 3


def test_what_was_served_before_it_began_does_not_count(engine):
    trial = trial_of(engine, 0.3, rule=replace(RULE, margin=0.001))
    with engine.begin() as conn:
        for monitor in (trial.baseline, trial.candidate):
            measure_spans(conn, monitor, spans(4))
        assert advance(conn, trial, now=START + 2 * LENGTH + timedelta(minutes=1)).windows == 2


def test_a_decision_stands(engine):
    trial = trial_of(engine, 0.8)
    done = play(engine, trial, windows=6)
    assert done.state is CanaryState.ROLL_BACK
    with engine.begin() as conn:
        for monitor in (trial.baseline, trial.candidate):
            measure_spans(conn, monitor, spans(8))
        assert advance(conn, trial, now=START) == done
    assert len(events(engine)) == 1


def test_another_version_or_rule_is_another_trial(engine):
    trial = trial_of(engine, 0.3)
    other = replace(trial.candidate, stream=replace(trial.candidate.stream, version="3"))
    ids = {trial.id, replace(trial, candidate=other).id, replace(trial, rule=replace(RULE, alpha=0.2)).id}
    assert len(ids) == 3


def test_old_trials_are_forgotten(engine):
    trial = trial_of(engine, 0.3)
    with engine.begin() as conn:
        advance(conn, trial, now=START)
        retention.forget(conn, vectors=START, history=START - LENGTH, now=START)
        assert canaries.canaries(conn)
        retention.forget(conn, vectors=START, history=START + LENGTH, now=START)
        assert not canaries.canaries(conn)


def test_everyone_who_asks_is_told_the_same(engine, postgres_url, monkeypatch):
    trial = trial_of(engine, 0.8)
    found = play(engine, trial)
    service = Service(engine, {}, {}, {}, LENGTH, LENGTH, LENGTH, clock=lambda: START, trials=(trial,))
    scheduler = Scheduler(service)
    (answer,) = TestClient(create_app(service, scheduler)).get("/v1/canaries").json()
    assert (answer["id"], answer["state"], answer["detail"]) == (found.id, "roll_back", found.detail)
    assert answer["signals"][0]["high"] == found.tallies[0].high
    registry = CollectorRegistry()
    registry.register(Exporter(service, scheduler))
    said = generate_latest(registry).decode()
    side = 'baseline="search-1",candidate="search-2",model_id="encoder"'
    assert f'drift_canary_state{{{side},state="roll_back"}} 1.0' in said
    assert f'drift_canary_state{{{side},state="wait"}} 0.0' in said
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    (listed,) = json.loads(CliRunner().invoke(app, ["canary", "list", "--json"]).stdout)
    shown = json.loads(CliRunner().invoke(app, ["canary", "show", found.id[:12], "--json"]).stdout)
    assert listed == shown
    assert (shown["id"], shown["pairs"], shown["signals"][0]["lost"]) == (found.id, found.pairs, found.tallies[0].lost)
    done = CliRunner().invoke(app, ["canary", "show", found.id], env={"COLUMNS": "200"})
    assert "ROLL_BACK: search-2 (2) beside search-1 (1)" in done.stdout
    assert "search-2 (2)" in CliRunner().invoke(app, ["canary", "list"], env={"COLUMNS": "200"}).stdout
    missing = CliRunner().invoke(app, ["canary", "show", "nothing"])
    assert missing.exit_code == 1
    assert "see `drift canary list`" in " ".join(missing.stderr.split())


def test_the_clock_counts_what_is_there(engine):
    trial = trial_of(engine, 0.3)
    with engine.begin() as conn:
        advance(conn, trial, now=START)
        for monitor in (trial.baseline, trial.candidate):
            measure_spans(conn, monitor, spans(1))
    service = Service(engine, {}, {}, {}, LENGTH, LENGTH, LENGTH, clock=lambda: START, trials=(trial,))
    scheduler, deadline = Scheduler(service), time.monotonic() + 30
    counted: list[int] = []
    scheduler.start()
    try:
        while counted != [1] and time.monotonic() < deadline:
            time.sleep(0.05)
            with engine.connect() as conn:
                counted = [one.windows for one in canaries.canaries(conn)]
    finally:
        scheduler.stop()
    assert counted == [1]
