"""What the clocks drive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from drift.encoder.cache import CachedEncoder
from drift.notify.base import Notifier
from drift.notify.mlflow import RegistryKey
from drift.notify.peer import Peer
from drift.notify.silences import Silencer
from drift.pipeline import digest as digests
from drift.pipeline.canary import Trial
from drift.pipeline.canary_inputs import CanaryInputs
from drift.pipeline.gates import Gatekeeper
from drift.pipeline.monitor import Monitor
from drift.pipeline.pictures import Painter
from drift.records import Visitor
from drift.store.connect import Engine


@dataclass(slots=True)
class Tally:
    """How often things went wrong since the process started, by name."""

    counts: dict[str, int] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    def add(self, name: str, times: int = 1) -> None:
        with self._turn:
            if times:
                self.counts[name] = self.counts.get(name, 0) + times


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the clocks drive. `failures` counts their work by clock, `refusals` batches by reason.

    `runbook_url` is what alerts about the service itself link to; "{alert}" in it stands for their name.
    `registry` proves that MLflow tells of a new version, where it may. `trials` are candidates beside their baselines,
    `gatekeepers` judge what retraining for alerts of a stream gives, by its name. `canary_inputs` are by the keys that
    they are kept under. `painter` fits pictures of references. `process` tells this one from others on the same
    database. `bearer` says whose a token of the API is; None where nobody needs one.
    """

    engine: Engine
    monitors: Mapping[str, Monitor]
    alertmanagers: Mapping[str, Peer]
    webhooks: Mapping[str, Notifier]
    resend: timedelta
    keep_vectors: timedelta
    keep_history: timedelta
    clock: Callable[[], datetime]
    silencers: Mapping[str, Silencer] = field(default_factory=dict)
    digest: digests.Schedule | None = None
    runbook_url: str = ""
    failures: Tally = field(default_factory=Tally)
    refusals: Tally = field(default_factory=Tally)
    registry: RegistryKey | None = None
    trials: tuple[Trial, ...] = ()
    gatekeepers: Mapping[str, Gatekeeper] = field(default_factory=dict)
    canary_inputs: Mapping[str, CanaryInputs] = field(default_factory=dict)
    process: str = ""
    bearer: Callable[[str], Visitor | None] | None = None
    painter: Painter | None = None

    @property
    def measured(self) -> tuple[Monitor, ...]:
        """The monitors of all streams, and those of their canary inputs."""
        return (*self.monitors.values(), *(canary.monitor for canary in self.canary_inputs.values()))

    def monitor_of(self, key: str) -> Monitor:
        """That of the stream, the segment or the canary inputs of that key."""
        canary = self.canary_inputs.get(key)
        return canary.monitor if canary else self.monitors[key.partition("/")[0]]

    @property
    def encoders(self) -> list[CachedEncoder]:
        """Each encoder of the streams once."""
        found = (monitor.encoder for monitor in self.monitors.values())
        return list({id(each): each for each in found if isinstance(each, CachedEncoder)}.values())

    @property
    def objectives(self) -> frozenset[tuple[str, str]]:
        """The key of the stream and the name of each objective."""
        every = (slo for monitor in self.measured for slos in monitor.slos.values() for slo in slos)
        return frozenset((slo.stream, slo.name) for slo in every)

    @property
    def notifiers(self) -> dict[str, Notifier]:
        return {**self.alertmanagers, **self.webhooks}


class Stopped(Exception):  # noqa: N818  (a turn of events, no error)
    """The service ends: long work is to be given up."""
