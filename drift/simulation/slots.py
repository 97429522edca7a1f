"""What an objective's alerts make of a stretch of slots: recorded, made up, or promised to a receiver.

The very engine that the service runs, slot by slot; nothing is stored and nobody is told.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from drift.alert import CLEARS_AT, Alert, AlertKind, AlertState, Watch, transition
from drift.records import Span
from drift.slo import Budget, BudgetingMethod, Burn, Events, Ledger, Outcome, Slo, Slot, budget

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When made-up slots begin."""
_MICRO: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert that began to fire or resolved, at the end of a slot.

    `burn` is what the rule named by the alert saw; None for alerts without a rule. A ticket is `inhibited` while the
    page of its objective fires: Alertmanager then tells nobody of it.
    """

    at: datetime
    alert: Alert
    remaining: Fraction
    burn: Burn | None
    inhibited: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """One slot of an objective, and what changed with it."""

    slot: Slot
    transitions: tuple[Transition, ...]
    slo: Slo
    ledger: Ledger

    @property
    def budget(self) -> Budget:
        """The budget at the slot's end, whatever came later; computed when it is asked for."""
        at = self.slot.span.end
        return budget(self.slo, self.ledger.spent(self.slo, at), at)


def made_up(slo: Slo, found: Sequence[Outcome | Events]) -> Iterator[Slot]:
    """Slots with these outcomes, one after another from `EPOCH` on, each of the objective's interval.

    Where the objective counts events, a slot that says no more than that it is good or bad has one.
    """
    for i, one in enumerate(found):
        span = Span(EPOCH + i * slo.interval, EPOCH + (i + 1) * slo.interval)
        if isinstance(one, Events):
            yield Slot(span, slo.outcome(one), one)
        elif slo.method is BudgetingMethod.OCCURRENCES and one.is_verdict:
            yield Slot(span, one, Events(int(one is Outcome.GOOD), 1))
        else:
            yield Slot(span, one)


def simulate(slo: Slo, slots: Iterable[Slot]) -> Iterator[Tick]:
    """The ticks of `slots`, oldest first. Everything before them was good."""
    watch, ledger = Watch(), Ledger()
    for slot in slots:
        tick = Tick(slot, (), slo, ledger)
        if slot.outcome is Outcome.BAD or slot.events:
            ledger.add(slot)
        elif slot.outcome is Outcome.GOOD and _stands(watch, slo, ledger, slot):
            # Look-backs only lose bad slots with a good one, so no rule begins to be true: most slots end here.
            watch = watch.seen(slot.outcome)
            yield tick
            continue
        left = tick.budget
        step = transition(watch, slo, slot, left)
        watch = step.watch
        page = watch.alert(AlertKind.PAGE)
        paged = page is not None and page.state is AlertState.FIRING
        told = (alert for alert in step.changed if alert.state in {AlertState.FIRING, AlertState.RESOLVED})
        yield replace(tick, transitions=tuple(_transition(alert, left, paged=paged) for alert in told))


def _stands(watch: Watch, slo: Slo, ledger: Ledger, slot: Slot) -> bool:
    """Whether a good slot changes no alert: none is open, but perhaps one on a budget that stays exhausted."""
    if not watch.open:
        return True
    if slo.method is BudgetingMethod.OCCURRENCES or any(a.kind is not AlertKind.EXHAUSTED for a in watch.open):
        return False
    allowed = (1 - CLEARS_AT) * slo.budget * (slo.period // _MICRO)
    return ledger.within(slo.period, slot.span.end).time // _MICRO > allowed


def transitions(slo: Slo, slots: Iterable[Slot]) -> Iterator[Transition]:
    """What changes in `slots`, in the order of time."""
    for tick in simulate(slo, slots):
        yield from tick.transitions


def _transition(alert: Alert, left: Budget, *, paged: bool) -> Transition:
    burn = next((burn for burn in left.burns if burn.rule.name == alert.rule), None)
    return Transition(left.at, alert, left.remaining, burn, paged and alert.kind is AlertKind.TICKET)
