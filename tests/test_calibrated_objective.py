"""Objectives that are calibrated on windows, as the service counts them, on a real Postgres."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
import sqlalchemy as sa
from fakes import START, make_monitor, register

from dashboard import calibration as page
from dashboard import markup, matrix, pairs
from dashboard.answers import Newest
from dashboard.declared import Declared
from dashboard.standing import Fleet, as_judged, lines, unjudged
from dashboard.standing import measured as measured_lines
from drift.api.answers import StatusAnswer
from drift.config import AccessConfig
from drift.pipeline.count import count
from drift.pipeline.monitor import Findings
from drift.records import Measurement, Span, Stream
from drift.slo import BurnRateRule, Conformal, Hours, Outcome, Past, Quantity, Severity, Sli, Slo
from drift.store import objectives, partitions, reads, views, writes
from drift.store.fleet import standings
from drift.store.reads import StreamRow
from drift.wiring import status

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = START.replace(hour=0)
RULE = BurnRateRule("fast", Severity.PAGE, Fraction(6), 4 * HOUR, 2 * HOUR)
SLI = Sli("variance_ratio", Quantity.P_VALUE, at_least=0.05, calibrated=True)
SLO = Slo("traffic", "search", SLI, Fraction("0.95"), HOUR, alpha=Fraction("0.05"), rules=(RULE,))
PLAIN = replace(SLO, sli=replace(SLI, calibrated=False))


def measured(hour: int, p_value: float, reference: str = "now") -> Measurement:
    span = Span(MIDNIGHT + hour * HOUR, MIDNIGHT + (hour + 1) * HOUR)
    return Measurement("search", span, "variance_ratio", reference, 1.0, 100, p_value)


class Life:
    """A stream that lives through windows of an hour, from midnight on."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.hour, self.rng = engine, 0, np.random.default_rng(0)
        register(engine, make_monitor(engine))

    def live(self, p_values, slo: Slo = SLO, *others: Slo, reference: str = "now") -> str:
        """What became of the windows with these p-values of the test's own, by their first letters."""
        monitor = make_monitor(self.engine, slos={"search": (slo, *others)})
        before = self.hour
        with self.engine.begin() as conn:
            for p_value in p_values:
                one = measured(self.hour, float(p_value), reference)
                partitions.ensure_month(conn, one.span.start)
                writes.record(conn, [one])
                for each in (slo, *others):
                    count(conn, monitor, each, Findings(monitor.stream, one.span, (one,)))
                self.hour += 1
            rows = reads.budgets(conn, "search", MIDNIGHT + before * HOUR, MIDNIGHT + self.hour * HOUR, slo=slo.name)
        return "".join(row.outcome.value[0].upper() for row in rows)

    def healthy(self, hours: int) -> np.ndarray:
        """P-values of a test that takes sessions for independent rows: right in their order, and far too small."""
        return self.rng.random(hours) ** 20

    def past(self, reference: str = "now") -> list[Past]:
        """What a window a hundred hours from now may be ranked among."""
        with self.engine.connect() as conn:
            return objectives.past(conn, SLO, measured(self.hour + 100, 0.5, reference), ["traffic"])

    def last(self) -> Conformal | None:
        with self.engine.connect() as conn:
            return max(
                reads.budgets(conn, "search", MIDNIGHT, MIDNIGHT + 9999 * HOUR, slo="traffic"), key=lambda b: b.span
            ).conformal

    def pages(self) -> list[reads.AlertRow]:
        with self.engine.connect() as conn:
            return [row for row in reads.alerts(conn) if row.alert.kind == "page"]


@pytest.fixture
def life(engine) -> Life:
    return Life(engine)


def test_the_tests_own_p_value_counts_until_there_are_enough_past_windows(life):
    """No gap: the first windows are judged, and the record says by what."""
    assert life.live([0.5, 0.01, 0.5]) == "GBG"
    assert life.last() == Conformal(None, 0, Hours.ANY)
    life.live([0.5] * 21)
    assert life.last() == Conformal(None, 19, Hours.ANY)  # those of the newest four hours may be of a change
    life.live([0.5])
    assert life.last() == Conformal(21 / 21, 20, Hours.ANY)


def test_dependent_windows_that_the_test_calls_bad_are_good_and_a_change_is_still_found(life):
    own = life.live(life.healthy(40))
    assert own.count("B") > 20
    assert life.live(life.healthy(40)).count("B") <= 8
    assert life.live([1e-60] * 4) == "BBBB"
    assert life.last().hours is Hours.ANY


def test_a_change_that_lasts_stays_bad_and_is_never_learned(life):
    """Neither before its alert can fire, when it is younger than what rules look back on, nor afterwards."""
    life.live(life.healthy(120))
    assert set(life.live(1e-60 * life.rng.random(80))) == {"B"}
    (page,) = [row for row in life.pages() if row.alert.resolved_at is None]
    assert "p-value by rank among" in page.annotations["calibration"]
    assert page.annotations["calibration"] in page.annotations["description"]


def test_nights_that_paged_before_are_learned_once_the_objective_is_calibrated(life):
    """Alerts that fired on the test's own p-values are what calibration is asked for, and do not stand in its way."""
    day = [0.5] * 16
    for _ in range(24):
        assert set(life.live(1e-12 * life.rng.random(8), PLAIN)) == {"B"}
        life.live(day, PLAIN)
    assert len(life.pages()) >= 20
    assert life.live(1e-12 * life.rng.random(8)).count("B") <= 2
    assert life.last().hours is Hours.OF_DAY
    assert life.live([1e-30]) == "B"  # nothing strange by night; by day it is
    assert life.last() == Conformal(1 / 25, 24, Hours.OF_DAY)


def test_windows_of_another_objectives_incident_are_not_learned(life):
    other = replace(PLAIN, name="spread", sli=Sli("variance_ratio", Quantity.P_VALUE, at_least=1e-6), alpha=Fraction(0))
    life.live(life.healthy(30), SLO, other)
    before = life.past()
    life.live([1e-50] * 10, SLO, other)
    life.live([0.5] * 10, SLO, other)
    learned = {one.p_value for one in life.past()} - {one.p_value for one in before}
    assert 1e-50 not in learned


def test_windows_that_were_measured_while_the_environment_drifted_are_learned(life):
    """It is this service that changed then, and not what it measured."""
    sli = Sli("variance_ratio", Quantity.P_VALUE, at_least=0.999)
    learned = []
    for name in ("environment", "spread"):
        life.live(life.healthy(60), SLO, replace(PLAIN, name=name, sli=sli, alpha=Fraction(0)))
        assert name in {row.alert.slo for row in life.pages()}
        learned.append(len(life.past()) - sum(learned))
    assert learned[0] > 50
    assert learned[1] < 10


def test_windows_against_another_reference_are_not_ranked_among(life):
    life.live([0.5] * 30, reference="before")
    life.live([0.5] * 30)
    assert len(life.past()) == len(life.past("before")) == 30
    life.live([0.5])
    assert life.last().windows == 26  # and not 56


def test_the_closest_hours_come_first_and_no_more_than_can_be_ranked(life, monkeypatch):
    life.live([0.5] * 72)
    monkeypatch.setattr(objectives, "RANKED", 5)
    with life.engine.connect() as conn:
        found = objectives.past(conn, SLO, measured(96, 0.5), [])
    assert [(one.start - MIDNIGHT) // HOUR for one in sorted(found, key=lambda one: one.start)] == [0, 24, 48, 70, 71]


def test_windows_without_a_verdict_are_counted_as_before(life):
    monitor = make_monitor(life.engine, slos={"search": (SLO,)})
    with life.engine.begin() as conn:
        count(conn, monitor, SLO, Findings(monitor.stream, measured(0, 0.5).span))
        (row,) = reads.budgets(conn, "search", MIDNIGHT, MIDNIGHT + DAY)
    assert (row.outcome, row.conformal) == (Outcome.MISSING, None)


def test_only_windows_judged_by_rank_say_whether_the_rank_keeps_its_level(life):
    life.live(life.healthy(40), PLAIN)
    life.live(life.healthy(40))
    with life.engine.connect() as conn:
        (found,) = objectives.calibrations(conn, now=MIDNIGHT + 80 * HOUR).values()
    assert found.windows in range(30, 41)  # less those of an alert that still fires as it begins
    assert not found.too_many


def test_charts_show_the_p_value_that_was_judged(life):
    life.live([0.4] * 24 + [0.2])
    with life.engine.connect() as conn:
        shown = views.thinned_measurements(conn, SLO, Span(MIDNIGHT, MIDNIGHT + 99 * HOUR), most=99)
        own = views.thinned_measurements(conn, PLAIN, Span(MIDNIGHT, MIDNIGHT + 99 * HOUR), most=99)
        thin = views.thinned_measurements(conn, SLO, Span(MIDNIGHT, MIDNIGHT + 25 * HOUR), most=4)
    assert [m.p_value for m in shown] == [0.4] * 24 + [1 / 21]
    assert [m.p_value for m in own] == [0.4] * 24 + [0.2]
    assert 1 / 21 in {m.p_value for m in thin}


def test_every_face_says_by_which_p_value_the_newest_window_was_judged(life):
    life.live([0.4] * 25)
    with life.engine.connect() as conn:
        (now,) = standings(conn, now=MIDNIGHT + DAY, lateness={})
        told = str(now.budget.conformal)
    assert told == "p-value by rank among 20 past healthy windows"
    assert StatusAnswer.of(now).judged_by == told
    assert status.as_rows([now])[0]["judged_by"] == told
    assert told in page.judged_by([now.budget])
    assert page.judged_by([replace(now.budget, conformal=None)]) == page.judged_by([]) == ""
    assert as_judged(SLO, measured(24, 0.4), now.budget).p_value == now.budget.conformal.p_value == 1.0
    assert as_judged(SLO, measured(23, 0.4), now.budget) is None
    assert as_judged(PLAIN, measured(23, 0.4), now.budget).p_value == 0.4


def test_the_dashboard_holds_a_window_against_its_rank_wherever_it_lies(life):
    """Also among others of its stretch, and where windows without data have been counted since."""
    life.live([0.4] * 24 + [0.01])  # bad by itself, were it not for the past: 1 of 21
    life.live([0.2] * 2)
    bound = replace(SLO, sli=replace(SLI, at_least=0.045))  # 1 / 21 is above it, .01 is not
    day = Span(MIDNIGHT, MIDNIGHT + 25 * HOUR)
    with life.engine.begin() as conn:
        found = matrix.pair(conn, "search", Span(MIDNIGHT, MIDNIGHT + HOUR), day, (bound,))
        newest = views.latest_measurements(conn, [("search", "variance_ratio")])
        slots = views.slots(conn, unjudged(newest, [bound]))
        rows = reads.latest_budgets(conn)
    apart = matrix.Matrix(HOUR, (MIDNIGHT, MIDNIGHT + HOUR), (9, 9), np.zeros((2, 2)))
    shown = pairs.compared(apart, 0, 1, found, (bound,))
    assert '<span class="off">' not in shown
    assert "0.0476" in shown
    assert "0.4" in shown  # of the first window the test's own was judged: it has no past
    silent = [replace(row, span=Span(row.span.end, row.span.end + HOUR), conformal=None) for row in rows]
    row = StreamRow(Stream("search", "encoder", "1", 4), "", None)
    fleet = Fleet(MIDNIGHT + 30 * HOUR, (row,), tuple(silent), (), tuple(newest), (), 0, slots=tuple(slots))
    declared = Declared({}, {"search": {"traffic": bound}}, AccessConfig())
    (line,) = lines(fleet, declared)
    assert line.number == slots[0].conformal.p_value != newest[0].p_value
    (bare,) = lines(replace(fleet, measurements=(), slots=()), declared)
    assert measured_lines([bare], Newest(tuple(newest), (), tuple(slots)))[0].number == line.number
    assert "not judged yet" in markup.number_cell(measured_lines([bare], Newest(tuple(newest)))[0])
