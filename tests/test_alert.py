"""Laws of burn-rate alerts, over made-up sequences of slots. Minutes count from the end of 30 good days."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from math import ceil, floor

from hypothesis import example, given, settings
from hypothesis import strategies as st

from drift.alert import AlertKind, AlertState
from drift.simulation import EPOCH, Transition, made_up, simulate, transitions
from drift.slo import RULES, Outcome, Severity, Sli, Slo, default_rules, parse_sequence

MINUTE = timedelta(minutes=1)


def make_slo(interval: int = 5, target: str = "0.95") -> Slo:
    alpha = min(Fraction("0.01"), (1 - Fraction(target)) / 5)
    return Slo("s", "search", Sli("mmd"), Fraction(target), timedelta(minutes=interval), alpha=alpha)


def played(slo: Slo, sequence: str) -> list[Transition]:
    return list(transitions(slo, made_up(slo, parse_sequence(sequence))))


def story(slo: Slo, sequence: str) -> list[tuple[int, str, str]]:
    return [((one.at - EPOCH) // MINUTE, str(one.alert.kind), str(one.alert.state)) for one in played(slo, sequence)]


def first_page(slo: Slo, sequence: str) -> float:
    return next((minute for minute, kind, _ in story(slo, sequence) if kind == "page"), float("inf"))


def sequences(letters: str, longest: int = 24, runs: int = 14) -> st.SearchStrategy[str]:
    """Runs of equal slots: single letters would hardly ever reach a threshold."""
    run = st.builds(lambda letter, times: letter * times, st.sampled_from(letters), st.integers(1, longest))
    return st.lists(run, min_size=1, max_size=runs).map("".join)


def test_rules_that_can_never_fire_are_refused_with_the_target_that_would():
    faults = make_slo(target="0.8").faults()
    assert [f.split("'")[1] for f in faults] == ["fast", "slow"]
    assert "93.06%" in faults[0]
    assert make_slo().faults() == []


def test_weeks_and_quarters_take_the_rules_of_a_month():
    """2 % of a week's budget in an hour is chance, and of a quarter's more than an hour has."""
    days = {days: default_rules(timedelta(days=days)) for days in (7, 28, 30, 90)}
    assert days[7] == days[28] != days[30] == days[90] == RULES
    assert [rule.factor for rule in days[28]] == [
        max(rule.factor * Fraction(28, 30), 3 if rule.severity is Severity.PAGE else 0) for rule in days[30]
    ]


def test_an_alpha_that_eats_the_budget_is_refused():
    slo = Slo("s", "search", Sli("mmd"), Fraction("0.95"), timedelta(minutes=5), alpha=Fraction("0.05"))
    assert "at most 0.01" in slo.faults()[0]


def test_redundant_page_rules_are_dropped():
    assert [tier.rule.name for tier in make_slo(5).tiers] == [r.name for r in RULES]
    assert [tier.rule.name for tier in make_slo(360).tiers] == ["slow", "projected", "ticket_1d", "ticket_3d"]


@settings(max_examples=50, deadline=None)
@given(sequences("BGMIS"), st.text(alphabet="MIS", min_size=1, max_size=20))
def test_slots_without_a_verdict_never_change_what_burns(sequence, silence):
    burning = {"page", "ticket", "exhausted"}
    before, after = (story(make_slo(), text) for text in (sequence, sequence + silence))
    assert [e for e in after if e[1] in burning] == [e for e in before if e[1] in burning]


@settings(max_examples=50, deadline=None)
@given(sequences("BBGMMIS"))
def test_nothing_resolves_while_data_are_missing(sequence):
    slo = make_slo()
    for tick in simulate(slo, made_up(slo, parse_sequence(sequence))):
        if tick.slot.outcome is Outcome.MISSING:
            assert all(one.alert.state is AlertState.FIRING for one in tick.transitions)


@settings(max_examples=50, deadline=None)
@given(sequences("BBGGM"), st.data())
@example("B" * 8 + "G" * 20, None)
def test_more_bad_slots_never_page_later(sequence, data):
    slo = make_slo()
    at = 8 if data is None else data.draw(st.integers(0, len(sequence) - 1))
    worse = f"{sequence[:at]}B{sequence[at + 1 :]}"
    assert first_page(slo, worse) <= first_page(slo, sequence)


@settings(max_examples=50, deadline=None)
@given(sequences("BBGGM"))
@example("B" * 40 + "G" * 20)
def test_what_fires_goes_on_for_its_hold_at_least(sequence):
    """And so changes at most once within it, however verdicts alternate."""
    slo = make_slo()
    verdicts = [EPOCH + (i + 1) * slo.interval for i, letter in enumerate(sequence) if letter in "BG"]
    fired = {}
    for one in played(slo, sequence):
        if one.alert.kind in {AlertKind.PAGE, AlertKind.TICKET}:
            if one.alert.state is AlertState.FIRING:
                fired[one.alert.kind] = one.at
            else:
                assert one.burn is not None
                held = sum(fired[one.alert.kind] < at <= one.at for at in verdicts)
                assert held >= slo.short(one.burn.rule) // slo.interval


@settings(max_examples=50, deadline=None)
@given(sequences("BGMIS"))
def test_each_kind_fires_and_resolves_in_turn(sequence):
    for kind in AlertKind:
        states = [state for _, k, state in story(make_slo(), sequence) if k == kind]
        assert states == (["firing", "resolved"] * len(states))[: len(states)]


def test_an_objective_that_leaves_missing_data_to_others_has_no_alert_of_it_and_freezes_all_the_same():
    told = story(replace(make_slo(), tells_missing=False), "B*9,M*13,G*50")
    assert told == [(45, "page", "firing"), (120, "page", "resolved")]


def test_a_ticket_is_inhibited_only_while_its_page_fires():
    marks = [(one.alert.kind.value, one.inhibited) for one in played(make_slo(), "B*60") if one.alert.fired_at]
    assert marks == [("page", False), ("ticket", True)]
    assert [one.inhibited for one in played(make_slo(), "(G*19,B)*50")] == [False]


# --- The rules once more, in the plainest words: whole slots, from the first, at each slot ---


@dataclass
class Naive:
    """Whether one kind of alert fires, and since when it should not."""

    firing: bool = False
    hold: int = 0
    quiet: int = 0


@dataclass
class Oracle:
    """The rules as they are written, on integers: slow, and with nothing remembered that could be counted again."""

    n: int  # minutes of a slot
    target: Fraction
    seen: str = ""
    events: list = field(default_factory=list)
    page: Naive = field(default_factory=Naive)
    ticket: Naive = field(default_factory=Naive)
    on: dict = field(default_factory=dict)

    TIERS = (
        ("page", "14.4", 60, 5, 30 * 1440),
        ("page", "6", 360, 30, 30 * 1440),
        ("page", "3", 1440, 120, 72 * 60),
        ("ticket", "3", 1440, 120, None),
        ("ticket", "1", 4320, 360, None),
    )

    def true(self, severity: str) -> list[int]:
        """The short look-backs, in slots, of the tiers that are true."""
        found = []
        allowed = (1 - self.target) * 43200 / self.n
        left = 1 - self.seen[-floor(43200 / self.n) :].count("B") / allowed
        for kind, factor, long, short, horizon in self.TIERS:
            longest, shortest = ceil(max(long, 4 * self.n) / self.n), ceil(max(short, 2 * self.n) / self.n)
            bad, recent = self.seen[-longest:].count("B"), self.seen[-shortest:].count("B")
            enough = [floor(Fraction(factor) * (1 - self.target) * slots) + 1 for slots in (longest, shortest)]
            if kind != severity or bad < enough[0] or recent < enough[1] or bad < {"page": 3, "ticket": 2}[kind]:
                continue
            burn = bad / ((1 - self.target) * longest)
            if horizon is None or max(Fraction(0), left) * 43200 / burn <= horizon:
                found.append(shortest)
        return found

    def tell(self, kind: str, state: str) -> None:
        self.events.append((len(self.seen) * self.n, kind, state))

    def burning(self, kind: str, alert: Naive) -> None:
        if shorts := self.true(kind):
            if not alert.firing:
                self.tell(kind, "firing")
            alert.firing, alert.hold, alert.quiet = True, max(shorts), 0
        elif alert.firing:
            alert.quiet += 1
            if alert.quiet >= alert.hold and [c for c in self.seen if c in "BG"][-2:] == ["G", "G"]:
                alert.firing = False
                self.tell(kind, "resolved")

    def switch(self, kind: str, *, on: bool, off: bool) -> None:
        if not self.on.get(kind) and on:
            self.tell(kind, "firing")
        elif self.on.get(kind) and off:
            self.tell(kind, "resolved")
        self.on[kind] = on or (self.on.get(kind, False) and not off)

    def slot(self, letter: str) -> None:
        self.seen += letter
        if letter in "BG":
            self.burning("page", self.page)
            self.burning("ticket", self.ticket)
        counted = self.seen.replace("S", "")
        self.switch("nodata", on=letter == "M" and counted.endswith("MMM"), off=letter in "BGI")
        self.switch("insufficient", on=letter == "I" and counted.endswith("I" * 12), off=letter in "BG")
        if letter in "BG":
            left = 1 - self.seen[-floor(43200 / self.n) :].count("B") / ((1 - self.target) * 43200 / self.n)
            self.switch("exhausted", on=left <= 0, off=left >= Fraction("0.05"))


@settings(max_examples=100, deadline=None)
@given(
    sequences("BBBGGGMIS", 40),
    st.sampled_from([1, 5, 7, 15, 30, 60, 90, 360, 1440, 2160]),
    st.sampled_from(["0.5", "0.9", "0.95", "0.99", "0.9999"]),
)
@example("B" * 60 + "G" * 400 + "B" * 9, 5, "0.95")
@example("B" * 5 + "G" * 60, 1440, "0.95")
@example("B" * 500, 1, "0.9999")
@example("G" * 40 + "B" + "G" * 900, 1, "0.9999")
def test_the_engine_says_what_the_rules_say(sequence, interval, target):
    oracle = Oracle(interval, Fraction(target))
    for letter in sequence:
        oracle.slot(letter)
    assert story(make_slo(interval, target), sequence) == oracle.events
