from dataclasses import replace

import numpy as np
import pytest
from samples import measured, reference, s1, window
from scipy.stats import binomtest

from detectors.valid_ratio import ValidRatio
from drift.errors import TooFewRowsError
from drift.records import RowReason, Rows

HELD = reference(s1(100, np.random.default_rng(0)))
SAMPLE = window(s1(50, np.random.default_rng(1)))


def test_all_is_well_when_nothing_was_rejected():
    m = measured(ValidRatio(), SAMPLE, HELD)
    assert (m.value, m.rows, m.high) == (1, 50, 1)


def test_the_share_is_of_the_rows_received_not_of_the_sample():
    of = replace(SAMPLE, received=1000, rejected={RowReason.NOT_FINITE: 60, RowReason.ZERO_VECTOR: 40})
    m = measured(ValidRatio(), of, HELD)
    theirs = binomtest(900, 1000).proportion_ci(0.95, method="wilson")
    assert (m.value, m.rows) == (0.9, 1000)
    assert (m.low, m.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_a_window_without_a_valid_row_is_measured():
    of = replace(SAMPLE, rows=Rows.none(384), received=7, rejected={RowReason.WRONG_DIMENSION: 7})
    assert measured(ValidRatio(), of, HELD).value == 0


def test_a_window_that_received_nothing_is_refused():
    with pytest.raises(TooFewRowsError, match=r"at least 1 received rows, window .* has 0: .* source is down"):
        measured(ValidRatio(), replace(SAMPLE, rows=Rows.none(384), received=0), HELD)
