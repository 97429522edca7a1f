"""OpenSLO v1 documents of kind SLO, as far as drift means the same by them.

What OpenSLO has no words for is said in annotations (`drift/alpha`, `drift/retrain`, and `drift/rules`: an alert
condition has one look-back) and in the metric source's own `spec` (the detector, and bounds where there are two).
"""

import re
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator
from pydantic.alias_generators import to_camel

from drift.config.read import documents, read
from drift.config.values import Ratio, format_duration, parse_duration, parse_ratio
from drift.errors import ConfigError
from drift.slo import BudgetingMethod

VERSION: Final = "openslo/v1"
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_shorthand(value: object) -> timedelta:
    """An OpenSLO duration such as `5m` or `30d`; bare numbers are minutes.

    Raises:
        ValueError: it is not one, or is as long as a calendar makes it (`1M`).
    """
    if isinstance(value, timedelta):
        return value
    text = f"{value}m" if re.fullmatch(r"\d+", str(value)) else str(value)
    if re.fullmatch(r"\d+[MQY]", text):
        raise ValueError(f"{text!r} is as long as the calendar makes it: write a number of days, such as 30d")
    return parse_duration(text)


def shorthand(length: timedelta) -> str:
    """`length` as OpenSLO writes it: one number, one unit.

    Raises:
        ValueError: it is not a whole number of minutes.
    """
    for unit in ("d", "h", "m"):
        if not length % _UNITS[unit]:
            return f"{length // _UNITS[unit]}{unit}"
    raise ValueError(f"OpenSLO counts whole minutes, and {format_duration(length)} is none")


Shorthand = Annotated[timedelta, BeforeValidator(parse_shorthand), PlainSerializer(shorthand, return_type=str)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Metadata(_Model):
    """What a document is called."""

    name: str
    display_name: str | None = None
    labels: dict[str, object] | None = None
    annotations: dict[str, str] | None = None

    def note(self, name: str) -> str | None:
        """The annotation of that name."""
        return (self.annotations or {}).get(name)


class MetricSource(_Model):
    """Where a metric comes from; of type `drift` it names a detector and what is judged."""

    metric_source_ref: str | None = None
    type: str = ""
    spec: dict[str, object] = {}


class Metric(_Model):
    """One number, held against the value of an objective."""

    metric_source: MetricSource


class IndicatorSpec(_Model):
    """What is measured. Ratios are read, so that such an objective can be simulated; drift does not measure them."""

    description: str | None = None
    threshold_metric: Metric | None = None
    ratio_metric: dict[str, object] | None = None


class Indicator(_Model):
    """An indicator, in its place or in a document of its own."""

    api_version: str | None = None
    kind: Literal["SLI"] | None = None
    metadata: Metadata
    spec: IndicatorSpec


class TimeWindow(_Model):
    """Over which time the promise is kept."""

    duration: Shorthand
    is_rolling: bool = False
    calendar: dict[str, object] | None = None

    @model_validator(mode="after")
    def _rolling(self) -> Self:
        if not self.is_rolling or self.calendar:
            raise ValueError("drift's periods roll: write `isRolling: true`, and no `calendar`")
        return self


class Objective(_Model):
    """How much is promised, in slices of which length, and which number makes a slice good."""

    display_name: str | None = None
    op: Literal["lte", "gte", "lt", "gt"] | None = None
    value: float | None = None
    target: Ratio | None = None
    target_percent: Annotated[float, Field(gt=0, lt=100)] | None = None
    time_slice_target: float | None = None
    time_slice_window: Shorthand | None = None

    @property
    def share(self) -> Fraction:
        """The share of slices that must be good."""
        return self.target or parse_ratio(Fraction(str(self.target_percent)) / 100)

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.target is None) == (self.target_percent is None):
            raise ValueError("an objective needs either `target` or `targetPercent`")
        return self


class Spec(_Model):
    """What an SLO says."""

    description: str | None = None
    service: str = ""
    indicator: Indicator | None = None
    indicator_ref: str | None = None
    time_window: Annotated[list[TimeWindow], Field(min_length=1, max_length=1)]
    budgeting_method: BudgetingMethod
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=1)]
    alert_policies: list[object] | None = None

    @field_validator("budgeting_method", mode="before")
    @classmethod
    def _known(cls, method: object) -> object:
        if method not in list(BudgetingMethod):
            raise ValueError(
                f"budgetingMethod {method!r}: drift counts good slices of time or good events: write Timeslices, with "
                "a `timeSliceWindow`, or Occurrences"
            )
        return method

    @model_validator(mode="after")
    def _slices(self) -> Self:
        if self.budgeting_method is BudgetingMethod.TIMESLICES and self.objectives[0].time_slice_window is None:
            raise ValueError("Timeslices need a `timeSliceWindow`, such as 5m")
        return self


class SloDocument(_Model):
    """A document of kind SLO."""

    api_version: Literal["openslo/v1"]
    kind: Literal["SLO"]
    metadata: Metadata
    spec: Spec


def read_documents(path: Path) -> list[SloDocument]:
    """The SLOs in `path`, each with its indicator in its place; documents of other kinds are passed over.

    Raises:
        ConfigError: with one line for each fault, among them that there is none.
    """
    roots = [(root, _kind(root)) for root in documents(path)]
    slis = [read(path, root, Indicator)[0] for root, kind in roots if kind == "SLI"]
    known = {sli.metadata.name: sli for sli in slis}
    found = [read(path, root, SloDocument)[0] for root, kind in roots if kind == "SLO"]
    if not found:
        raise ConfigError(f"{path}:1: there is no document of kind SLO in it")
    return [_resolved(path, slo, known) for slo in found]


def _kind(root: yaml.MappingNode) -> str:
    named = {key.value: value.value for key, value in root.value if isinstance(value, yaml.ScalarNode)}
    return str(named.get("kind", ""))


def _resolved(path: Path, slo: SloDocument, known: dict[str, Indicator]) -> SloDocument:
    name = slo.spec.indicator_ref
    if name is None:
        return slo
    if name not in known:
        raise ConfigError(
            f"{path}:1: SLO {slo.metadata.name!r} refers to the indicator {name!r}, which is not in the file: add the "
            "document of kind SLI to it"
        )
    spec = slo.spec.model_copy(update={"indicator": known[name], "indicator_ref": None})
    return slo.model_copy(update={"spec": spec})
