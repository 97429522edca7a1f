"""Objectives in the configuration file, and those that every detector has by default."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drift.config.rules import Rules
from drift.config.values import Duration, Ratio
from drift.records import CANARY, CANARY_PROBE, ENVIRONMENT, parse_name
from drift.slo import BudgetingMethod, Quantity, Sli, Slo, default_rules
from drift.slo.fleet_budget import Share

EFFECTS: Final = ("joint", "mean_shift")
"""Detectors whose value is the size of a change, 0 where nothing has changed."""

LEAST_EFFECT: Final = {"joint": 0.01}
"""How large a change must be to matter, by default.

`mean_shift` has no such minimum. Its value is a squared distance, so a minimum of 1 % would be 0.0001; against 60,000
reference rows that lets 3 of 10 merged windows of 9216 rows through in which 2 % of the rows are of a topic 0.4
standard deviations off, all of them significant. Such slow drift is what merged windows are for.
"""


GOOD_SHARES: Final = ("valid_ratio", "probe", "refit_probe", "knn_probe", "recall")
BAD_SHARES: Final = ("novelty", "skew")
"""Detectors whose value is the share of rows that are good, or bad: what `Occurrences` can count."""


EXACT: Final = ("mean_shift", "novelty", "probe", "knn_probe", "recall")
"""Tests whose p-values come of a law and may be as small as they like; those of others come of up to 1000 draws."""

ASKED_FOR: Final = ("classifier", "context_mmd", "energy", "ks", "lsdd", "mmd_fuse", "sliced_wasserstein")
"""Two-sample tests that nobody gets who does not ask for them."""

CONTEXT: Final = ("estimated_accuracy",)
"""Estimates that are shown beside what was measured, and on which there is no objective."""

SURE: Final = Fraction("0.99")
"""The target where a bad window is a fact and no chance: three of five minutes page, where 95 % would wait for nine."""


class SloConfig(BaseModel):
    """An objective: the share of good windows over `period` is at least `target`.

    A window is good when the detector's value, or its p-value, is within the bounds. `alpha` is the share of windows
    that the detector calls bad when nothing is wrong; where a p-value is judged it is that bound, and may be less only
    where `effect_at_least` is written beside it. That says how large a change must be to matter, in the unit of the
    detector's value: a window whose interval lies below is good whatever its p-value. For `joint` it is 0.01
    (equivalent to 1 % of foreign rows) unless another is given; 0 asks for none. `calibrate: windows` holds not the
    p-value against its bound but its rank among those of past healthy windows of the same hour: for rows that are
    dependent, or traffic that changes by the clock. `retrain` asks the webhooks for a new model when the objective
    pages.

    `budgeting_method: Occurrences` counts not good windows but good rows or answers, summed over windows; then `target`
    is all that says what is good, and `alpha` is the share of rows that is bad when nothing is wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    detector: str
    value_at_least: float | None = None
    value_at_most: float | None = None
    p_value_at_least: float | None = Field(default=None, gt=0, lt=1)
    effect_at_least: float | None = Field(default=None, ge=0)
    calibrate: Literal["windows"] | None = None
    budgeting_method: BudgetingMethod = BudgetingMethod.TIMESLICES
    target: Ratio = Fraction("0.95")
    period: Duration = timedelta(days=30)
    alpha: Ratio | None = None
    rules: Rules = []
    streams: list[str] = []
    retrain: bool = True

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        by_value = self.value_at_least is not None or self.value_at_most is not None
        if self.budgeting_method is BudgetingMethod.OCCURRENCES:
            self._require_events(bounded=by_value or self.p_value_at_least is not None)
        elif by_value == (self.p_value_at_least is not None):
            raise ValueError(
                f"objective {self.name!r} must say what is good: either `p_value_at_least`, "
                "or `value_at_least` and/or `value_at_most`"
            )
        return self

    def _require_events(self, *, bounded: bool) -> None:
        """Refuse Occurrences of what has none, or of what is judged by the window.

        Raises:
            ValueError: it says so, and what would be right.
        """
        if self.detector not in (*GOOD_SHARES, *BAD_SHARES):
            raise ValueError(
                f"objective {self.name!r} counts Occurrences, and {self.detector} does not say of each row whether it "
                f"is good: use {', '.join((*GOOD_SHARES, *BAD_SHARES))}, or Timeslices"
            )
        if bounded:
            raise ValueError(
                f"objective {self.name!r} counts Occurrences, good rows of all, and bounds the window's number: leave "
                "`value_at_least`, `value_at_most` and `p_value_at_least` out, `target` says which share must be good"
            )

    @model_validator(mode="after")
    def _calibrated_test(self) -> Self:
        if self.calibrate and self.p_value_at_least is None:
            raise ValueError(
                f"objective {self.name!r} has `calibrate: windows` and judges the value itself: it ranks p-values, so "
                "use it beside `p_value_at_least`"
            )
        return self

    @model_validator(mode="after")
    def _effect_of_a_test(self) -> Self:
        if self.effect_at_least is not None and self.p_value_at_least is None:
            raise ValueError(
                f"objective {self.name!r} has `effect_at_least` and judges the value itself: use it beside "
                "`p_value_at_least`, or let `value_at_most` say how large a change may be"
            )
        if self.effect_at_least is not None and parse_name(self.detector)[0] not in EFFECTS:
            raise ValueError(
                f"objective {self.name!r} has `effect_at_least`, and the value of {self.detector} is not the size of a "
                f"change: leave it out, or use {' or '.join(EFFECTS)}"
            )
        return self

    @model_validator(mode="after")
    def _alpha_of_a_test(self) -> Self:
        if self.alpha is None or self.p_value_at_least is None:
            return self
        # A default least effect is no reason for fewer: in windows of the usual size no interval lies below it.
        if self.alpha < Fraction(str(self.p_value_at_least)) and not self.effect_at_least:
            raise ValueError(
                f"objective {self.name!r} has alpha {float(self.alpha):g}, and when nothing is wrong a test gives "
                f"p-values below {self.p_value_at_least:g} in {self.p_value_at_least:g} of windows: leave `alpha` out, "
                f"or lower `p_value_at_least` to {float(self.alpha):g}"
            )
        return self

    @property
    def sli(self) -> Sli:
        if self.p_value_at_least is not None:
            least = LEAST_EFFECT.get(self.detector) if self.effect_at_least is None else self.effect_at_least
            return Sli(
                self.detector,
                Quantity.P_VALUE,
                self.p_value_at_least,
                effect_at_least=least or None,
                calibrated=self.calibrate == "windows",
            )
        if self.budgeting_method is BudgetingMethod.OCCURRENCES:
            if self.detector in GOOD_SHARES:
                return Sli(self.detector, at_least=float(self.target))
            return Sli(self.detector, at_most=float(1 - self.target))
        return Sli(self.detector, Quantity.VALUE, self.value_at_least, self.value_at_most)

    def share(self, slo: Slo) -> Share | None:
        """What `slo`, this objective of a stream, adds to false pages by chance; None where that is not known.

        A p-value's bound may be lowered as far as the test can tell; an `alpha` that is stated is what it is.
        """
        if not slo.alpha or slo.method is BudgetingMethod.OCCURRENCES:
            return None
        if self.p_value_at_least is None or self.alpha is not None:
            return Share(slo)
        finest = Fraction("0.0001") if parse_name(self.detector)[0] in EXACT else Fraction("0.002")
        return Share(slo, min(finest, slo.alpha))

    def slo(self, stream: str, window: timedelta) -> Slo:
        """This objective for the stream of that key, whose windows are as long as `window`."""
        by_test = Fraction(0) if self.p_value_at_least is None else Fraction(str(self.p_value_at_least))
        windows = parse_name(self.detector)[1]
        return Slo(
            self.name,
            stream,
            self.sli,
            self.target,
            windows * window,
            self.period,
            self.alpha or by_test,
            tuple(rule.rule for rule in self.rules) or default_rules(self.period),
            self.retrain,
            windows,
            self.budgeting_method,
        )


_DEFAULTS = (
    SloConfig(name="traffic", detector="joint", p_value_at_least=0.005),
    SloConfig(name="traffic", detector="mmd", p_value_at_least=0.005),
    *(SloConfig(name=name.replace("_", "-"), detector=name, p_value_at_least=0.005) for name in ASKED_FOR),
    SloConfig(name="onset", detector="online", p_value_at_least=0.005),
    SloConfig(name="novelty", detector="novelty", p_value_at_least=0.005),
    SloConfig(name="rank", detector="effective_rank", value_at_least=0.85, value_at_most=1.2),
    SloConfig(name="spread", detector="variance_ratio", value_at_least=0.9, value_at_most=1.1),
    SloConfig(name="probe", detector="probe", p_value_at_least=0.005),
    SloConfig(name="refit-probe", detector="refit_probe", p_value_at_least=0.005),
    SloConfig(name="knn-probe", detector="knn_probe", p_value_at_least=0.005),
    SloConfig(name="recall", detector="recall", p_value_at_least=0.005),
    SloConfig(name="skew", detector="skew", value_at_most=0.02, target=SURE, retrain=False),
    SloConfig(name=ENVIRONMENT, detector=ENVIRONMENT, value_at_most=0.02, retrain=False),
    SloConfig(name="canary", detector=CANARY, value_at_most=0.02, target=SURE, retrain=False),
    SloConfig(name="canary-probe", detector=CANARY_PROBE, p_value_at_least=0.005, retrain=False),
    SloConfig(name="duplicates", detector="duplicates", value_at_most=0.1, retrain=False),
    SloConfig(name="precision", detector="quantised", value_at_most=0.02, retrain=False),
    SloConfig(name="valid", detector="valid_ratio", value_at_least=0.99, retrain=False),
)


def default_slos(measured: Sequence[str]) -> list[SloConfig]:
    """The objectives that a stream has without writing any, one for each of the names in `measured`.

    `mmd` has one where `joint`, which contains it, is not there. Single windows have none for `mean_shift`, which
    `joint` contains as well; slow drift shows in merged ones. Two bad slots of those page, so their bound is lower.
    """
    found = {slo.name: slo for slo in reversed(_DEFAULTS) if slo.detector in measured}
    slow = [
        SloConfig(name=f"slow-drift-x{windows}", detector=name, p_value_at_least=0.001)
        for name in measured
        if (windows := parse_name(name)[1]) > 1
    ]
    return [slo for slo in _DEFAULTS if slo in found.values()] + slow
