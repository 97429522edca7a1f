"""A retraining that gave a new version is followed by the gate: what it decides is kept, and told."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from drift.errors import UnknownGateError
from drift.notify.announce import gate_decided
from drift.records import Gated, Judgement
from drift.store import gates, outbox
from drift.store.connect import Connection, Engine
from drift.store.outbox import MessageKind, MessageState

log = structlog.get_logger()
OLDEST: Final = timedelta(days=1)
"""A version that came longer ago is no news: it serves, or it does not."""

_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

GoOn = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """How a stream's new versions are judged: `judge` takes the version, and raises what `go_on` raises to stop it."""

    judge: Callable[[str, GoOn], Judgement]
    receivers: tuple[str, ...] = ()


def fault_of(version: str) -> str:
    """Why no gate can use `version`, of which it makes a path, and which anybody may name who tells of a retraining;
    "" where one can.
    """
    if _VERSION.fullmatch(version) and ".." not in version:
        return ""
    return f"version {version!r} cannot be part of a path: letters, digits and . _ + - are wanted"


def judge_one(engine: Engine, keepers: Mapping[str, Gatekeeper], go_on: GoOn, clock: Callable[[], datetime]) -> bool:
    """Run the gate for the oldest new version that waits for it, by the names of streams; False where none does.

    It may take minutes, in which no transaction is open. Where it is stopped nothing is kept, and it is run anew.
    """
    with gates.claimed(engine, list(keepers), since=clock() - OLDEST) as intent:
        if intent is None:
            return False
        keeper = keepers[intent.stream.partition("/")[0]]
        judgement = keeper.judge(intent.new_version, go_on)
        gated = Gated(intent.id, judgement, clock(), intent.model, intent.stream, intent.new_version)
        with engine.begin() as conn:
            settle(conn, gated, keeper.receivers)
    log.info("gate decided", id=gated.id, model=gated.model, version=gated.version, verdict=judgement.verdict)
    return True


def named(conn: Connection, prefix: str) -> Gated:
    """The decision whose id begins with `prefix`.

    Raises:
        UnknownGateError: there is none, or more than one.
    """
    found = gates.beginning_with(conn, prefix)
    if len(found) != 1:
        many = "more than one begins so" if found else "none does"
        raise UnknownGateError(
            f"no single decision has an id that begins with {prefix!r}, {many}: see `drift gate list`"
        )
    return found[0]


def settle(conn: Connection, gated: Gated, receivers: Sequence[str]) -> None:
    """Keep a decision, and tell of it."""
    if not gates.keep(conn, gated):
        return
    event = gate_decided(gated)
    for receiver in receivers:
        draft = outbox.Draft(event.id, receiver, MessageKind.EVENT, event.body())
        outbox.put(conn, draft, state=MessageState.DUE, now=gated.decided_at)
