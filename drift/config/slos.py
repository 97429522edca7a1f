"""Objectives in the configuration file, and those that every detector has by default."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drift.config.values import Duration, Factor, Ratio
from drift.records import parse_name
from drift.slo import RULES, BurnRateRule, Quantity, Severity, Sli, Slo


class RuleConfig(BaseModel):
    """How fast is too fast: a burn of `factor` budgets a period over both look-backs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    severity: Severity
    factor: Factor
    long: Duration
    short: Duration
    horizon: Duration | None = None

    @property
    def rule(self) -> BurnRateRule:
        return BurnRateRule(self.name, self.severity, self.factor, self.long, self.short, self.horizon)


class SloConfig(BaseModel):
    """An objective: the share of good windows over `period` is at least `target`.

    A window is good when the detector's value, or its p-value, is within the bounds. `alpha` is the share of windows
    that the detector calls bad when nothing is wrong; where a p-value is judged it is that bound. `retrain` asks the
    webhooks for a new model when the objective pages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    detector: str
    value_at_least: float | None = None
    value_at_most: float | None = None
    p_value_at_least: float | None = Field(default=None, gt=0, lt=1)
    target: Ratio = Fraction("0.95")
    period: Duration = timedelta(days=30)
    alpha: Ratio | None = None
    rules: list[RuleConfig] = []
    streams: list[str] = []
    retrain: bool = True

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        by_value = self.value_at_least is not None or self.value_at_most is not None
        if by_value == (self.p_value_at_least is not None):
            raise ValueError(
                f"objective {self.name!r} must say what is good: either `p_value_at_least`, "
                "or `value_at_least` and/or `value_at_most`"
            )
        return self

    @property
    def sli(self) -> Sli:
        if self.p_value_at_least is not None:
            return Sli(self.detector, Quantity.P_VALUE, at_least=self.p_value_at_least)
        return Sli(self.detector, Quantity.VALUE, self.value_at_least, self.value_at_most)

    def slo(self, stream: str, interval: timedelta) -> Slo:
        """This objective for the stream of that key, in slots of `interval`."""
        by_test = Fraction(0) if self.p_value_at_least is None else Fraction(str(self.p_value_at_least))
        rules = tuple(rule.rule for rule in self.rules) or RULES
        return Slo(
            self.name, stream, self.sli, self.target, interval, self.period, self.alpha or by_test, rules, self.retrain
        )


_DEFAULTS = (
    SloConfig(name="traffic", detector="joint", p_value_at_least=0.005),
    SloConfig(name="traffic", detector="mmd", p_value_at_least=0.005),
    SloConfig(name="sliced-wasserstein", detector="sliced_wasserstein", p_value_at_least=0.005),
    SloConfig(name="classifier", detector="classifier", p_value_at_least=0.005),
    SloConfig(name="ks", detector="ks", p_value_at_least=0.005),
    SloConfig(name="onset", detector="online", p_value_at_least=0.005),
    SloConfig(name="novelty", detector="novelty", p_value_at_least=0.005),
    SloConfig(name="rank", detector="effective_rank", value_at_least=0.85, value_at_most=1.2),
    SloConfig(name="spread", detector="variance_ratio", value_at_least=0.9, value_at_most=1.1),
    SloConfig(name="probe", detector="probe", p_value_at_least=0.005),
    SloConfig(name="skew", detector="skew", value_at_most=0.02, retrain=False),
    SloConfig(name="valid", detector="valid_ratio", value_at_least=0.99, retrain=False),
)


def default_slos(measured: Sequence[str]) -> list[SloConfig]:
    """The objectives that a stream has without writing any, one for each of the names in `measured`.

    `mmd` has one where `joint`, which contains it, is not there. Single windows have none for `mean_shift`, which
    `joint` contains as well; slow drift shows in merged ones.
    """
    found = {slo.name: slo for slo in reversed(_DEFAULTS) if slo.detector in measured}
    slow = [
        SloConfig(name=f"slow-drift-x{windows}", detector=name, p_value_at_least=0.005)
        for name in measured
        if (windows := parse_name(name)[1]) > 1
    ]
    return [slo for slo in _DEFAULTS if slo in found.values()] + slow
