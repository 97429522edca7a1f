"""A whole fleet at once, held against one objective slot by slot."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drift.alert import AlertKind, AlertState
from drift.simulation import CODES, EPOCH, Episodes, episodes, made_up, transitions
from drift.slo import RULES, Outcome, Sli, Slo, parse_sequence


def make_slo(interval: int = 5, target: str = "0.95", days: int = 30) -> Slo:
    return Slo("s", "search", Sli("mmd"), Fraction(target), timedelta(minutes=interval), timedelta(days=days))


def one_by_one(slo: Slo, kind: AlertKind, fleet: list[tuple[Outcome, ...]]) -> list[tuple[int, int, int]]:
    """Objective, slot in which it fired, slot in which it resolved (or -1), by the engine."""
    found = []
    for row, outcomes in enumerate(fleet):
        for one in transitions(slo, made_up(slo, outcomes)):
            at = (one.at - EPOCH) // slo.interval - 1
            if one.alert.kind is kind and one.alert.state is AlertState.FIRING:
                found.append((row, at, -1))
            elif one.alert.kind is kind:
                found[-1] = (*found[-1][:2], at)
    return found


def at_once(found: Episodes) -> list[tuple[int, int, int]]:
    return list(zip(found.objective.tolist(), found.fired.tolist(), found.resolved.tolist(), strict=True))


def codes(fleet: list[tuple[Outcome, ...]]) -> np.ndarray:
    return np.array([[CODES[outcome] for outcome in outcomes] for outcomes in fleet], np.uint8)


def fleets(slots: int) -> st.SearchStrategy[list[tuple[Outcome, ...]]]:
    run = st.builds(lambda letter, times: letter * times, st.sampled_from("BBBGGGMIS"), st.integers(1, 30))
    row = st.lists(run, min_size=1, max_size=14).map(lambda runs: parse_sequence("".join(runs) + "G" * slots)[:slots])
    return st.lists(row, min_size=1, max_size=4)


OUTAGE = [parse_sequence("B*80,G*40"), parse_sequence("G*120"), parse_sequence("(B*9,G*20)*4,G*4")]


@settings(max_examples=60, deadline=None)
@given(fleets(120), st.sampled_from([(5, "0.95", 30), (30, "0.95", 30), (60, "0.9", 30), (1440, "0.95", 30)]))
@example(OUTAGE, (5, "0.95", 30))
@example([(Outcome.MISSING,) * 120, (Outcome.INSUFFICIENT,) * 120], (5, "0.95", 30))
@example([parse_sequence("G*118,M,M"), parse_sequence("M,G*119")], (5, "0.95", 30))
def test_all_at_once_is_one_by_one(fleet, terms):
    slo = make_slo(*terms)
    for found in episodes(slo, codes(fleet)):
        assert at_once(found) == one_by_one(slo, found.kind, fleet), found.kind


def test_a_budget_that_is_spent_over_weeks_is_exhausted_and_clears_as_it_comes_back():
    """Longer than the period, so that bad slots leave it again."""
    fleet = [parse_sequence("(G*15,B)*40,G*560"), parse_sequence("(G*30,B*2)*37,G*16")]
    slo = make_slo(60, days=20)
    exhausted = {found.kind: at_once(found) for found in episodes(slo, codes(fleet))}[AlertKind.EXHAUSTED]
    assert exhausted == one_by_one(slo, AlertKind.EXHAUSTED, fleet)
    assert any(resolved > 0 for _, _, resolved in exhausted)


def test_an_objective_may_have_pages_alone():
    slo, fleet = replace(make_slo(), rules=RULES[:3]), [parse_sequence("B*60,G*60")]
    found = {one.kind: at_once(one) for one in episodes(slo, codes(fleet))}
    assert found[AlertKind.PAGE] == one_by_one(slo, AlertKind.PAGE, fleet) != []
    assert found[AlertKind.TICKET] == []


def test_what_leaves_missing_data_to_others_tells_of_the_rest():
    slo, fleet = replace(make_slo(), tells_missing=False), [parse_sequence("B*9,M*9,I*12,G*40")]
    found = {one.kind: at_once(one) for one in episodes(slo, codes(fleet))}
    assert {kind: len(alerts) for kind, alerts in found.items() if alerts} == {
        AlertKind.PAGE: 1,
        AlertKind.INSUFFICIENT: 1,
    }
    assert all(alerts == one_by_one(slo, kind, fleet) for kind, alerts in found.items())


@pytest.mark.parametrize("rows", [1, 300])
def test_objectives_keep_their_places_in_a_large_fleet(rows):
    quiet, outage = parse_sequence("G*40"), parse_sequence("G*20,B*15,G*5")
    fleet = codes([quiet] * (rows - 1) + [outage])
    (page, *others) = episodes(make_slo(), fleet)
    assert page.objective.tolist() == [rows - 1]
    assert page.fired.tolist() == [28]
    assert all(len(found.fired) == 0 for found in others)
