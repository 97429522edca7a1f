"""Two versions of a model side by side: inputs that both have served are paired, and each window may decide."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

import numpy as np
import structlog
from jaxtyping import Bool, Int64

from detectors import PairedSequence, Skew
from drift.errors import EncoderError, UnknownCanaryError, UnmeasurableError
from drift.gate.canary import decide, known
from drift.gate.signals import known_flags, right_flags, within_flags
from drift.notify.announce import canary_decided
from drift.pipeline.measure import recompute
from drift.pipeline.monitor import Monitor
from drift.records import Canary, CanaryRule, CanaryState, Rows, Span, Tally, Texts, Window, canary_id
from drift.store import canaries, outbox
from drift.store.connect import Connection
from drift.store.outbox import MessageKind, MessageState

log = structlog.get_logger()
AT_ONCE: Final = 16  # windows in one transaction


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A candidate stream beside its baseline, by what `rule`, and the webhooks that are told of the decision."""

    baseline: Monitor
    candidate: Monitor
    rule: CanaryRule
    receivers: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        old, new = (f"{side.stream.key}@{side.stream.version}" for side in (self.baseline, self.candidate))
        return canary_id(old, new, self.rule)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a signal says of n rows: which it can judge, and which of these are right."""

    judged: Bool[np.ndarray, "n"]
    right: Bool[np.ndarray, "n"]


def advance(conn: Connection, trial: Trial, *, now: datetime) -> Canary:
    """Count the windows that both streams have by now, and decide after each; a decision stands.

    It may be called at any time, by several processes.
    """
    found = canaries.begin(conn, _begun(trial, now))
    if found.state is not CanaryState.WAIT:
        return found
    before = found
    old, new = trial.baseline.stream.key, trial.candidate.stream.key
    for span, rows, others in canaries.both(conn, old, new, since=found.counted_until, most=AT_ONCE):
        found = _counted(trial, found, span, (rows, others))
        word = decide(found.tallies, found.rule)
        if word.state is not CanaryState.WAIT:
            found = replace(found, state=word.state, decided_at=now, detail=word.why)
            _tell(conn, trial, found, now)
            break
    if found != before:
        canaries.keep(conn, found)
    return found


def named(conn: Connection, prefix: str) -> Canary:
    """The trial whose id begins with `prefix`.

    Raises:
        UnknownCanaryError: there is none, or more than one.
    """
    found = canaries.beginning_with(conn, prefix)
    if len(found) != 1:
        many = "more than one begins so" if found else "none does"
        raise UnknownCanaryError(
            f"no single canary has an id that begins with {prefix!r}, {many}: see `drift canary list`"
        )
    return found[0]


def _begun(trial: Trial, now: datetime) -> Canary:
    old, new = trial.baseline.stream, trial.candidate.stream
    # From the window that is open on: what was served before may have been another version's.
    since = Span.containing(now, trial.candidate.window).start
    tallies = tuple(Tally(name) for name in trial.rule.signals)
    return Canary(
        trial.id, new.model, old.key, new.key, old.version, new.version, trial.rule, tallies, now, counted_until=since
    )


def _counted(trial: Trial, before: Canary, span: Span, sides: tuple[Rows, Rows]) -> Canary:
    """`before` with one more window of both."""
    at = paired(*sides)
    monitors = (trial.baseline, trial.candidate)
    windows = [
        Window(monitor.stream, span, _labelled(side.take(own), other.take(others)), len(own))
        for monitor, side, other, own, others in zip(monitors, sides, sides[::-1], at, at[::-1], strict=True)
    ]
    tallies, lacks = [], []
    for tally in before.tallies:
        try:
            old, new = (SIGNALS[tally.name](w, m) for w, m in zip(windows, monitors, strict=True))
            both = old.judged & new.judged
            found = PairedSequence(lost=tally.lost, same=tally.same, gained=tally.gained)
            found = found.update(old.right[both], new.right[both])
            tallies.append(known(Tally(tally.name, found.lost, found.same, found.gained), before.rule))
        except (UnmeasurableError, EncoderError) as error:
            tallies.append(tally)
            lacks.append(f"{tally.name}: {error}")
    return replace(
        before,
        tallies=tuple(tallies),
        counted_until=span.end,
        windows=before.windows + 1,
        pairs=before.pairs + len(at[0]),
        detail="; ".join(lacks),
    )


def paired(baseline: Rows, candidate: Rows) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
    """Where the rows of the same id are in both, in the baseline's order; an id that comes twice counts once."""
    places = {id_: i for i, id_ in reversed([*enumerate(candidate.ids)]) if id_ is not None}
    found = {id_: i for i, id_ in reversed([*enumerate(baseline.ids)]) if id_ in places}
    ids = sorted(found, key=found.__getitem__)
    old, new = (np.array([at[id_] for id_ in ids], np.int64) for at in (found, places))
    return old, new


def _labelled(rows: Rows, others: Rows) -> Rows:
    """`rows` with the labels and inputs of either side: these are the same inputs, and one sender may know more."""
    labels, inputs = _filled(rows.labels, others.labels), _filled(rows.inputs, others.inputs)
    return replace(rows, labels=labels, inputs=inputs)


def _filled(own: Texts, others: Texts) -> Texts:
    if not (own and others):
        return own or others
    return tuple(b if a is None else a for a, b in zip(own, others, strict=True))


def _probe(window: Window, monitor: Monitor) -> Judged:
    found = right_flags(window.rows, monitor.references[window.stream.key])
    return Judged(*found)


def _novelty(window: Window, monitor: Monitor) -> Judged:
    right = known_flags(window.rows, monitor.references[window.stream.key])
    return Judged(np.ones(len(right), bool), right)


def _skew(window: Window, monitor: Monitor) -> Judged:
    settings = next((one for one in monitor.detectors if isinstance(one, Skew)), Skew())
    return Judged(*within_flags(recompute(window, monitor), settings))


SIGNALS: Final[Mapping[str, Callable[[Window, Monitor], Judged]]] = MappingProxyType(
    {"probe": _probe, "novelty": _novelty, "skew": _skew}
)
"""`probe`: its own reference's probe gives a labelled row its label. `novelty`: the row is not novel to its reference.
`skew`: the served vector is the encoder's."""


def _tell(conn: Connection, trial: Trial, found: Canary, now: datetime) -> None:
    log.info("canary decided", id=found.id, model=found.model, state=found.state, why=found.detail)
    event = canary_decided(found)
    for receiver in trial.receivers:
        draft = outbox.Draft(event.id, receiver, MessageKind.EVENT, event.body())
        outbox.put(conn, draft, state=MessageState.DUE, now=now)
