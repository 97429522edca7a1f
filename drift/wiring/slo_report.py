"""What alerts did in a stretch of slots, for people and for programs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from drift.alert import AlertKind, AlertState
from drift.config.values import format_duration
from drift.simulation import Tick, Transition
from drift.slo import BudgetingMethod, Slo

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_STYLES: Final = {AlertKind.PAGE: "bold red", AlertKind.EXHAUSTED: "red"}
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT = 60, 5


@dataclass(frozen=True, slots=True)
class Story:
    """What became of an objective, slot by slot, from `start` on."""

    slo: Slo
    start: datetime
    ticks: tuple[Tick, ...]

    @property
    def transitions(self) -> tuple[Transition, ...]:
        return tuple(one for tick in self.ticks for one in tick.transitions)

    def as_json(self) -> list[dict[str, object]]:
        """One dictionary for each transition, in the order of time; minutes count from `start`."""
        return [{"minute": _minute(one.at - self.start)} | numbers(one) for one in self.transitions]

    def as_text(self) -> RenderableType:
        """The rules, the transitions, and how the budget went."""
        parts: list[RenderableType] = [rules_table(self.slo)]
        if self.transitions:
            parts.append(
                transitions_table([(_since(one.at - self.start, self.slo.interval), one) for one in self.transitions])
            )
        return Group(*parts, summary(self.transitions), *plot(self.ticks))


def numbers(one: Transition) -> dict[str, object]:
    """A transition without its time. Burns and tier are null for alerts that no rule raises."""
    left = None if one.burn is None or one.burn.exhausts_in is None else one.burn.exhausts_in / _HOUR
    return {
        "state": str(one.alert.kind),
        "event": str(one.alert.state),
        "inhibited": one.inhibited,
        "tier": one.alert.rule or None,
        "burn_long": None if one.burn is None else float(one.burn.long),
        "burn_short": None if one.burn is None else float(one.burn.short),
        "budget_remaining": float(one.remaining),
        "hours_left": left,
    }


def rules_table(slo: Slo) -> Table:
    """When each rule of `slo` fires, in slots."""
    slots, length, period = slo.period / slo.interval, format_duration(slo.interval), format_duration(slo.period)
    title = f"{float(slo.target):.10g} of slots of {length} good over {period}: "
    title += f"{float(slo.budget) * slots:g} of {slots:g} may be bad"
    caption = "look-backs, and the bad slots that they need: long and short"
    if slo.method is BudgetingMethod.OCCURRENCES:
        title = f"{float(slo.target):.10g} of events good over {period}, counted in slots of {length}"
        caption += "; more where not all of their events are bad"
    table = Table(title=title, caption=caption)
    for name in ("tier", "alert", "burn over", "look-backs", "bad slots", "gone within"):
        table.add_column(name, justify="left" if name in {"tier", "alert"} else "right", no_wrap=True)
    for tier in slo.tiers:
        table.add_row(
            escape(tier.rule.name),
            tier.rule.severity,
            f"{float(tier.threshold):.4g}",
            f"{format_duration(tier.long)} {format_duration(tier.short)}",
            f"{tier.bad_long}/{tier.slots_long} {tier.bad_short}/{tier.slots_short}",
            "" if tier.rule.horizon is None else format_duration(tier.rule.horizon),
        )
    return table


def transitions_table(rows: Sequence[tuple[str, Transition]]) -> Table:
    """Transitions with their times, as words."""
    table = Table()
    for name in ("after", "alert", "", "tier", "burn", "budget", "lasts"):
        table.add_column(name, justify="left" if name in {"alert", "", "tier"} else "right")
    for when, one in rows:
        kind, burn = one.alert.kind, one.burn
        style = _STYLES.get(kind, "yellow") if one.alert.state is AlertState.FIRING else "green"
        left = None if burn is None else burn.exhausts_in
        table.add_row(
            when,
            f"[{style}]{kind}[/]",
            f"{one.alert.state}{', inhibited' if one.inhibited else ''}",
            escape(one.alert.rule),
            "" if burn is None else f"{float(burn.long):.4g}/{float(burn.short):.4g}",
            f"{float(one.remaining):.2%}",
            "" if left is None else f"{left / _HOUR:.1f} h",
        )
    return table


def summary(transitions: Sequence[Transition]) -> str:
    """How often each alert fired, and how many of these anybody was told of."""
    fired = [one for one in transitions if one.alert.state is AlertState.FIRING]
    counts = Counter(one.alert.kind for one in fired)
    inhibited = sum(one.inhibited for one in fired)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in AlertKind if counts[kind]) or "nothing fires"
    return told + (f" ({inhibited} inhibited: its page fires, so nobody is told)" if inhibited else "")


def plot(ticks: Sequence[Tick]) -> Iterator[str]:
    """The budget that is left over time, lines for a terminal; below it when pages (P) and tickets (t) fire."""
    width = min(_WIDTH, len(ticks))
    columns = [ticks[i * len(ticks) // width : (i + 1) * len(ticks) // width] for i in range(width)]
    left_over = [float(column[-1].budget.remaining) for column in columns]
    top, bottom = 1.0, min(left_over)
    if bottom == top:
        return
    eighths = [round((value - bottom) / (top - bottom) * 8 * _HEIGHT) for value in left_over]
    for row in reversed(range(_HEIGHT)):
        label = {_HEIGHT - 1: top, 0: bottom}.get(row)
        cells = "".join(_BLOCKS[min(max(value - 8 * row, 0), 8)] for value in eighths)
        yield f"{'' if label is None else f'{label:.1%}':>8} {cells}"
    yield f"{'':>8} {''.join(map(_mark, columns))}".rstrip()


def _mark(column: Sequence[Tick]) -> str:
    kinds = {one.alert.kind for tick in column for one in tick.transitions if one.alert.state is AlertState.FIRING}
    return "P" if AlertKind.PAGE in kinds else "t" if kinds else " "


def _minute(length: timedelta) -> int | float:
    minutes = length / _MINUTE
    return int(minutes) if minutes.is_integer() else minutes


def _since(length: timedelta, interval: timedelta) -> str:
    """In minutes, as slots of minutes are counted; else as a duration."""
    return f"{_minute(length):,} min" if interval < _HOUR else format_duration(length)
