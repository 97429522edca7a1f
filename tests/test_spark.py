"""Sparklines of the fleet: what happened of late, as a picture of three lines."""

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest
from test_dashboard_words import config, fleet, traffic  # noqa: F401

from dashboard import palette
from dashboard.answers import Newest
from dashboard.declared import Declared
from dashboard.spark import HEIGHT, WIDTH
from dashboard.spark import spark as image
from dashboard.standing import lines, measured
from drift.store.views import Trail


@pytest.fixture
def line(config):  # noqa: F811
    """An objective on a p-value."""
    return traffic(lines(fleet(config), Declared.of(config)))


def spark(line) -> str:
    """The picture that the image holds."""
    found = re.fullmatch(r'<img class="spark" alt="[^"]*" src="data:image/svg\+xml,([^"]*)">', image(line))
    return unquote(found[1]) if found else ""


def points(svg: str) -> list[tuple[float, float]]:
    (drawn,) = re.findall(r'points="([^"]+)"', svg)
    return [(float(x), float(y)) for x, y in (point.split(",") for point in drawn.split())]


def test_the_newest_numbers_are_drawn_from_left_to_right_within_the_picture(line):
    found = points(spark(replace(line, trail=(0.5, 0.01, 1e-5))))
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found)
    (_, first), (_, second), (_, third) = found
    assert first < second < third  # a smaller p-value lies lower
    assert second - first < third - second  # on a logarithmic axis: .5 to .01 is less than .01 to .00001


def test_the_bound_and_a_bad_newest_window_are_seen(line):
    good = spark(replace(line, trail=(0.5, 0.4)))
    assert (good.count("stroke-dasharray"), good.count(f'fill="{palette.GOOD}"')) == (1, 1)
    newest = replace(line.newest, p_value=1e-9)
    assert f'fill="{palette.BAD}"' in spark(replace(line, trail=(0.5, 1e-9), newest=newest))


def test_what_never_moved_is_a_line_and_one_window_is_nothing(line):
    assert len({y for _, y in points(spark(replace(line, trail=(0.5, 0.5, 0.5))))}) == 1
    assert image(replace(line, trail=(0.5,))) == ""


def test_where_another_number_than_the_tests_own_is_judged_there_is_no_trail(line):
    slo = replace(line.slo, sli=replace(line.slo.sli, calibrated=True))
    trail = Trail("products", slo.sli.detector, (7.0, 8.0), (0.3, 0.4))
    assert measured([replace(line, slo=slo)], Newest(trails=(trail,)))[0].trail == ()


def test_a_line_gets_the_trail_of_what_it_judges(line):
    trail = Trail("products", line.slo.sli.detector, (7.0, 8.0), (0.3, None))
    assert measured([line], Newest(trails=(trail,)))[0].trail == (0.3,)
