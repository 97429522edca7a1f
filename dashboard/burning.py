"""How fast a budget goes: by the rule of the alert that fires, else by the one that is nearest to firing. Pure."""

from dataclasses import dataclass
from typing import Final

from dashboard import words
from dashboard.standing import Line
from drift.alert import AlertKind, AlertState

BY_RULE: Final = frozenset({AlertKind.PAGE, AlertKind.TICKET})


@dataclass(frozen=True, slots=True)
class Burning:
    """Both burns by the rule of that name, which fires above `asks`: None where it is not declared."""

    rule: str
    long: float
    short: float
    asks: float | None
    fires: bool

    @property
    def says(self) -> str:
        """`rule fast fires above 14.4x`; of an alert that fires though its rule is not true any more, that it cools."""
        above = "" if self.asks is None else f" fires above {words.times(self.asks)}"
        cools = self.fires and self.asks is not None and min(self.long, self.short) <= self.asks
        return f"{'cooling down: ' if cools else ''}rule {self.rule}{above}"


def burning(line: Line) -> Burning | None:
    """How fast the budget of `line` goes; None where that is not known."""
    if (told := _told(line)) is not None:
        return told
    if line.budget is None:
        return None
    rule = line.budget.rule
    return Burning(rule, line.budget.burn_long, line.budget.burn_short, _asks(line, rule), fires=False)


def _told(line: Line) -> Burning | None:
    """What the most urgent alert says of its own rule, if it fires by one: it says it anew with each window."""
    first = next(iter(line.alerts), None)
    if first is None or first.alert.kind not in BY_RULE or first.alert.state is not AlertState.FIRING:
        return None
    try:
        rule, long, short = (first.annotations[name] for name in ("rule", "burn_rate_long", "burn_rate_short"))
        return Burning(rule, float(long), float(short), _asks(line, rule), fires=True)
    except (KeyError, ValueError):
        return None


def _asks(line: Line, name: str) -> float | None:
    rule = next((rule for rule in line.slo.rules if rule.name == name), None) if line.slo else None
    return float(line.slo.threshold(rule)) if line.slo and rule else None
