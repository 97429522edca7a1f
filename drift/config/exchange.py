"""Objectives of the configuration file to OpenSLO and back."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from drift.config.model import Config
from drift.config.openslo import (
    VERSION,
    Indicator,
    IndicatorSpec,
    Metadata,
    Metric,
    MetricSource,
    Objective,
    SloDocument,
    Spec,
    TimeWindow,
    shorthand,
)
from drift.config.policy import ALPHA, RETRAIN, RULES, policy_of
from drift.config.read import in_words
from drift.config.slos import SloConfig, default_slos
from drift.errors import ConfigError
from drift.slo import BudgetingMethod

_BOUNDS = {
    ("gte", "p_value"): "p_value_at_least",
    ("gte", "value"): "value_at_least",
    ("lte", "value"): "value_at_most",
}


def exported(config: Config) -> Iterator[SloDocument]:
    """An SLO for each objective of each stream; segments have those of their stream.

    Raises:
        ConfigError: OpenSLO cannot say how long a slot is.
    """
    for stream in config.streams:
        canary = [stream.canary_stream] if stream.canary_stream else []
        found = ((part, one) for part in (stream.stream, *canary) for one in config.objectives_of(stream, part))
        for own, objective in found:
            slo = objective.slo(own.key, stream.slot_of(own))
            for length in (slo.interval, slo.period):
                _require_shorthand(f"objective {objective.name!r} of {stream.id!r}", length)
            yield _document(objective, stream.id, slo.interval)


def _require_shorthand(what: str, length: timedelta) -> None:
    """Refuse a length that OpenSLO cannot say.

    Raises:
        ConfigError: it cannot.
    """
    try:
        shorthand(length)
    except ValueError as error:
        raise ConfigError(f"{what}: {error}") from None


def _document(slo: SloConfig, stream: str, interval: timedelta) -> SloDocument:
    bounds = {key: value for key in _BOUNDS.values() if (value := getattr(slo, key)) is not None}
    spec: dict[str, object] = {"detector": slo.detector}
    op, value = None, None
    slices = slo.budgeting_method is BudgetingMethod.TIMESLICES
    if len(bounds) == 1:
        (op, quantity), value = next((said, bounds[key]) for said, key in _BOUNDS.items() if key in bounds)
        spec["quantity"] = quantity
    else:
        spec |= bounds  # an objective of OpenSLO has one value
    more = {"effect_at_least": slo.effect_at_least, "calibrate": slo.calibrate}
    spec |= {key: word for key, word in more.items() if word is not None}
    metric = Metric(metric_source=MetricSource(type="drift", spec=spec))
    name = _name(f"{stream}-{slo.name}")
    return SloDocument(
        api_version=VERSION,
        kind="SLO",
        metadata=Metadata(name=name, display_name=slo.name, annotations=_annotations(slo) or None),
        spec=Spec(
            service=stream,
            indicator=Indicator(metadata=Metadata(name=name), spec=IndicatorSpec(threshold_metric=metric)),
            time_window=[TimeWindow(duration=slo.period, is_rolling=True)],
            budgeting_method=slo.budgeting_method,
            objectives=[
                Objective(
                    op=op,
                    value=value,
                    target=slo.target,
                    time_slice_target=1.0 if slices else None,
                    time_slice_window=interval if slices else None,
                )
            ],
        ),
    )


def _annotations(slo: SloConfig) -> dict[str, str]:
    found = {}
    if slo.alpha is not None:
        found[ALPHA] = f"{float(slo.alpha):g}"
    if not slo.retrain:
        found[RETRAIN] = "false"
    if slo.rules:
        found[RULES] = json.dumps([rule.model_dump(mode="json", exclude_none=True) for rule in slo.rules])
    return found


def _name(words: str) -> str:
    """As RFC 1123 wants names: letters, digits and hyphens, 63 at most."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:63].strip("-")


def imported(path: Path, found: list[SloDocument]) -> list[SloConfig]:
    """The objectives that the SLOs of `path` are; those that differ in their service alone are one, of several streams.

    Left out are those that every detector has by default.

    Raises:
        ConfigError: an indicator is none that drift measures, or two SLOs have one name.
    """
    merged: dict[str, SloConfig] = {}
    for document in found:
        slo = _objective(path, document)
        same = merged.get(slo.name)
        if _everywhere(slo) in default_slos([slo.detector]):
            continue
        if same is None:
            merged[slo.name] = slo
        elif _everywhere(same) == _everywhere(slo):
            merged[slo.name] = same.model_copy(update={"streams": [*same.streams, *slo.streams]})
        else:
            raise ConfigError(f"{path}:1: there are two SLOs {slo.name!r} that differ: give one another displayName")
    return list(merged.values())


def _everywhere(slo: SloConfig) -> SloConfig:
    return slo.model_copy(update={"streams": []})


def _objective(path: Path, document: SloDocument) -> SloConfig:
    spec, name = document.spec, document.metadata.display_name or document.metadata.name
    metric = spec.indicator.spec.threshold_metric if spec.indicator else None
    if metric is None or metric.metric_source.type != "drift":
        raise ConfigError(
            f"{path}:1: SLO {name!r}: drift measures what its detectors do: needed is a `thresholdMetric` with "
            "`metricSource: {type: drift, spec: {detector: joint, quantity: p_value}}`"
        )
    said = dict(metric.metric_source.spec)
    quantity, (goal,) = said.pop("quantity", "value"), spec.objectives
    if goal.op is not None:
        if (key := _BOUNDS.get((goal.op, str(quantity)))) is None:
            raise ConfigError(
                f"{path}:1: SLO {name!r}: `op: {goal.op}` of a {quantity} is no bound that drift has: write gte, "
                "or lte of a value"
            )
        said[key] = goal.value
    if goal.time_slice_target not in {None, 1}:
        raise ConfigError(
            f"{path}:1: SLO {name!r}: `timeSliceTarget: {goal.time_slice_target:g}`: a slot of drift is good or bad "
            "as a whole, by the number that its detector gives: write 1, or leave it out"
        )
    policy = policy_of(path, document)
    said |= {"name": name, "target": policy.target, "period": policy.period, "alpha": policy.alpha}
    said |= {"rules": policy.rules} if policy.rules else {}
    said |= {"streams": [spec.service] if spec.service else []}
    said |= {"retrain": document.metadata.note(RETRAIN) != "false", "budgeting_method": spec.budgeting_method}
    try:
        return SloConfig.model_validate(said)
    except ValidationError as error:
        raise ConfigError(f"{path}:1: SLO {name!r}: {in_words(error.errors()[0], SloConfig)}") from None
