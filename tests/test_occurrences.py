"""Objectives that count rows and answers: their burn, what they count, and what is kept of it."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from fakes import LENGTH, START, STREAM, healthy, make_monitor, register, spans
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import SPAN
from typer.testing import CliRunner

from detectors.novelty import Novelty
from detectors.skew import Skew
from detectors.valid_ratio import ValidRatio
from drift.alert import AlertKind, AlertState
from drift.cli import app
from drift.config import load
from drift.config.slos import BAD_SHARES, GOOD_SHARES, SloConfig
from drift.errors import ConfigError
from drift.pipeline import measure
from drift.records import Measurement, Recomputed, Reference, RowReason, Rows, Span, Stream, Window
from drift.simulation import EPOCH, made_up, simulate, transitions
from drift.slo import (
    BudgetingMethod,
    Events,
    Ledger,
    Outcome,
    Sli,
    Slo,
    Slot,
    budget,
    look_backs,
    parse_sequence,
)
from drift.slo.calibration import Usual
from drift.store import objectives, reads, writes
from drift.wiring.check import _objectives

SLICES = Slo("valid", "search", Sli("valid_ratio", at_least=0.95), Fraction("0.95"), LENGTH)
EVENTS = replace(SLICES, method=BudgetingMethod.OCCURRENCES)


def told(slo: Slo, sequence: str) -> list[tuple[int, AlertKind, AlertState]]:
    """Slot, kind and new state of what changes."""
    found = transitions(slo, made_up(slo, parse_sequence(sequence)))
    return [((one.at - EPOCH) // LENGTH, one.alert.kind, one.alert.state) for one in found]


def burns(sequence: str) -> list[Fraction]:
    """The long burns after the last slot."""
    *_, last = simulate(EVENTS, made_up(EVENTS, parse_sequence(sequence)))
    return [burn.long for burn in last.budget.burns]


run = st.builds(lambda letter, times: letter * times, st.sampled_from("BBBGGGMIS"), st.integers(1, 40))


@settings(max_examples=40, deadline=None)
@given(st.lists(run, min_size=1, max_size=14).map("".join))
@example("G*20,B*9,M*13,G*5")
def test_with_one_event_a_slot_it_is_what_timeslices_say(sequence):
    assert told(EVENTS, sequence) == told(SLICES, sequence)


def test_a_gap_inflates_no_burn():
    with_gap, without = burns("0/256*288,64/256*3,M*9"), burns("0/256*288,64/256*3,0/256*9")
    assert with_gap[0] == without[0] == Fraction(3 * 64, 256 * 12) / Fraction("0.05")


def test_a_few_rows_in_a_quiet_night_never_page_and_as_many_as_usual_do():
    assert not told(EVENTS, "0/256*300,5/5*24,0/256*10")
    assert [(kind, state) for _, kind, state in told(EVENTS, "0/256*300,256/256*9")] == [
        (AlertKind.PAGE, AlertState.FIRING)
    ]


def test_a_stream_that_always_has_few_rows_pages_when_they_are_bad():
    assert told(EVENTS, "0/5*300,5/5*9")[0][1:] == (AlertKind.PAGE, AlertState.FIRING)


def test_of_more_rows_than_usual_all_count():
    """A surge that is bad by a tenth burns a tenth, not a tenth of the surge over what is usual."""
    assert burns("0/10*288,100/1000*12")[0] == Fraction(1, 10) / Fraction("0.05")


def test_rows_count_and_not_windows():
    """Each window is bad by a little more than may be: all windows are bad, and the budget lasts about a period."""
    found = burns("3/50*864")
    assert found == [Fraction(3, 50) / Fraction("0.05")] * len(found)
    assert all(kind is not AlertKind.PAGE for _, kind, _ in told(EVENTS, "3/50*864"))


def test_what_is_summed_in_postgres_is_what_the_ledger_has(engine):
    rng = np.random.default_rng(0)
    ledger, at = Ledger(), START
    with engine.begin() as conn:
        for i in range(400):
            span = Span(at + i * LENGTH, at + (i + 1) * LENGTH)
            total = int(rng.integers(0, 300))
            events = Events(int(rng.integers(0, total + 1)), total) if total > 60 else None
            slot = Slot(span, EVENTS.outcome(events) if events else Outcome.MISSING, events)
            ledger.add(slot)
            left = budget(EVENTS, ledger.spent(EVENTS, span.end), span.end)
            writes.save_slot(conn, EVENTS, slot, left)
            writes.save_slot(conn, replace(EVENTS, name="other"), slot, left)
        for until in (at + 37 * LENGTH, at + 400 * LENGTH, at + timedelta(days=30, hours=20)):
            spent = objectives.spent(conn, EVENTS, until)
            assert spent == ledger.spent(EVENTS, until)
            assert set(spent) == set(look_backs(EVENTS))
            assert spent[EVENTS.period].events > 0


class Lossy:
    """Windows of 128 rows received, of which the given number was refused; None is an empty window."""

    def __init__(self, refused: list[int | None]) -> None:
        self.refused = {START + i * LENGTH: bad for i, bad in enumerate(refused)}

    def collect(self, stream: Stream, span: Span, *, limit: int) -> Window:
        bad = self.refused[span.start]
        if bad is None:
            return Window(stream, span, Rows(np.empty((0, stream.dim), np.float32)), 0)
        rows = Rows(healthy(128 - bad))
        return Window(stream, span, rows, 128, {RowReason.ZERO_VECTOR: bad} if bad else {})


def test_a_window_counts_its_rows(engine):
    refused = [0, 3, None, 128, 7]
    monitor = make_monitor(engine, collector=Lossy(refused), slos={"search": (EVENTS, replace(SLICES, name="old"))})
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(len(refused)))
    with engine.connect() as conn:
        rows = reads.budgets(conn, "search", START, START + timedelta(days=1), slo="valid")
        tally = objectives.tallies(conn)
        old = reads.budgets(conn, "search", START, START + timedelta(days=1), slo="old")
        usual = objectives.usual(conn, now=START + timedelta(days=1))
    assert [row.events for row in rows] == [Events(128, 128), Events(125, 128), None, Events(0, 128), Events(121, 128)]
    assert [row.outcome.value for row in rows] == ["good", "good", "missing", "bad", "bad"]
    assert (tally["search", "valid"].events, tally["search", "valid"].bad_events) == (512, 138)
    assert usual == {("search", "valid"): Usual(4, 2, 512, 138)}  # neither what is missing nor what counts windows
    assert {row.events for row in old} == {None}
    assert tally["search", "old"].events == 0
    a_period, may = 128 * (EVENTS.period // LENGTH), Fraction("0.05")
    assert rows[-1].remaining == pytest.approx(float(1 - Fraction(138, a_period) / may))
    assert rows[-1].remaining < 1


def test_counts_are_those_behind_the_share():
    rng = np.random.default_rng(0)
    x = healthy(400, 1)
    held, stream = Reference("search", Rows(healthy(2048, 99)), START), STREAM
    refused = Window(stream, SPAN, Rows(x), 407, {RowReason.ZERO_VECTOR: 7})
    found = ValidRatio().measure(refused, held, rng=rng)
    assert Sli("valid_ratio", at_least=0.99).events(found) == Events(400, 407)
    served = x.copy()
    served[:3] = -served[:3]
    again = Recomputed(np.arange(40), x[:40], "fake")
    skewed = Skew().measure(Window(stream, SPAN, Rows(served), 400, recomputed=again), held, rng=rng)
    assert Sli("skew", at_most=0.02).events(skewed) == Events(37, 40)
    far = np.concatenate([x[:200], 50 * np.eye(8, dtype=np.float32)])
    novel = Novelty().measure(Window(stream, SPAN, Rows(far), len(far)), held, rng=rng)
    events = Sli("novelty", at_most=0.05).events(novel)
    assert events.total == 208
    assert 8 <= events.bad == round(novel.value * 208) < 40


@pytest.mark.parametrize("detector", [*GOOD_SHARES, *BAD_SHARES])
def test_the_target_says_which_windows_are_good(detector):
    slo = SloConfig(name="rows", detector=detector, budgeting_method="Occurrences", target=0.99).slo("search", LENGTH)
    assert slo.method is BudgetingMethod.OCCURRENCES
    assert slo.sli.events(Measurement("search", SPAN, detector, "r", 0.25, 100)).good == (
        25 if detector in GOOD_SHARES else 75
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("detector: effective_rank", "effective_rank does not say of each row"),
        ("detector: valid_ratio, value_at_least: 0.9", "leave `value_at_least`, `value_at_most`"),
        ("detector: novelty, p_value_at_least: 0.005", "`target` says which share must be good"),
    ],
)
def test_occurrences_of_what_has_none_are_refused(tmp_path, said, words):
    file = tmp_path / "drift.yaml"
    file.write_text(
        "streams:\n  - {id: search, model: m, dim: 8, reference: {path: g.parquet}}\n"
        f"slos:\n  - {{name: rows, budgeting_method: Occurrences, {said}}}\n"
    )
    with pytest.raises(ConfigError, match=words):
        load(file)


def test_check_says_what_is_counted(tmp_path):
    file = tmp_path / "drift.yaml"
    file.write_text(
        "streams:\n  - {id: search, model: m, dim: 8, reference: {path: g.parquet}}\n"
        "slos:\n  - {name: rows, detector: novelty, target: 0.97, budgeting_method: Occurrences}\n"
    )
    config = load(file)
    parts = _objectives(config, config.streams[0]).split("; ")
    assert "rows: 0.97 of rows or answers are good by novelty, summed over windows" in parts
    assert "valid: 0.95 of windows have valid_ratio >= 0.99" in parts


def drift(*words: str):
    return CliRunner().invoke(app, [*words])


def test_a_sequence_of_events_is_tried_out(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("{target: 0.95, budgeting_method: Occurrences}")
    told = drift("slo", "simulate", "--slo", str(policy), "--sequence", "0/256*300,256/256*9", "--json")
    assert '"state": "page"' in told.stdout
    for sequence, words in (("9/3", "9 of 3 is no number of bad events"), ("0/0*3", "0 of 0 is no number")):
        assert words in drift("slo", "simulate", "--slo", str(policy), "--sequence", sequence).stderr
    assert "the objective counts slots" in drift("slo", "simulate", "--sequence", "3/256").stderr
