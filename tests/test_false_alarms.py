"""How many alerts a year chance alone raises."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from drift.alert import AlertKind, AlertState
from drift.config import load
from drift.simulation import made_up, transitions
from drift.slo import BudgetingMethod, Calibration, Events, Outcome, Severity, Sli, Slo
from drift.slo.calibration import Usual
from drift.slo.false_alarms import YEAR, FalseAlarms, begins, false_alarms
from drift.wiring.false_pages import expectation


def make_slo(interval: int, target: str, alpha: str) -> Slo:
    return Slo("s", "search", Sli("mmd"), Fraction(target), timedelta(minutes=interval), alpha=Fraction(alpha))


def counted(slots: tuple[int, ...], long: int, short: int, needed: int, recent: int) -> bool:
    return sum(slots[-long:]) >= needed and sum(slots[-short:]) >= recent


@pytest.mark.parametrize(
    ("long", "short", "needed", "recent"), [(6, 2, 3, 1), (6, 3, 3, 2), (4, 2, 3, 2), (4, 4, 2, 1), (5, 4, 4, 3)]
)
def test_a_rule_begins_as_often_as_in_all_possible_sequences(long, short, needed, recent):
    slo = make_slo(60, "0.95", "0.01")
    tier = replace(
        slo.tiers[-1], slots_long=long, slots_short=short, bad_long=needed, bad_short=recent
    )  # a ticket: no projection
    chance, total = 0.2, 0.0
    for slots in product((0, 1), repeat=long + 1):
        if counted(slots[1:], long, short, needed, recent) and not counted(slots[:-1], long, short, needed, recent):
            total += chance ** sum(slots) * (1 - chance) ** (long + 1 - sum(slots))
    assert begins(slo, tier, chance) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize(
    ("interval", "target", "alpha", "bound"),
    [
        (5, "0.95", "0.01", 2e-11),
        (15, "0.95", "0.01", 0.14),
        (30, "0.95", "0.01", 0.15),
        (60, "0.95", "0.01", 0.21),
        (30, "0.95", "0.05", 48),
        (5, "0.99", "0.01", 110),
    ],
)
def test_it_is_below_the_bound_that_counts_every_slot_in_which_a_page_is_due(interval, target, alpha, bound):
    """The bound asks each long look-back alone, at every slot; the figures were computed apart from this."""
    slo = make_slo(interval, target, alpha)
    pages = [tier for tier in slo.tiers if tier.rule.severity is Severity.PAGE and tier.rule.name != "projected"]
    tails = sum(binom.sf(tier.bad_long - 1, tier.slots_long, float(slo.alpha)) for tier in pages)
    assert tails * (YEAR / slo.interval) == pytest.approx(bound, rel=0.15)
    assert bound / 10 < false_alarms(slo, float(slo.alpha)).pages < bound


def test_simulated_years_have_no_more_pages_and_not_much_fewer():
    slo = make_slo(30, "0.95", "0.05")
    years = 1.5
    rng = np.random.default_rng(0)
    bad = rng.random(int(years * YEAR / slo.interval)) < float(slo.alpha)
    events = transitions(slo, made_up(slo, [Outcome.BAD if one else Outcome.GOOD for one in bad]))
    pages = sum(one.alert.kind is AlertKind.PAGE and one.alert.state is AlertState.FIRING for one in events)
    expected = false_alarms(slo, float(slo.alpha)).pages * years
    assert expected / 2 < pages < expected + 3 * expected**0.5


def test_simulated_years_of_events_have_no_more_alerts():
    """Every hundredth slot is wholly bad; of the others' events 1 in 25 is, which is most of what may be."""
    slo = replace(make_slo(30, "0.95", "0.05"), method=BudgetingMethod.OCCURRENCES)
    years, rng = 0.75, np.random.default_rng(0)
    bad = np.where(rng.random(int(years * YEAR / slo.interval)) < 0.01, 200, 8)
    found = [Events(200 - int(one), 200) for one in bad]
    events = list(transitions(slo, made_up(slo, found)))
    fired = Counter(one.alert.kind for one in events if one.alert.state is AlertState.FIRING)
    usual = Usual(len(found), sum(slo.outcome(one) is Outcome.BAD for one in found), 200 * len(found), int(bad.sum()))
    assert usual.chance is not None
    expected, slots_alone = false_alarms(slo, usual.chance, usual.share), false_alarms(slo, usual.chance)
    assert slots_alone.tickets * years < fired[AlertKind.TICKET] < expected.tickets * years
    assert fired[AlertKind.PAGE] <= expected.pages * years


def test_good_slots_burn_too_where_events_are_counted():
    slo = make_slo(60, "0.95", "0.01")
    one, two = (false_alarms(slo, 0.01, Fraction(share)) for share in ("0", "0.02"))
    assert (two.pages > one.pages, two.tickets > one.tickets) == (True, True)
    assert false_alarms(slo, 0.01, Fraction("0.9")) == false_alarms(slo, 0.01, slo.budget)


def test_without_chance_there_is_none_and_they_add_up():
    slo = make_slo(5, "0.95", "0.01")
    assert false_alarms(slo, 0.0) == FalseAlarms()
    assert FalseAlarms(0.25, 1) + FalseAlarms(0.5, 2) == FalseAlarms(0.75, 3)


def test_a_projection_that_is_far_off_keeps_chance_from_paging():
    slo = make_slo(60, "0.95", "0.01")
    projected = next(tier for tier in slo.tiers if tier.rule.name == "projected")
    patient = replace(projected, rule=replace(projected.rule, horizon=None))
    assert begins(slo, projected, 0.01) < begins(slo, patient, 0.01) / 100


CONFIG = """\
streams:
  - {id: search, model: m, dim: 8, reference: {path: golden.parquet}, window: 30m, segments: {lang: [de]}, merge: []}
slos:
  - {name: traffic, detector: joint, p_value_at_least: 0.01}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "drift.yaml").write_text(CONFIG)
    return load(tmp_path / "drift.yaml")


def slos(config):
    (stream,) = config.streams
    return [slo for part in stream.streams for slo in config.slos_of(stream, part)]


def test_the_service_expects_the_sum_over_all_objectives_of_all_segments(config):
    tests = [slo for slo in slos(config) if slo.alpha]
    found = expectation(config, {}, {})
    assert found.total.pages == pytest.approx(sum(false_alarms(slo, float(slo.alpha)).pages for slo in tests))
    assert (found.objectives, found.unknown) == (len(tests), len(slos(config)) - len(tests))
    assert found.objectives % 2 == 0 < found.unknown
    assert found.worst in {"search/traffic", "search/lang=de/traffic"}
    assert f"{found.total.pages:.2g} a year by chance" in str(found)


def test_a_test_that_surely_breaks_its_word_counts_as_it_was_found(config):
    kept = {("search", "traffic"): Calibration(200, 4, 0.01)}
    broken = {("search", "traffic"): Calibration(2000, 100, 0.01)}
    assert expectation(config, kept, {}) == expectation(config, {}, {})
    found = expectation(config, broken, {})
    slo = next(slo for slo in slos(config) if (slo.stream, slo.name) == ("search", "traffic"))
    more = false_alarms(slo, 0.05).pages - false_alarms(slo, 0.01).pages
    assert found.total.pages == pytest.approx(expectation(config, {}, {}).total.pages + more)
    assert (found.broken, found.worst) == (1, "search/traffic")
    assert "1 err more often than they say" in str(found)


def test_what_counts_events_is_expected_to_page_as_its_healthy_windows_say(tmp_path):
    (tmp_path / "drift.yaml").write_text(
        f"{CONFIG}  - {{name: rows, detector: novelty, budgeting_method: Occurrences}}\n"
    )
    config = load(tmp_path / "drift.yaml")
    key, before = ("search", "rows"), expectation(config, {}, {})
    few, some = Usual(99, 0, 9900, 99), Usual(100, 5, 10_000, 300)
    assert expectation(config, {}, {key: few}) == before
    found = expectation(config, {}, {key: some})
    slo = next(slo for slo in slos(config) if (slo.stream, slo.name) == key)
    more = false_alarms(slo, 6 / 101, Fraction("0.03"))
    assert more.pages > 0
    assert found.total.pages == pytest.approx(before.total.pages + more.pages)
    assert found.total.tickets == pytest.approx(before.total.tickets + more.tickets)
    assert (found.objectives, found.unknown) == (before.objectives + 1, before.unknown - 1)
    assert "fewer than 100 healthy windows" in str(before)
