"""When an objective's alerts begin and end, slot by slot.

An alert never resolves because data stopped: slots without a verdict freeze it, and raise an alert of their own.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from drift.slo import INSUFFICIENT_AFTER, NODATA_AFTER, Budget, Outcome, Severity, Slo, Slot


class AlertKind(StrEnum):
    """What an objective can raise; each is one alert with labels of its own."""

    PAGE = "page"
    TICKET = "ticket"
    NODATA = "nodata"
    INSUFFICIENT = "insufficient"
    EXHAUSTED = "exhausted"

    @property
    def severity(self) -> Severity:
        return Severity.PAGE if self is AlertKind.PAGE else Severity.TICKET


URGENCY: Final = (AlertKind.PAGE, AlertKind.EXHAUSTED, AlertKind.TICKET, AlertKind.NODATA, AlertKind.INSUFFICIENT)
"""The kinds, most urgent first, wherever one of several is named."""
GRACE: Final = timedelta(seconds=30)
"""A window is closed and measured this long after its time and lateness are over, at the latest."""
UNDECLARED: Final = timedelta(minutes=2)
"""How long a stream is taken to wait for late rows where its configuration is not known."""


def patience(interval: timedelta, lateness: timedelta | None) -> timedelta:
    """How long ago the newest slot of an objective may have ended; longer, and it has no data, told or not."""
    return NODATA_AFTER * interval + (UNDECLARED if lateness is None else lateness) + GRACE


class AlertState(StrEnum):
    """Inactive alerts are not kept; a pending one burns too fast but not yet for long enough."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode of one kind of alert of one objective.

    `rule` names the burn-rate rule that was true last, "" for kinds without one; what it looked back on as it fired
    begins at `looked_from`. `hold` is for how many verdicts no rule must be true before it resolves, `quiet` for how
    many none has been.
    """

    stream: str
    slo: str
    kind: AlertKind
    state: AlertState
    started_at: datetime
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    rule: str = ""
    hold: int = 0
    quiet: int = 0
    looked_from: datetime | None = None

    @property
    def id(self) -> str:
        """Names this episode, for people to say which they mean: the same for as long as it is kept."""
        return digest(self.stream, self.slo, self.kind, self.started_at.astimezone(UTC).isoformat())[:16]

    @property
    def subject(self) -> str:
        """Names this alert over all of its episodes, for messages of which newer ones overtake older ones."""
        return "alert_" + digest(self.stream, self.slo, self.kind)

    def message_id(self, state: AlertState) -> str:
        """Names what is told when this episode comes to `state`; begins with `subject`."""
        return f"{self.subject}_{digest(self.started_at.astimezone(UTC).isoformat(), state)}"

    @property
    def began(self) -> datetime:
        """Since when people know of it: when it fired, or, before that, when it became pending."""
        return self.fired_at or self.started_at

    @property
    def is_over(self) -> bool:
        return self.state is AlertState.RESOLVED

    @property
    def urgency(self) -> tuple[bool, int]:
        """Sorts open alerts, most urgent first; what fires, if only for lack of data, comes before what may never."""
        return self.state is AlertState.PENDING, URGENCY.index(self.kind)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """That somebody looks after an alert: who, since when, and what that one says."""

    by: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """All that must be remembered of an objective between slots: open alerts, and runs of equal outcomes."""

    open: tuple[Alert, ...] = ()
    good_run: int = 0
    missing_run: int = 0
    insufficient_run: int = 0

    def alert(self, kind: AlertKind) -> Alert | None:
        """The open alert of `kind`, pending or firing."""
        return next((alert for alert in self.open if alert.kind is kind), None)

    def seen(self, outcome: Outcome) -> "Watch":
        """The same with one more slot counted."""
        match outcome:
            case Outcome.EXCLUDED:
                return self
            case Outcome.MISSING:
                return replace(self, missing_run=self.missing_run + 1, insufficient_run=0)
            case Outcome.INSUFFICIENT:
                return replace(self, missing_run=0, insufficient_run=self.insufficient_run + 1)
            case Outcome.GOOD:
                return replace(self, good_run=self.good_run + 1, missing_run=0, insufficient_run=0)
            case Outcome.BAD:
                return replace(self, good_run=0, missing_run=0, insufficient_run=0)


@dataclass(frozen=True, slots=True)
class Step:
    """One slot's effect: what to remember, and the alerts whose state changed (with the new state)."""

    watch: Watch
    changed: tuple[Alert, ...]


CLEARS_AT: Final = Fraction(5, 100)  # an exhausted budget is reported until this share is left again


def transition(watch: Watch, slo: Slo, slot: Slot, budget: Budget) -> Step:
    """What `slot` does to the alerts of `slo`; `budget` is the budget at the slot's end, the slot included."""
    counted = watch.seen(slot.outcome)
    after = {kind: _next(kind, counted, slo, slot, budget) for kind in AlertKind}
    changed = tuple(_changes(watch, after))
    still_open = (a for a in after.values() if a is not None and a.state in {AlertState.PENDING, AlertState.FIRING})
    return Step(replace(counted, open=tuple(still_open)), changed)


def _changes(before: Watch, after: dict[AlertKind, Alert | None]) -> Iterator[Alert]:
    for kind, alert in after.items():
        was = before.alert(kind)
        if alert is None and was is not None:
            yield replace(was, state=AlertState.INACTIVE)
        elif alert is not None and (was is None or was.state is not alert.state):
            yield alert


def _next(kind: AlertKind, watch: Watch, slo: Slo, slot: Slot, budget: Budget) -> Alert | None:
    was = watch.alert(kind)
    match kind:
        case AlertKind.PAGE | AlertKind.TICKET:
            return _burning(kind, watch, slo, slot, budget) if slot.outcome.is_verdict else was
        case AlertKind.NODATA:
            evaluated = slot.outcome.is_verdict or slot.outcome is Outcome.INSUFFICIENT
            fires = slo.tells_missing and watch.missing_run >= NODATA_AFTER
            return _switch(kind, was, slo, slot, fires=fires, clears=evaluated)
        case AlertKind.INSUFFICIENT:
            fires = watch.insufficient_run >= INSUFFICIENT_AFTER
            return _switch(kind, was, slo, slot, fires=fires, clears=slot.outcome.is_verdict)
        case AlertKind.EXHAUSTED:
            if not slot.outcome.is_verdict:
                return was
            clears = budget.remaining >= CLEARS_AT
            return _switch(kind, was, slo, slot, fires=budget.remaining <= 0, clears=clears)


def _switch(kind: AlertKind, was: Alert | None, slo: Slo, slot: Slot, *, fires: bool, clears: bool) -> Alert | None:
    if was is None:
        return _fire(Alert(slo.stream, slo.name, kind, AlertState.PENDING, slot.span.end), slot) if fires else None
    return replace(was, state=AlertState.RESOLVED, resolved_at=slot.span.end) if clears else was


def _burning(kind: AlertKind, watch: Watch, slo: Slo, slot: Slot, budget: Budget) -> Alert | None:
    was = watch.alert(kind)
    mine = [burn for burn in budget.burns if burn.rule.severity is kind.severity]
    if true := [burn.rule for burn in mine if burn.holds]:
        hold = max(_slots(slo.short(rule), slo) for rule in true)
        alert = was or Alert(slo.stream, slo.name, kind, AlertState.PENDING, slot.span.end)
        first = alert.looked_from or slot.span.end - slo.long(true[0])
        return _fire(replace(alert, rule=true[0].name, hold=hold, quiet=0, looked_from=first), slot)
    if was is not None and was.state is AlertState.FIRING:
        quiet = was.quiet + 1
        if quiet >= was.hold and watch.good_run >= 2:
            return replace(was, state=AlertState.RESOLVED, resolved_at=slot.span.end, quiet=quiet)
        return replace(was, quiet=quiet)
    if nearly := [burn.rule for burn in mine if burn.exceeds]:
        return was or Alert(slo.stream, slo.name, kind, AlertState.PENDING, slot.span.end, rule=nearly[0].name)
    return None


def _fire(alert: Alert, slot: Slot) -> Alert:
    if alert.state is AlertState.FIRING:
        return alert
    return replace(alert, state=AlertState.FIRING, fired_at=slot.span.end)


def digest(*parts: str) -> str:
    """Names what these parts make up: the same for the same parts, whatever crashes in between."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _slots(length: timedelta, slo: Slo) -> int:
    return length // slo.interval
