"""The joint test in the service: the sizes it is fitted for, and null windows that are drawn once."""

import numpy as np
import pytest
import sqlalchemy as sa
from samples import measured, reference, s1, window

from detectors.joint import Joint, fitted_panel
from detectors.panel.statistics import NAMES
from drift.errors import UnmeasurableError
from drift.pipeline.references import prepare
from drift.store import references, tables

DETECTOR = Joint(nulls=60, min_rows=16)


def some_reference(rows=1400, version=""):
    return reference(s1(rows, np.random.default_rng(0)), version)


def ready(engine, held, rows=40, detector=DETECTOR):
    told = []
    with engine.begin() as conn:
        prepare(conn, held, detector, rows=rows, progress=lambda done, total: told.append((done, total)))
    return told


def banks(engine):
    with engine.connect() as conn:
        return [(row.reference, row.key) for row in conn.execute(sa.select(tables.bank))]


def test_null_windows_are_drawn_once_and_kept_with_the_reference(engine):
    held = some_reference()
    assert ready(engine, held)[-1] == (60, 60)
    assert banks(engine) == [(held.version, DETECTOR.bank_key(held, 40))]
    again = some_reference(version=held.version)  # as another process would load it
    ready(engine, again)
    x = window(s1(40, np.random.default_rng(1)))
    assert measured(DETECTOR, x, again) == measured(DETECTOR, x, held)
    assert len(banks(engine)) == 1


def test_kept_null_windows_are_the_ones_that_are_used(engine):
    held = some_reference()
    ready(engine, held)
    with engine.begin() as conn:
        kept = references.bank(conn, held.version, DETECTOR.bank_key(held, 40))
        assert kept.shape == (60, len(NAMES))
        other = kept.copy()
        other[1:] += 10 * kept.std(0)  # the first is drawn again, to know the bank by it
        conn.execute(sa.update(tables.bank).values(numbers=other.tobytes()))
    again = some_reference(version=held.version)
    ready(engine, again)
    assert np.array_equal(fitted_panel(again, 32, 60).bank, other)


def test_null_windows_that_other_code_drew_are_drawn_anew_and_do_not_stop_the_service(engine):
    held = some_reference()
    ready(engine, held)
    with engine.begin() as conn:
        right = references.bank(conn, held.version, DETECTOR.bank_key(held, 40))
        conn.execute(sa.update(tables.bank).values(numbers=(right + 10 * right.std(0)).tobytes()))
    again = some_reference(version=held.version)
    ready(engine, again)
    with engine.connect() as conn:
        assert np.array_equal(references.bank(conn, held.version, DETECTOR.bank_key(held, 40)), right)
    assert np.array_equal(fitted_panel(again, 32, 60).bank, right)


def test_another_size_or_number_of_windows_is_drawn_for_itself(engine):
    held = some_reference()
    for rows, detector in ((40, DETECTOR), (63, DETECTOR), (20, DETECTOR), (40, Joint(nulls=80, min_rows=16))):
        ready(engine, held, rows, detector)
    assert len(set(banks(engine))) == 3


def test_a_reference_too_small_is_left_to_the_measurement(engine):
    held = some_reference(rows=60)
    ready(engine, held)
    assert banks(engine) == []
    with pytest.raises(UnmeasurableError, match="a reference of 64 rows for windows of 16"):
        measured(DETECTOR, window(s1(40, np.random.default_rng(1))), held)


@pytest.mark.parametrize(("rows", "used"), [(16, 16), (31, 16), (64, 64), (100, 64)])
def test_windows_are_cut_to_a_power_of_two_that_the_reference_is_ample_for(rows, used):
    assert measured(DETECTOR, window(s1(rows, np.random.default_rng(1))), some_reference()).rows == used


def test_a_small_reference_makes_the_test_stricter():
    x = window(s1(16, np.random.default_rng(3)))
    for rows, factor in ((640, 1), (600, 2)):
        held = some_reference(rows=rows)
        alone = fitted_panel(held, 16, 60).test(x.vectors).p_value
        assert measured(DETECTOR, x, held).p_value == pytest.approx(min(1.0, factor * alone))
