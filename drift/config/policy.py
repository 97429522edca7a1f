"""An objective by itself, without a stream: what `drift slo` tries out."""

import json
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from drift.config.openslo import SloDocument, read_documents
from drift.config.read import documents, has, in_words, read
from drift.config.rules import RuleConfig, Rules
from drift.config.slos import SloConfig
from drift.config.values import Duration, Ratio, parse_ratio
from drift.errors import ConfigError
from drift.slo import BudgetingMethod, Sli, Slo, default_rules

OURS: Final = "drift/"
ALPHA, RETRAIN, RULES = f"{OURS}alpha", f"{OURS}retrain", f"{OURS}rules"
"""Annotations of OpenSLO documents."""
SLOT: Final = timedelta(minutes=5)
_RULES: Final = TypeAdapter(Rules)


class PolicyConfig(BaseModel):
    """How much is promised over which period, how long a slot is, and how fast is too fast; names are those of `slos`.

    `alpha` is the share of slots that is bad when nothing is wrong; of events, where those are counted. A slot is of
    `windows` windows, more than one where they are measured together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "slo"
    target: Ratio = Fraction("0.95")
    period: Duration = timedelta(days=30)
    interval: Duration = SLOT
    alpha: Ratio | None = None
    budgeting_method: BudgetingMethod = BudgetingMethod.TIMESLICES
    rules: Rules = []
    windows: int = Field(default=1, ge=1)

    def slo(self, stream: str = "") -> Slo:
        """The objective, of a stream of that key."""
        rules = tuple(rule.rule for rule in self.rules) or default_rules(self.period)
        alpha = self.alpha or Fraction(0)
        method = self.budgeting_method
        terms = (self.target, self.interval, self.period, alpha, rules)
        return Slo(self.name, stream, Sli(self.name), *terms, windows=self.windows, method=method)


def load_policy(path: Path) -> PolicyConfig:
    """The objective in the file `path`: the keys of `PolicyConfig`, an entry of `slos`, or an OpenSLO document.

    Whatever it measures. An entry of `slos` does not say how long a window is, and gets 5 minutes.

    Raises:
        ConfigError: with one line for each fault.
    """
    found = documents(path)
    if any(has(root, "apiVersion") for root in found):
        slos = read_documents(path)
        if len(slos) > 1:
            names = ", ".join(slo.metadata.name for slo in slos)
            raise ConfigError(f"{path}:1: needs one SLO, here are {names}")
        return policy_of(path, slos[0])
    if any(has(root, "streams") and not has(root, "detector") for root in found):
        raise ConfigError(
            f"{path}:1: is a whole configuration: a file with one objective is needed here, such as "
            "`{target: 0.95, period: 30d, interval: 5m, alpha: 0.01}`"
        )
    if len(found) != 1:
        raise ConfigError(f"{path}:1: needs one objective, here are {len(found)} documents")
    if has(found[0], "detector"):
        return _policy_of_entry(read(path, found[0], SloConfig)[0])
    return read(path, found[0], PolicyConfig)[0]


def _policy_of_entry(entry: SloConfig) -> PolicyConfig:
    slo = entry.slo("", SLOT)
    return PolicyConfig(
        name=entry.name,
        target=entry.target,
        period=entry.period,
        interval=slo.interval,
        alpha=slo.alpha or None,
        budgeting_method=entry.budgeting_method,
        windows=slo.windows,
        **({"rules": entry.rules} if entry.rules else {}),
    )


def policy_of(path: Path, document: SloDocument) -> PolicyConfig:
    """What is promised, whatever the indicator is.

    Raises:
        ConfigError: an annotation of ours is not known, or cannot be read.
    """
    spec, notes = document.spec, document.metadata.annotations or {}
    (goal,), (window,) = spec.objectives, spec.time_window
    said: dict[str, object] = {}
    for name, note in notes.items():
        try:
            said |= _said(name, note) if name.startswith(OURS) else {}
        except ValueError as error:
            raise ConfigError(f"{path}:1: SLO {document.metadata.name!r}: annotation {name}: {error}") from None
    return PolicyConfig.model_validate(
        {
            "name": document.metadata.display_name or document.metadata.name,
            "target": goal.share,
            "period": window.duration,
            "interval": goal.time_slice_window or SLOT,
            "budgeting_method": spec.budgeting_method,
        }
        | said
    )


def _said(name: str, note: str) -> dict[str, object]:
    """What the annotation of ours says of a policy.

    Raises:
        ValueError: it is not known, or says nothing that is.
    """
    if name == ALPHA:
        return {"alpha": parse_ratio(note)}
    if name == RULES:
        return {"rules": _parsed_rules(note)}
    if name != RETRAIN:
        raise ValueError(f"is not known; known are {ALPHA}, {RETRAIN}, {RULES}")
    if note not in {"true", "false"}:
        raise ValueError(f"{note!r} is neither 'true' nor 'false'")
    return {}


def _parsed_rules(note: str) -> list[RuleConfig]:
    try:
        return _RULES.validate_python(json.loads(note))
    except ValidationError as error:
        raise ValueError(in_words(error.errors()[0], RuleConfig)) from None
    except ValueError as error:
        raise ValueError(f"is not JSON, a list of rules: {error}") from None
