"""An objective by itself, without a stream: what `drift slo` tries out."""

import json
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from drift.config.openslo import SloDocument, read_documents
from drift.config.read import documents, has, read
from drift.config.rules import Rules
from drift.config.values import Duration, Ratio, parse_ratio
from drift.errors import ConfigError
from drift.slo import BudgetingMethod, Sli, Slo, default_rules

ALPHA, RETRAIN, RULES = "drift/alpha", "drift/retrain", "drift/rules"
"""Annotations of OpenSLO documents."""
SLOT: Final = timedelta(minutes=5)
_RULES: Final = TypeAdapter(Rules)


class PolicyConfig(BaseModel):
    """How much is promised over which period, how long a slot is, and how fast is too fast; names are those of `slos`.

    `alpha` is the share of slots that is bad when nothing is wrong; of events, where those are counted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "slo"
    target: Ratio = Fraction("0.95")
    period: Duration = timedelta(days=30)
    interval: Duration = SLOT
    alpha: Ratio | None = None
    budgeting_method: BudgetingMethod = BudgetingMethod.TIMESLICES
    rules: Rules = []

    def slo(self, stream: str = "") -> Slo:
        """The objective, of a stream of that key."""
        rules = tuple(rule.rule for rule in self.rules) or default_rules(self.period)
        alpha = self.alpha or Fraction(0)
        method = self.budgeting_method
        terms = (self.target, self.interval, self.period, alpha, rules)
        return Slo(self.name, stream, Sli(self.name), *terms, method=method)


def load_policy(path: Path) -> PolicyConfig:
    """The objective in the file `path`: the keys of `PolicyConfig`, or an OpenSLO document, whatever it measures.

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
    if any(has(root, "streams") for root in found):
        raise ConfigError(
            f"{path}:1: is a whole configuration: a file with one objective is needed here, such as "
            "`{target: 0.95, period: 30d, interval: 5m, alpha: 0.01}`"
        )
    if len(found) != 1:
        raise ConfigError(f"{path}:1: needs one objective, here are {len(found)} documents")
    return read(path, found[0], PolicyConfig)[0]


def policy_of(path: Path, document: SloDocument) -> PolicyConfig:
    """What is promised, whatever the indicator is.

    Raises:
        ConfigError: an annotation of ours cannot be read.
    """
    spec, alpha_note = document.spec, document.metadata.note(ALPHA)
    (goal,), (window,) = spec.objectives, spec.time_window
    try:
        alpha = None if alpha_note is None else parse_ratio(alpha_note)
        rules = _RULES.validate_python(json.loads(document.metadata.note(RULES) or "[]"))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}:1: SLO {document.metadata.name!r}: its annotations: {error}") from None
    name = document.metadata.display_name or document.metadata.name
    return PolicyConfig(
        name=name,
        target=goal.share,
        period=window.duration,
        interval=goal.time_slice_window or SLOT,
        alpha=alpha,
        budgeting_method=spec.budgeting_method,
        rules=rules,
    )
