"""Burn-rate rules in configuration files."""

from collections import Counter
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from drift.config.values import Duration, Factor
from drift.records.durations import format_duration
from drift.slo import LEAST_PAGE, BurnRateRule, Severity


class RuleConfig(BaseModel):
    """How fast is too fast: a burn of `factor` budgets a period over both look-backs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    severity: Severity
    factor: Factor
    long: Duration
    short: Duration
    horizon: Duration | None = None

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Self:
        if self.short > self.long:
            short, long = format_duration(self.short), format_duration(self.long)
            raise ValueError(
                f"rule {self.name!r} has a short look-back of {short} and a long one of {long}: the short one says "
                f"whether it goes on, and may be at most {long}"
            )
        return self

    @model_validator(mode="after")
    def _beyond_the_gate(self) -> Self:
        if self.severity is Severity.PAGE and self.factor < LEAST_PAGE:
            raise ValueError(
                f"rule {self.name!r} pages at a factor of {float(self.factor):g}, and no page is told below "
                f"{LEAST_PAGE}: write {LEAST_PAGE}, or let it be a ticket"
            )
        return self

    @property
    def rule(self) -> BurnRateRule:
        return BurnRateRule(self.name, self.severity, self.factor, self.long, self.short, self.horizon)


def _some_told_apart(rules: list[RuleConfig]) -> list[RuleConfig]:
    if not rules:
        raise ValueError("without rules nobody is told of anything: leave `rules` out for those of the default")
    twice = [name for name, times in Counter(rule.name for rule in rules).items() if times > 1]
    if twice:
        raise ValueError(
            f"several rules are called {twice[0]!r}: alerts name the rule that fired, so give each a name of its own"
        )
    return rules


Rules = Annotated[list[RuleConfig], AfterValidator(_some_told_apart)]
