"""How much a candidate may differ: the limits of each check, as a YAML file may set them."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Verdict(StrEnum):
    """What a check, or all of them, come to."""

    PASS = "pass"  # noqa: S105  (a verdict)
    WARN = "warn"
    FAIL = "fail"


class Least(BaseModel):
    """What a number should reach: below `warn` is a warning, below `fail` a failure; null never is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warn: Number | None
    fail: Number | None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn is not None and self.fail is not None and self.fail > self.warn:
            raise ValueError(f"`fail` {self.fail:g} is above `warn` {self.warn:g}: more should be needed to pass")
        return self

    def judge(self, value: float) -> Verdict:
        """The verdict on `value`. What is not a number fails where anything can."""
        if self.fail is not None and not value >= self.fail:
            return Verdict.FAIL
        return Verdict.WARN if self.warn is not None and not value >= self.warn else Verdict.PASS


class Most(BaseModel):
    """What a number should not exceed: above `warn` is a warning, above `fail` a failure; null never is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warn: Number | None
    fail: Number | None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn is not None and self.fail is not None and self.fail < self.warn:
            raise ValueError(f"`fail` {self.fail:g} is below `warn` {self.warn:g}: more should be needed to fail")
        return self

    def judge(self, value: float) -> Verdict:
        """The verdict on `value`. What is not a number fails where anything can."""
        if self.fail is not None and not value <= self.fail:
            return Verdict.FAIL
        return Verdict.WARN if self.warn is not None and not value <= self.warn else Verdict.PASS


class Thresholds(BaseModel):
    """The limits of each check. By default: those of a candidate that should be the baseline in all but name, such as
    another precision, runtime or library. For a new model set those that it need not meet to null.

    Ratios are candidate / baseline. `coverage` is the share of inputs that have both vectors, `lengths` the share of
    vectors more than 1 % longer or shorter, `compatibility` the recall@k of new queries on the old index, `overlap`
    the share of the k nearest neighbours that stay, `accuracy_loss` a difference of shares, `capitals` the share of
    inputs of the same tokens that have the same in capitals too. Segments of fewer than `segment_rows` rows are not
    judged by themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    coverage: Least = Least(warn=1.0, fail=0.99)
    lengths: Most = Most(warn=0.0, fail=0.01)
    compatibility: Least = Least(warn=0.95, fail=0.9)
    overlap: Least = Least(warn=0.95, fail=0.9)
    cka: Least = Least(warn=0.99, fail=0.97)
    procrustes_residual: Most = Most(warn=0.01, fail=0.05)
    accuracy_loss: Most = Most(warn=0.01, fail=0.02)
    effective_rank: Least = Least(warn=0.95, fail=0.8)
    anisotropy: Most = Most(warn=1.2, fail=2.0)
    capitals: Least = Least(warn=1.0, fail=0.99)
    latency: Most = Most(warn=1.5, fail=None)
    size: Most = Most(warn=1.5, fail=None)
    segment_rows: int = Field(default=50, ge=16)
