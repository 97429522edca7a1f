"""Burn-rate alerts in simulated time. Minutes count from the end of 30 good days; slot i ends at i * interval."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.alert import Alert, AlertKind, AlertState, Watch, transition
from drift.records import Span
from drift.slo import RULES, Outcome, Sli, Slo, Slot, budget, spent

START = datetime(2026, 1, 1, tzinfo=UTC)
LETTERS = {"B": Outcome.BAD, "G": Outcome.GOOD, "M": Outcome.MISSING, "I": Outcome.INSUFFICIENT, "S": Outcome.EXCLUDED}


def make_slo(interval: int = 5, target: str = "0.95") -> Slo:
    return Slo("s", "search", Sli("mmd"), Fraction(target), timedelta(minutes=interval), alpha=Fraction("0.01"))


@dataclass(frozen=True)
class Event:
    minute: int
    alert: Alert
    long: float
    short: float
    remaining: float
    hours_left: float | None


def simulate(slo: Slo, sequence: str) -> Iterator[Event]:
    """Every change of state that `sequence` (for example "B*9 M*13 G") causes, pending ones left out."""
    letters = "".join(m[1] * int(m[2] or 1) for m in re.finditer(r"([BGMIS]+?)(?:\*(\d+))?(?=\s|$|[BGMIS])", sequence))
    watch, bad = Watch(), []
    for i, letter in enumerate(letters, 1):
        end = START + i * slo.interval
        slot = Slot(Span(end - slo.interval, end), LETTERS[letter])
        bad += [slot] if slot.outcome is Outcome.BAD else []
        state = budget(slo, spent(slo, bad, end), end)
        step = transition(watch, slo, slot, state)
        watch = step.watch
        for alert in step.changed:
            if alert.state not in {AlertState.FIRING, AlertState.RESOLVED}:
                continue
            burn = next((b for b in state.burns if b.rule.name == alert.rule), state.burns[0])
            hours = None if burn.exhausts_in is None else burn.exhausts_in / timedelta(hours=1)
            minute = int((end - START) / timedelta(minutes=1))
            yield Event(minute, alert, float(burn.long), float(burn.short), float(state.remaining), hours)


def story(slo: Slo, sequence: str) -> list[tuple[int, str, str]]:
    return [(e.minute, e.alert.kind.value, e.alert.state.value) for e in simulate(slo, sequence)]


def pages(slo: Slo, sequence: str) -> list[tuple[int, str]]:
    return [(minute, state) for minute, kind, state in story(slo, sequence) if kind == "page"]


def test_an_outage_pages_by_the_fast_rule_and_says_how_long_the_budget_lasts():
    page, ticket = simulate(make_slo(), "B*60")
    assert (page.minute, page.alert.rule) == (45, "fast")
    assert (page.long, page.short) == pytest.approx((15.0, 20.0))
    assert page.remaining == pytest.approx(0.9792, abs=1e-4)
    assert page.hours_left == pytest.approx(47.0)
    assert (ticket.minute, ticket.alert.kind, ticket.long) == (220, AlertKind.TICKET, pytest.approx(3.056, abs=1e-3))


def test_a_page_resolves_after_two_good_verdicts_once_the_short_look_back_is_clean():
    assert pages(make_slo(), "B*9 G*20") == [(45, "firing"), (55, "resolved")]


@pytest.mark.parametrize("sequence", ["B*8 G*300", "B G*300", "G*5 M", "S*12 G"])
def test_what_the_budget_can_bear_alerts_nobody(sequence):
    assert story(make_slo(), sequence) == []


def test_alternating_slots_page_once_by_the_slow_rule():
    events = list(simulate(make_slo(), " ".join(["B G"] * 100)))
    page = events[0]
    assert (page.minute, page.alert.rule) == (215, "slow")
    assert (page.long, page.short, page.hours_left) == pytest.approx((6.111, 10.0, 111.8), rel=1e-3)
    assert [(e.minute, e.alert.kind) for e in events[1:]] == [(435, AlertKind.TICKET)]


def test_a_burn_of_one_makes_a_ticket_and_never_a_page():
    events = list(simulate(make_slo(), " ".join(["G*19 B"] * 60)))
    assert [(e.minute, e.alert.kind, e.alert.rule) for e in events] == [(4400, AlertKind.TICKET, "ticket_3d")]
    assert events[0].long == pytest.approx(1.019, abs=1e-3)


def test_half_that_burn_makes_nothing():
    assert story(make_slo(), " ".join(["G*39 B"] * 43)) == []


@pytest.mark.parametrize(
    ("interval", "slots", "expected"),
    [
        (30, 10, [(90, "page", "firing"), (240, "ticket", "firing")]),
        (60, 3, [(180, "page", "firing")]),
        (1440, 3, [(2880, "exhausted", "firing"), (2880, "ticket", "firing"), (4320, "page", "firing")]),
    ],
)
def test_longer_intervals_raise_the_look_backs(interval, slots, expected):
    assert sorted(story(make_slo(interval), f"B*{slots}")) == expected


def test_missing_data_freezes_a_page_and_raises_its_own_ticket():
    assert story(make_slo(), "B*9 M*13 G*3") == [
        (45, "page", "firing"),
        (60, "nodata", "firing"),
        (115, "nodata", "resolved"),
        (120, "page", "resolved"),
    ]


def test_maintenance_delays_the_page_until_it_ends():
    assert pages(make_slo(), "S*12 B*9") == [(105, "firing")]


def test_too_few_rows_for_long_makes_a_ticket_that_the_next_verdict_clears():
    assert story(make_slo(), "I*12 G") == [(60, "insufficient", "firing"), (65, "insufficient", "resolved")]


def test_with_the_budget_gone_a_relapse_pages_at_once_with_no_time_left():
    lead = "B*432 G*864"  # spends all of it, and stays in the period
    assert pages(make_slo(), f"{lead} B*4 G*20")[2:] == []
    relapse = [e for e in simulate(make_slo(), f"{lead} B*9 G*20") if e.alert.kind is AlertKind.PAGE][2:]
    start = (432 + 864) * 5
    assert [(e.minute - start, e.alert.state.value) for e in relapse] == [(45, "firing"), (55, "resolved")]
    assert relapse[0].hours_left == 0


def test_rules_that_can_never_fire_are_refused_with_the_target_that_would():
    faults = make_slo(target="0.8").faults()
    assert [f.split("'")[1] for f in faults] == ["fast", "slow"]
    assert "93.06%" in faults[0]
    assert make_slo().faults() == []


def test_an_alpha_that_eats_the_budget_is_refused():
    slo = Slo("s", "search", Sli("mmd"), Fraction("0.95"), timedelta(minutes=5), alpha=Fraction("0.05"))
    assert "at most 0.01" in slo.faults()[0]


def test_redundant_page_rules_are_dropped():
    assert [r.name for r in make_slo(5).active_rules()] == [r.name for r in RULES]
    assert [r.name for r in make_slo(360).active_rules()] == ["slow", "projected", "ticket_1d", "ticket_3d"]


@given(st.text(alphabet="BGMIS", min_size=1, max_size=80), st.text(alphabet="MIS", max_size=20))
def test_slots_without_a_verdict_never_change_a_page(sequence, silence):
    slo = make_slo()
    before = list(pages(slo, " ".join(sequence)))
    after = list(pages(slo, " ".join(sequence + silence)))
    assert after == before


@given(st.text(alphabet="BGMIS", min_size=1, max_size=120))
def test_each_kind_fires_and_resolves_in_turn(sequence):
    for kind in AlertKind:
        states = [state for _, k, state in story(make_slo(), " ".join(sequence)) if k == kind]
        assert states == (["firing", "resolved"] * len(states))[: len(states)]
