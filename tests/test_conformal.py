"""Windows judged by their rank among past ones of the same hour: the level that it keeps, and what it still finds."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pytest
from samples import least_by_chance, most_by_chance, reference, window

from detectors.mean_shift import MeanShift
from drift.records import EPOCH
from drift.slo import Conformal, Hours, Past, Quantity, Sli, conformal
from drift.slo.conformal import needed

HOUR = timedelta(hours=1)
ALPHA = 0.05
SLI = Sli("d", Quantity.P_VALUE, at_least=ALPHA, calibrated=True)


def at(hours: int):
    return EPOCH + hours * HOUR


@dataclass
class Stream:
    """Windows of an hour each, one after another; `only_good` forgets windows that were found bad."""

    only_good: bool = False
    past: list[Past] = field(default_factory=list)

    def judged(self, p_value: float) -> Conformal:
        now = Past(at(len(self.past)), p_value)
        found = conformal(SLI, now, [one for one in self.past if one.p_value <= 1])
        bad = found.p_value is not None and found.p_value < ALPHA
        self.past.append(replace(now, p_value=2.0) if self.only_good and bad else now)
        return found


def own(hour: int, rng: np.random.Generator, *, change: float = 1.0) -> float:
    """A test's p-value that is right by day and far too small by night; a change makes either smaller."""
    night = hour % 24 < 8
    return max(1e-300, float(rng.random()) ** (20.0 if night else 1.0) * change)


def seasonal(seed: int, hours: int, **how) -> list[Conformal]:
    stream, rng = Stream(**how), np.random.default_rng(seed)
    return [stream.judged(own(hour, rng)) for hour in range(hours)]


def bad_rate(found) -> float:
    known = [one.p_value < ALPHA for one in found if one.p_value is not None]
    return sum(known) / len(known)


def test_the_rank_counts_windows_that_are_as_extreme():
    past = [Past(at(i), p) for i, p in enumerate((0.5, 0.01, 0.02, 0.02, 0.9, *[0.7] * 20))]
    assert conformal(SLI, Past(at(30), 0.02), past) == Conformal(4 / 26, 25, Hours.ANY)
    assert conformal(SLI, Past(at(30), 0.001), past).p_value == 1 / 26
    assert conformal(SLI, Past(at(30), 1.0), past).p_value == 1


@pytest.mark.parametrize("bound", [0.5, 0.05, 0.005, 0.003, 0.001, 1 / 3])
def test_as_many_past_windows_are_needed_as_make_a_bad_verdict_possible(bound):
    count = needed(replace(SLI, at_least=bound))
    assert 1 / (1 + count) < bound <= 1 / count


def test_the_closest_hours_that_have_enough_windows_are_ranked_among():
    """An hour with few windows borrows those of other days, then of all hours, and never leaves a gap."""
    weeks = [Past(at(24 * 7 * i), 0.5) for i in range(30)]
    days = [Past(at(24 * i), 0.6) for i in range(30)]
    hours = [Past(at(i), 0.7) for i in range(30)]
    now = Past(at(24 * 7 * 50), 0.65)
    assert conformal(SLI, now, weeks + days + hours) == Conformal((1 + 30 + 5) / (1 + 35 + 1), 36, Hours.OF_WEEK)
    assert conformal(SLI, now, weeks[:3] + days + hours).hours is Hours.OF_DAY
    assert conformal(SLI, now, days[:3] + hours).hours is Hours.ANY
    few = conformal(SLI, now, hours[:19])
    assert few == Conformal(None, 19, Hours.ANY)
    assert "only 19 past healthy windows" in str(few)
    assert str(conformal(SLI, now, days)) == "p-value by rank among 30 past healthy windows of the same hour of the day"


def test_a_stream_with_nights_keeps_its_level_hour_by_hour():
    """Of the test's own p-values 86 % of the nights' lie below the bound; of the ranks as many as promised."""
    found = [one for seed in range(10) for one in seasonal(seed, 24 * 60)[24 * 20 :]]
    assert {one.hours for one in found} == {Hours.OF_DAY}
    by_night = np.array([one.p_value < ALPHA for one in found]).reshape(-1, 24)[:, :8]
    own_by_night = [own(0, np.random.default_rng(seed)) < ALPHA for seed in range(500)]
    assert np.mean(own_by_night) > 0.8
    for nights in (by_night, np.array([one.p_value < ALPHA for one in found]).reshape(-1, 24)[:, 8:]):
        # Verdicts share their pasts, so they count for less than as many independent ones.
        assert least_by_chance(nights.size // 4, ALPHA) <= nights.sum() / 4 <= most_by_chance(nights.size // 4, ALPHA)


def test_a_real_change_is_found_by_night_and_by_day():
    rng, hours = np.random.default_rng(5), 24 * 60
    stream = Stream()
    for hour in range(hours):
        stream.judged(own(hour, rng))
    for moment in (0, 12):
        now = [Past(at(hours + moment), own(moment, rng, change=1e-60 if moment < 8 else 1e-4)) for _ in range(50)]
        assert np.mean([conformal(SLI, one, stream.past).p_value < ALPHA for one in now]) >= 0.9


def test_a_past_of_good_windows_alone_would_not_keep_the_level():
    """Why the past is of healthy windows and not of good ones: cut off at the bound, its law loses ever more."""
    whole, cut = (
        np.mean([bad_rate(seasonal(seed, 24 * 70, only_good=only_good)[24 * 40 :]) for seed in range(4)])
        for only_good in (False, True)
    )
    assert whole == pytest.approx(ALPHA, abs=0.01)
    assert cut > 1.5 * ALPHA


def test_rows_that_come_in_sessions_keep_the_level_and_a_shift_is_found():
    """Five rows a session: the test itself calls half of the healthy windows bad."""
    dim, rng, detector = 6, np.random.default_rng(3), MeanShift()
    held = reference(rng.standard_normal((8000, dim)))

    def p_value(shift: float = 0.0) -> float:
        users = rng.standard_normal((40, 1, dim)) + 0.3 * rng.standard_normal((40, 5, dim)) + shift
        given = window(users.reshape(-1, dim))
        return detector.measure(given, held, rng=rng).p_value

    found, alone, stream = [], [], Stream()
    for _ in range(600):
        p = p_value()
        alone.append(p < ALPHA)
        found.append(stream.judged(p))
    assert np.mean(alone) > 0.3
    judged = [one.p_value < ALPHA for one in found[200:]]
    assert least_by_chance(len(judged) // 2, ALPHA) <= sum(judged) / 2 <= most_by_chance(len(judged) // 2, ALPHA)
    shifted = [conformal(SLI, Past(at(600), p_value(0.6)), stream.past).p_value < ALPHA for _ in range(40)]
    assert np.mean(shifted) >= 0.9
