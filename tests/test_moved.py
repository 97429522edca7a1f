"""What an alert says has moved most."""

import re
from dataclasses import replace

import pytest
from fakes import MOVED, spans

from drift.notify.moved import moved_most
from drift.records import Measurement


def measured(detector: str, value: float, low: float | None = None, high: float | None = None, **more) -> Measurement:
    return Measurement("search", spans(1)[0], detector, "r", value, 80, band_low=low, band_high=high, **more)


@pytest.mark.parametrize(
    ("measurements", "says"),
    [
        ([], ""),
        ([measured("effective_rank", 1.0, 0.9, 1.1), measured("joint", 0.4)], ""),
        (
            [measured("joint", 0.4), measured("variance_ratio", 0.5, 0.9, 1.1)],
            "variance_ratio 0.5, where .* 0.9 to 1.1",
        ),
        # Two widths of its band beyond it are more than one, whatever the unit.
        ([measured("a", 100.0, 0.0, 50.0), measured("b", 0.03, 0.0, 0.01)], "b 0.03"),
        ([measured("a", -3.0, 0.0, 1.0), measured("b", 0.03, 0.0, 0.01)], "a -3"),
    ],
)
def test_the_detector_that_is_furthest_outside_of_its_healthy_band_is_named(measurements, says):
    assert re.match(says + ("$" if not says else ""), moved_most(measurements))


def test_the_segment_that_makes_up_most_of_the_change_is_named():
    first = MOVED.segments[0]
    share = f"{first.contribution / MOVED.total:.0%}"
    said = moved_most([measured("joint", 0.4, attribution=MOVED), measured("variance_ratio", 0.5, 0.9, 1.1)])
    assert said.startswith("variance_ratio 0.5")
    # Beside its share of the rows: half of the change in half of the rows is nobody's in particular.
    assert said.endswith(f"; segment lang=<de>, {first.window:.0%} of the rows, makes up {share} of the change")


def test_a_change_that_may_be_chance_names_no_segment():
    for kept in (replace(MOVED, p_value=0.06), replace(MOVED, segments=()), replace(MOVED, total=0.0)):
        assert moved_most([measured("joint", 0.4, attribution=kept)]) == ""
