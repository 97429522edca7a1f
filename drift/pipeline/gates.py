"""A retraining that gave a new version is followed by the gate: what it decides is kept, and told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from drift.notify.announce import gate_decided
from drift.records import Gated, Judgement
from drift.store import gates, outbox
from drift.store.connect import Connection
from drift.store.outbox import MessageKind, MessageState

log = structlog.get_logger()
OLDEST: Final = timedelta(days=1)
"""A version that came longer ago is no news: it serves, or it does not."""

GoOn = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """How a stream's new versions are judged: `judge` takes the version, and raises what `go_on` raises to stop it."""

    judge: Callable[[str, GoOn], Judgement]
    receivers: tuple[str, ...] = ()


def judge_one(conn: Connection, keepers: Mapping[str, Gatekeeper], go_on: GoOn, clock: Callable[[], datetime]) -> bool:
    """Run the gate for the oldest new version that waits for it, by the names of streams; False where none does.

    It may take minutes. What stops it undoes all of it, and it is run anew.
    """
    intent = gates.claim(conn, list(keepers), since=clock() - OLDEST)
    if intent is None:
        return False
    keeper = keepers[intent.stream.partition("/")[0]]
    judgement = keeper.judge(intent.new_version, go_on)
    gated = Gated(intent.id, judgement, clock(), intent.model, intent.stream, intent.new_version)
    settle(conn, gated, keeper.receivers)
    log.info("gate decided", id=gated.id, model=gated.model, version=gated.version, verdict=judgement.verdict)
    return True


def settle(conn: Connection, gated: Gated, receivers: Sequence[str]) -> None:
    """Keep a decision, and tell of it."""
    if not gates.keep(conn, gated):
        return
    event = gate_decided(gated)
    for receiver in receivers:
        draft = outbox.Draft(event.id, receiver, MessageKind.EVENT, event.body())
        outbox.put(conn, draft, state=MessageState.DUE, now=gated.decided_at)
