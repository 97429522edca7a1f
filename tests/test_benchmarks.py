"""The commands that the README names still run."""

import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from benchmarks import conditional, cost, crowd, fleet, permutation, window
from benchmarks.alternatives import s1
from drift.config import load
from drift.store import reads


def test_the_cost_table_is_printed_from_a_run(engine):
    found = cost.run(engine, windows=2, batches=1, references=1)
    assert len(found) == 9
    # Memory may have been given back meanwhile: in this process, other tests ran before.
    assert all(measured.split()[0].lstrip("-").replace(",", "").replace(".", "").isdigit() for _, measured in found)


def test_each_permutation_test_runs_in_a_process_of_its_own_and_tells_its_cost():
    found = permutation.run((80,), 100, peer=None)
    assert [(of.who, of.n) for of in found] == [("ours, default", 80), ("ours", 80)]
    assert all(0 < of.seconds < 60 and of.megabytes >= 0 and 0 < of.p <= 1 for of in found)
    peer = permutation.Cost("alibi-detect", 80, found[0].seconds * 50, 1000.0, 0.5)
    assert permutation.row(found[0], {80: peer})[3] == "50 times"
    assert permutation.row(peer, {80: peer})[3] == ""


def test_a_window_is_timed_with_every_default_detector_and_beside_a_report(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    reference, windows = s1(600, rng), [s1(128, rng) for _ in range(2)]
    found = window.ours(reference, windows, runs=1)
    assert [what for what, _, _ in found] == [*window.NAMES, window.ALL, window.PANEL]
    assert all(0 < seconds < 60 and rows in (None, 128) for _, seconds, rows in found)
    report = "import json, sys; sys.stdout.write(json.dumps({'report': [9.0, 8.0, 7.0], 'test': [0.5]}))"
    (tmp_path / "one_report.py").write_text(report)
    monkeypatch.setattr(window, "__file__", str(tmp_path / "window.py"))
    peer = window.evidently(sys.executable, reference, windows[0], runs=1)
    assert peer == [(window.REPORT, 8.0, 128), (window.TEST, 0.5, 128)]
    columns = window.table([(window.ALL, 0.1, None), *peer], 600).columns
    assert list(columns[-1].cells) == ["", "80 times", "5 times"]


def test_levels_given_the_reference_are_shares_of_each_references_windows(monkeypatch):
    monkeypatch.setattr(conditional, "NULLS", 200)  # the form of what is printed is tested, not how fine it is
    found = conditional.run(references=2, windows=8, rows=64)
    assert [(of.test, of.ratio) for of in found] == [
        *(("panel", ratio) for ratio in (4, 20, 40)),
        *(("mean_shift", ratio) for ratio in (1, 20)),
    ]
    assert all(len(of.plain) == 2 and set(of.plain) <= {i / 8 for i in range(9)} for of in found)
    assert all(doubled <= plain for of in found for plain, doubled in zip(of.plain, of.shipped, strict=True))
    assert all(of.plain == of.shipped for of in found if of.ratio >= (40 if of.test == "panel" else 20))
    assert conditional.table(found, windows=8, rows=64).row_count == 5


def test_windows_that_are_tested_at_once_have_the_p_values_of_windows_that_are_tested_alone():
    rng = np.random.default_rng(3)
    reference, block = s1(640, rng), s1(3 * 32, rng)
    fitted = conditional.Panel.fitted(reference, 32, 0.01, 0, nulls=conditional.NULLS)
    alone = [fitted.test(block[i : i + 32]).p_value for i in range(0, len(block), 32)]
    assert conditional.panel(reference, [block], 32) == pytest.approx(alone, rel=1e-6)


def test_a_fleets_month_is_timed_with_what_fires_in_it():
    quiet, few, all_of_them = fleet.run(40)
    assert quiet.alerts == ""
    assert "page" in all_of_them.alerts
    assert (quiet.share, few.share, all_of_them.share) == fleet.SHARES
    assert all(0 < cost.seconds < 60 and cost.megabytes > 0 for cost in (quiet, few, all_of_them))


def test_a_crowd_is_written_whole_and_its_copies_are_like_those_that_were_lived(engine, tmp_path):
    config = load(crowd.write_config(tmp_path, 6))
    crowd.fill(engine, config, now=datetime.now(UTC), days=1)
    with engine.connect() as conn:
        budgets = reads.latest_budgets(conn)
        assert len(budgets) == 6 * 5
        lived, copied = (
            [(b.slo, b.span, b.remaining) for b in budgets if b.stream == crowd.name(i)] for i in (3, crowd.LIVED)
        )
        assert lived == copied
        since = budgets[0].span.end - timedelta(days=1)
        found = [reads.measurements(conn, crowd.name(i), since, budgets[0].span.end) for i in range(6)]
    assert {len(of) for of in found} <= {24 * 5, 23 * 5}  # one had a silence
