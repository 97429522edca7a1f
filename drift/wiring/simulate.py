"""What an objective would make of a sequence of slots, before anybody is paged by it."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from drift.config.policy import PolicyConfig, load_policy
from drift.config.values import parse_duration, parse_ratio
from drift.errors import ConfigError
from drift.simulation import EPOCH, made_up, simulate
from drift.slo import BudgetingMethod, Events, Slo, parse_sequence
from drift.wiring.slo_report import Story

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Terms:
    """An objective as words of a command line: a file, and what is asked for instead of what it says. "" is unsaid."""

    file: Path | None = None
    target: str = ""
    period: str = ""
    interval: str = ""
    alpha: str = ""

    def policy(self) -> PolicyConfig:
        """The objective that is meant.

        Raises:
            ConfigError: a word, or the file, is wrong.
        """
        base = PolicyConfig() if self.file is None else load_policy(self.file)
        said = {
            "target": _parsed("target", self.target, parse_ratio),
            "period": _parsed("period", self.period, parse_duration),
            "interval": _parsed("interval", self.interval, parse_duration),
            "alpha": _parsed("alpha", self.alpha, _parse_alpha),
        }
        return base.model_copy(update={name: value for name, value in said.items() if value is not None})


def story(slo: Slo, sequence: str) -> Story:
    """What happens in the slots of `sequence`, after a period of good ones.

    Raises:
        SequenceError: it is not one.
        ConfigError: it says how many events were bad, and the objective counts slots.
    """
    slots = parse_sequence(sequence)
    if slo.method is BudgetingMethod.TIMESLICES and (
        counted := next((s for s in slots if isinstance(s, Events)), None)
    ):
        raise ConfigError(
            f"the sequence counts events ({counted.bad}/{counted.total}) and the objective counts slots: write B or G, "
            "or `budgeting_method: Occurrences` in the file of --slo"
        )
    return Story(slo, EPOCH, tuple(simulate(slo, made_up(slo, slots))))


def require_sound(slo: Slo) -> None:
    """Refuse an objective that could not work.

    Raises:
        ConfigError: with one line for each fault, and the number that would work.
    """
    if faults := slo.faults():
        raise ConfigError("\n".join(faults))


def _parse_alpha(word: object) -> Fraction:
    return Fraction(0) if word == "0" else parse_ratio(word)  # 0 is no chance at all, and none that a file may state


def _parsed(name: str, word: str, parse: Callable[[object], Value]) -> Value | None:
    if not word:
        return None
    try:
        return parse(word)
    except ValueError as error:
        raise ConfigError(f"--{name}: {error}") from None
