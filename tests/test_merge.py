"""Windows that are measured together, on a real Postgres."""

from dataclasses import replace
from fractions import Fraction

import fakes
import numpy as np
import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, FakeCollector, make_monitor, register
from samples import normalise, reference, s1, window

from detectors.mean_shift import MeanShift
from drift.pipeline import measure
from drift.records import EPOCH, GapReason, Span, Stream
from drift.slo import Quantity, Sli, Slo
from drift.store import reads, tables

MERGED = Slo("slow", "search", Sli("mean_shift_x4", Quantity.P_VALUE, at_least=0.005), Fraction("0.95"), 4 * LENGTH)
BEGIN = Span.containing(START, 12 * LENGTH).end
HELD = reference(s1(4096, np.random.default_rng(0)))


def spans(count):
    return [Span(BEGIN + i * LENGTH, BEGIN + (i + 1) * LENGTH) for i in range(count)]


def rows(windows, *, shift=0.0, each=100):
    """What `windows` many windows hold, all of them shifted in one direction."""
    rng = np.random.default_rng(1)
    step = shift * normalise(rng.standard_normal((1, 384)))
    return {span.start: normalise(s1(each, rng) + step) for span in spans(windows)}


def monitor_of(engine, given, **changes):
    stream = Stream("search", "mini", "1", 384)
    monitor = make_monitor(
        engine,
        stream=stream,
        parts=(stream,),
        collector=FakeCollector(given),
        detectors=(MeanShift(),),
        references={"search": HELD},
        slos={"search": (MERGED,)},
        merge=(4, 12),
    )
    monitor = replace(monitor, **changes)
    register(engine, monitor, open_from=BEGIN)
    return monitor


def play(engine, monitor, windows):
    with engine.begin() as conn:
        for span in spans(windows):
            measure.measure_spans(conn, monitor, [span])


def found(engine, detector):
    with engine.connect() as conn:
        return reads.measurements(conn, "search", EPOCH, BEGIN + 99 * LENGTH, detector=detector)


def test_windows_merge_when_the_last_of_them_has_been_measured(engine):
    monitor = monitor_of(engine, rows(13))
    play(engine, monitor, 13)
    lengths = {name: [m.span.length // LENGTH for m in found(engine, name)] for name in monitor.measured_names}
    assert lengths == {"mean_shift": [1] * 13, "mean_shift_x4": [4] * 3, "mean_shift_x12": [12]}
    assert [m.span.start for m in found(engine, "mean_shift_x4")] == [BEGIN + i * 4 * LENGTH for i in range(3)]


def test_a_merged_window_is_measured_like_one_with_all_of_the_rows(engine):
    given = rows(4)
    play(engine, monitor_of(engine, given), 4)
    (merged,) = found(engine, "mean_shift_x4")
    whole = window(np.concatenate(list(given.values())))
    alone = MeanShift().measure(whole, HELD, rng=np.random.default_rng())
    assert (merged.rows, merged.reference) == (400, HELD.version)
    assert (merged.value, merged.p_value) == pytest.approx((alone.value, alone.p_value), rel=1e-6)


def test_a_slow_drift_pages_by_its_merged_windows_and_not_by_single_ones(engine):
    single = replace(MERGED, name="single", sli=replace(MERGED.sli, detector="mean_shift"), interval=LENGTH)
    play(engine, monitor_of(engine, rows(24, shift=0.025), slos={"search": (single, MERGED)}), 24)
    with engine.connect() as conn:
        verdicts = fakes.verdicts(conn)
        alerts = reads.alerts(conn)
    assert verdicts[("search", "slow")] == (6, 6)
    assert verdicts[("search", "single")][1] < 12
    paged = next(row for row in alerts if (row.alert.slo, row.alert.kind) == ("slow", "page"))
    assert paged.annotations["summary"].startswith("search (slow): the embeddings have moved")


def test_each_objective_counts_slots_of_its_own_length(engine):
    play(engine, monitor_of(engine, rows(12)), 12)
    with engine.connect() as conn:
        slots = reads.budgets(conn, "search", BEGIN, BEGIN + 12 * LENGTH)
    assert [(row.slo, row.span.length // LENGTH, row.outcome) for row in slots] == [("slow", 4, "good")] * 3


def test_windows_without_rows_are_left_out_and_merged_windows_without_any_are_gaps(engine):
    given = rows(4)
    del given[BEGIN + LENGTH]
    play(engine, monitor_of(engine, given), 8)
    (merged,) = found(engine, "mean_shift_x4")
    assert merged.rows == 300
    with engine.connect() as conn:
        (gap,) = [g for g in reads.gaps(conn, "search", EPOCH, BEGIN + 9 * LENGTH) if g.detector]
        outcomes = [row.outcome for row in reads.budgets(conn, "search", BEGIN, BEGIN + 9 * LENGTH)]
    assert (gap.detector, gap.reason, gap.span.length) == ("mean_shift_x4", GapReason.NO_DATA, 4 * LENGTH)
    assert outcomes == ["good", "missing"]


def test_windows_too_small_to_be_measured_alone_are_measured_together(engine):
    play(engine, monitor_of(engine, rows(4, each=30)), 4)
    assert found(engine, "mean_shift") == []
    assert [m.rows for m in found(engine, "mean_shift_x4")] == [120]


def test_too_few_rows_together_are_a_gap_with_its_reason(engine):
    play(engine, monitor_of(engine, rows(4, each=3)), 4)
    with engine.connect() as conn:
        gaps = [g for g in reads.gaps(conn, "search", EPOCH, BEGIN + 9 * LENGTH) if g.detector == "mean_shift_x4"]
        (slot,) = reads.budgets(conn, "search", BEGIN, BEGIN + 9 * LENGTH)
    assert [gap.reason for gap in gaps] == [GapReason.TOO_FEW_ROWS]
    assert slot.outcome == "insufficient"


def test_sums_against_an_older_reference_are_left_out(engine):
    monitor = monitor_of(engine, rows(4))
    newer = replace(monitor, references={"search": reference(s1(4096, np.random.default_rng(5)))})
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(4)[:3])
        measure.measure_spans(conn, newer, spans(4)[3:])
    assert [m.rows for m in found(engine, "mean_shift_x4")] == [100]


def test_a_merge_that_began_before_the_first_window_in_another_month_is_kept(engine):
    monitor = monitor_of(engine, {}, merge=(100_000,))
    last = Span.containing(BEGIN, 100_000 * LENGTH)
    only = Span(last.end - LENGTH, last.end)
    given = {only.start: s1(100, np.random.default_rng(2))}
    with engine.begin() as conn:
        measure.measure_spans(conn, replace(monitor, collector=FakeCollector(given)), [only])
    with engine.connect() as conn:
        kept = conn.execute(sa.select(tables.measurement.c.start).where(tables.measurement.c.detector != "mean_shift"))
        assert [row.start for row in kept] == [last.start]


def test_a_window_that_is_given_up_still_completes_its_merge(engine):
    monitor = monitor_of(engine, rows(3))
    play(engine, monitor, 3)
    with engine.begin() as conn:
        measure.give_up(conn, monitor, spans(4)[3], error="boom")
    assert [m.rows for m in found(engine, "mean_shift_x4")] == [300]
