"""What was done about an incident, as steps in time. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from dashboard.answers import Sees
from drift.records import Canary, CanaryState, Retrain, RetrainState
from drift.store.changes import Changes, Served

ENDS: Final = {
    RetrainState.SUCCEEDED: "Retrained",
    RetrainState.FAILED: "Retraining failed",
    RetrainState.REJECTED: "Retraining rejected",
}
WORDS: Final = {CanaryState.ROLL_BACK: "Roll back, says the canary", CanaryState.PROMOTE: "Promote, says the canary"}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened at `at`, or has not yet when that is None."""

    name: str
    at: datetime | None
    detail: str = ""


def only(changes: Changes, sees: Sees) -> Changes:
    """The same for a visitor who may see some streams: nothing of others, and none of the words about all rows."""
    retrains = tuple(intent for intent in changes.retrains if sees(intent.stream))
    mine = {intent.id for intent in retrains}
    # Its reasons name segments of everybody's.
    gates = (replace(one, judgement=replace(one.judgement, reasons=(), report="")) for one in changes.gates)
    trials = (trial if sees(trial.baseline) else replace(trial, detail="") for trial in changes.trials)
    return replace(
        changes, retrains=retrains, gates=tuple(one for one in gates if one.id in mine), trials=tuple(trials)
    )


def steps(changes: Changes) -> Iterator[Step]:
    """Retraining, what the gate said of its outcome, what canaries said, and which version served."""
    for intent in changes.retrains:
        yield from _of_retrain(intent)
    for gated in changes.gates:
        yield Step(f"Gate: {gated.judgement.verdict}", gated.decided_at, next(iter(gated.judgement.reasons), ""))
    for trial in changes.trials:
        yield Step(WORDS.get(trial.state, "Canary decided"), trial.decided_at, _of_trial(trial))
    yield from _of_versions(changes.served)


def waiting(changes: Changes) -> Retrain | None:
    """The retraining that waits for somebody's approval."""
    return next((intent for intent in changes.retrains if intent.state is RetrainState.WAITING), None)


def _of_retrain(intent: Retrain) -> Iterator[Step]:
    if intent.state is RetrainState.WAITING:
        yield Step("Retraining approved", None, "not yet: it waits for a person")
    elif intent.by and intent.requested_at is not None:
        yield Step("Retraining approved", intent.requested_at, f"by {intent.by}")
    if intent.state in {RetrainState.JOINED, RetrainState.COOLING}:
        why = "another request is open" if intent.state is RetrainState.JOINED else "the last one is too recent"
        yield Step("No retraining asked for", intent.asked_at, f"{why}: {intent.because}" if intent.because else why)
    if intent.started_at is not None:
        yield Step("Retraining started", intent.started_at)
    if intent.ended_at is not None and intent.state in ENDS:
        by = f"by {intent.by}" if intent.state is RetrainState.REJECTED else ""
        version = f"version {intent.new_version}" if intent.new_version else ""
        yield Step(ENDS[intent.state], intent.ended_at, ", ".join(one for one in (version, by, intent.detail) if one))


def _of_trial(trial: Canary) -> str:
    back = f"back to {trial.baseline_version}" if trial.state is CanaryState.ROLL_BACK else ""
    why = "; ".join(one for one in (back, trial.detail) if one)
    return f"{trial.candidate_version} beside {trial.baseline_version}" + (f": {why}" if why else "")


def _of_versions(served: tuple[Served, ...]) -> Iterator[Step]:
    replaced: list[str] = []  # those before the one that serves, the oldest first
    for before, after in pairwise(served):
        if after.version in replaced:
            # What was rolled back was not replaced: when it comes again, that is no rollback.
            del replaced[replaced.index(after.version) :]
            yield Step("Rolled back", after.since, f"rows come of {after.version} again, and not of {before.version}")
        else:
            replaced.append(before.version)
            yield Step("Version changed", after.since, f"rows come of {after.version}, and not of {before.version}")
