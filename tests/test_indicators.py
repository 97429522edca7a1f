"""Which measurements are good."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard import words
from drift.records import Measurement, Span
from drift.slo import Outcome, Quantity, Sli

SPAN = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=5))
GATED = Sli("joint", Quantity.P_VALUE, at_least=0.005, effect_at_least=0.01)


def measured(p_value: float, value: float, high: float | None) -> Measurement:
    return Measurement("s", SPAN, "joint", "r", value, 400, p_value, low=0.0, high=high)


@pytest.mark.parametrize(
    ("p_value", "value", "high", "outcome"),
    [
        (0.5, 0.002, 0.03, Outcome.GOOD),
        (0.005, 0.2, 0.3, Outcome.GOOD),
        (0.004, 0.2, 0.3, Outcome.BAD),
        (0.004, 0.002, 0.01, Outcome.BAD),  # it may be as large as the minimum
        (1e-9, 0.002, 0.0099, Outcome.GOOD),  # surely smaller
        (1e-9, 0.002, None, Outcome.GOOD),
        (1e-9, 0.02, None, Outcome.BAD),
    ],
)
def test_a_change_that_is_surely_too_small_to_matter_is_good_however_significant(p_value, value, high, outcome):
    assert GATED.judge(measured(p_value, value, high)) is outcome


def test_without_a_minimum_the_number_alone_decides():
    sli = Sli("joint", Quantity.P_VALUE, at_least=0.005)
    assert sli.judge(measured(0.004, 0.0, 0.0)) is Outcome.BAD


def test_the_minimum_is_told_wherever_the_objective_is():
    assert str(GATED) == "joint p-value >= 0.005, or an effect surely below 0.01"
    assert words.good(GATED) == "p-value ≥ 0.005, or effect surely below 0.01"
