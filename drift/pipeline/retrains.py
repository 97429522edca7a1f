"""Requests to retrain: one for each incident, one at a time for each model, and what their pipelines tell of them."""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from drift.alert import Alert
from drift.config.values import format_duration
from drift.errors import RetrainStateError, UnknownRetrainError, VersionError
from drift.notify import announce, compose
from drift.pipeline.gates import fault_of
from drift.pipeline.monitor import Monitor
from drift.records import Retrain, RetrainPolicy, RetrainState
from drift.store import outbox, retrains
from drift.store.connect import Connection
from drift.store.outbox import MessageKind, MessageState

log = structlog.get_logger()

_TOLD: Final = (RetrainState.STARTED, RetrainState.SUCCEEDED, RetrainState.FAILED)
_NEXT: Final = {
    RetrainState.WAITING: (RetrainState.REQUESTED, RetrainState.REJECTED),
    RetrainState.REQUESTED: (*_TOLD, RetrainState.REJECTED),
    RetrainState.STARTED: (RetrainState.SUCCEEDED, RetrainState.FAILED, RetrainState.REJECTED),
    # A pipeline may be heard of after all: what it says is true, and the model may be asked for anew meanwhile.
    RetrainState.FAILED: (RetrainState.SUCCEEDED,),
}
"""What each state may become."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a pipeline tells: `state` is STARTED, SUCCEEDED (with the `new_version`) or FAILED."""

    state: RetrainState
    new_version: str = ""
    detail: str = ""


def ask(conn: Connection, monitor: Monitor, alert: Alert, context: compose.Context) -> None:
    """Keep the intent to retrain for `alert`, and where nothing stands in its way the messages that ask for it.

    Where nobody receives requests there is no intent. Nothing is asked for on a slot that was not measured.
    """
    outlet, measured, at = monitor.outlet, context.measurement, context.budget.at
    if not outlet.webhooks or measured is None:
        return
    event = announce.retrain_requested(alert, context, measured)
    retrains.wait_turn(conn, context.stream.model)
    if retrains.retrain(conn, event.id) is not None:
        return
    intent = Retrain(
        id=event.id,
        model=context.stream.model,
        version=context.stream.version,
        stream=context.stream.key,
        slo=alert.slo,
        reference=measured.reference,
        fired_at=event.data.fired_at,
        asked_at=at,
        state=RetrainState.MUTED,
        receivers=outlet.webhooks,
    )
    if outlet.state is not MessageState.MUTED:
        intent = _decided(conn, intent, outlet.policy)
    retrains.add(conn, intent, event.body())
    if intent.state in {RetrainState.REQUESTED, RetrainState.MUTED}:
        _send(conn, intent, event.body(), state=outlet.state, now=at)


def decide(
    policy: RetrainPolicy, flight: Retrain | None, last: Retrain | None, now: datetime
) -> tuple[RetrainState, str]:
    """What becomes of an intent at `now`, and the id of the request that stands in its way, if one does.

    `flight` is the model's open request, `last` the one that was made or rejected last.
    """
    if flight is not None:
        return RetrainState.JOINED, flight.id
    made = None if last is None else last.requested_at or last.ended_at
    if last is not None and made is not None and now < made + policy.cooldown:
        return RetrainState.COOLING, last.id
    return (RetrainState.WAITING if policy.approval else RetrainState.REQUESTED), ""


def _decided(conn: Connection, intent: Retrain, policy: RetrainPolicy) -> Retrain:
    now, flight = intent.asked_at, retrains.flight(conn, intent.model)
    if flight is not None and flight.heard_at + policy.feedback_within <= now:
        silent = f"nothing was heard of it for {format_duration(policy.feedback_within)}"
        retrains.move(conn, flight, replace(flight, state=RetrainState.FAILED, ended_at=now, detail=silent))
        outbox.withdraw(conn, flight.id, why=silent)
        log.warning("retraining given up", id=flight.id, model=flight.model, reason=silent)
        flight = None
    state, because = decide(policy, flight, retrains.last(conn, intent.model), now)
    requested_at = now if state is RetrainState.REQUESTED else None
    return replace(intent, state=state, because=because, requested_at=requested_at)


def _send(conn: Connection, intent: Retrain, body: bytes, *, state: MessageState, now: datetime) -> None:
    for name in intent.receivers:
        outbox.put(conn, outbox.Draft(intent.id, name, MessageKind.RETRAIN, body), state=state, now=now)


def named(conn: Connection, prefix: str) -> Retrain:
    """The intent whose id begins with `prefix`.

    Raises:
        UnknownRetrainError: there is none, or more than one.
    """
    ids = retrains.beginning_with(conn, prefix)
    if prefix and len(ids) == 1 and (found := retrains.retrain(conn, ids[0])) is not None:
        return found
    if prefix and ids:
        raise UnknownRetrainError(f"{prefix!r} begins the ids of more than one retraining: write more of it")
    raise UnknownRetrainError(f"no retraining has an id that begins with {prefix!r}: `drift retrain list` has them")


def approve(conn: Connection, id_: str, *, by: str, now: datetime) -> Retrain:
    """Have the receivers asked, as a person agrees. Once it is asked for, another approval changes nothing.

    Raises:
        UnknownRetrainError: there is no such intent.
        RetrainStateError: it does not wait for approval.
    """
    before = _locked(conn, id_)
    if before.state is RetrainState.REQUESTED and before.by:
        return before
    after = _moved(conn, before, replace(before, state=RetrainState.REQUESTED, by=by, requested_at=now))
    _send(conn, after, retrains.body(conn, after.id), state=MessageState.DUE, now=now)
    return after


def reject(conn: Connection, id_: str, *, by: str, reason: str, now: datetime) -> Retrain:
    """Close the intent, as a person does not want it, or knows that nothing comes of it.

    Raises:
        UnknownRetrainError: there is no such intent.
        RetrainStateError: it is not open.
    """
    before = _locked(conn, id_)
    if before.state is RetrainState.REJECTED:
        return before
    after = _moved(conn, before, replace(before, state=RetrainState.REJECTED, by=by, ended_at=now, detail=reason))
    outbox.withdraw(conn, after.id, why=f"the retraining was rejected by {by}")
    return after


def report(conn: Connection, id_: str, feedback: Feedback, *, now: datetime, gated: Container[str] = ()) -> Retrain:
    """Note what a pipeline tells; told twice, it counts once. An end closes the flight: others may be asked for.

    `gated` are the names of streams whose new versions a gate judges.

    Raises:
        VersionError: the gate could not use the new version.
        UnknownRetrainError: there is no such intent.
        RetrainStateError: it was not asked for, has ended otherwise, or succeeded without a version.
    """
    before = _locked(conn, id_)
    if feedback.state is RetrainState.SUCCEEDED and not feedback.new_version.strip():
        raise RetrainStateError(f"retraining {id_} needs the new `version` with its success, found none")
    if before.state is feedback.state:
        if before.new_version != feedback.new_version:
            raise RetrainStateError(
                f"retraining {id_} has already given version {before.new_version!r}, found {feedback.new_version!r}: "
                "one retraining gives one version"
            )
        return before
    judged = feedback.state is RetrainState.SUCCEEDED and before.stream.partition("/")[0] in gated
    if judged and (why := fault_of(feedback.new_version)):
        raise VersionError(f"retraining {id_}: {why}, for the gate of {before.stream}")
    told = replace(before, state=feedback.state, new_version=feedback.new_version, detail=feedback.detail)
    started = before.started_at or now
    if feedback.state is RetrainState.STARTED:
        return _moved(conn, before, replace(told, started_at=started))
    # Who has not been asked yet must not be: a later request would give it a second run.
    outbox.withdraw(conn, before.id, why=f"the retraining has {feedback.state}")
    return _moved(conn, before, replace(told, ended_at=now))


def registered(
    conn: Connection, model: str, version: str, *, now: datetime, gated: Container[str] = ()
) -> Retrain | None:
    """Close the open request for `model`, as its registry has a new version; None where none was asked for.

    For `gated` see `report`.
    """
    retrains.wait_turn(conn, model)
    flight = retrains.flight(conn, model)
    if flight is None or flight.state is RetrainState.WAITING:
        return None
    told = Feedback(RetrainState.SUCCEEDED, version, "registered in MLflow")
    return report(conn, flight.id, told, now=now, gated=gated)


def _locked(conn: Connection, id_: str) -> Retrain:
    """The intent, while nobody else decides about its model."""
    found = retrains.retrain(conn, id_)
    if found is None:
        raise UnknownRetrainError(f"no retraining has the id {id_!r}: `drift retrain list` and /v1/retrains have them")
    retrains.wait_turn(conn, found.model)
    return retrains.retrain(conn, id_) or found


def _moved(conn: Connection, before: Retrain, after: Retrain) -> Retrain:
    allowed = _NEXT.get(before.state, ())
    if after.state not in allowed or not retrains.move(conn, before, after):
        may = " or ".join(allowed) if allowed else "nothing else: it has ended"
        if before.because:
            may = f"nothing else: {before.because} stands for it"
        raise RetrainStateError(f"retraining {before.id} is {before.state} and may become {may}, found {after.state}")
    return after
