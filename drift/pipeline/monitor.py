"""A declared stream with everything that measures it, and what a window's measurement finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from collectors.base import Collector
from detectors.base import Detector, Merging
from drift.encoder.base import Encoder
from drift.pipeline.environment import Environment
from drift.records import (
    Gap,
    GapReason,
    Measurement,
    Reference,
    RetrainPolicy,
    Sketch,
    Span,
    Stream,
    merged_name,
    parse_name,
)
from drift.slo import Outcome, Slo
from drift.store.outbox import MessageState


@dataclass(frozen=True, slots=True)
class Outlet:
    """Who is told, by name; messages start in `state`.

    `webhooks` are asked to retrain, `listeners` are told of alerts over webhooks. `policy` says how the stream's model
    may be asked for.
    """

    alertmanagers: tuple[str, ...]
    webhooks: tuple[str, ...]
    dashboard_url: str
    state: MessageState = MessageState.DUE
    listeners: tuple[str, ...] = ()
    api_url: str = ""
    policy: RetrainPolicy = field(default_factory=RetrainPolicy)


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """One declared stream.

    `parts` are all of its traffic, then its segments; `references` and `slos` are by their keys. `merge` says how many
    windows are measured together, beside each of them, by the detectors that can. `candidates` are models by name that
    may have been served in place of `encoder`. `environment` is there where an encoder is, unless it is turned off.
    `tenant` is whose traffic all of it is, "" where it is not one tenant's.
    """

    stream: Stream
    parts: tuple[Stream, ...]
    collector: Collector
    detectors: tuple[Detector, ...]
    references: Mapping[str, Reference]
    encoder: Encoder | None
    slos: Mapping[str, tuple[Slo, ...]]
    outlet: Outlet
    window: timedelta
    merge: tuple[int, ...]
    lateness: timedelta
    sample: int
    reencode: int
    team: str
    runbook_url: str
    candidates: Mapping[str, Encoder] = field(default_factory=dict)
    environment: Environment | None = None
    tenant: str = ""

    def detector(self, name: str) -> Detector | Environment | None:
        """That whose measurements, of one window or of several merged, are called `name`."""
        if self.environment is not None and name == self.environment.name:
            return self.environment
        return next((detector for detector in self.detectors if detector.name == parse_name(name)[0]), None)

    @property
    def merging(self) -> list[Merging]:
        """The detectors that can measure windows together."""
        return [detector for detector in self.detectors if isinstance(detector, Merging)]

    @property
    def measured_names(self) -> list[str]:
        """What the measurements are called: of single windows, of the environment, and of merged windows."""
        single = [detector.name for detector in self.detectors] + ([self.environment.name] if self.environment else [])
        return single + [merged_name(each.name, windows) for each in self.merging for windows in self.merge]

    def slos_over(self, stream: Stream, windows: int) -> list[Slo]:
        """The objectives of `stream` whose slots are that many windows long."""
        return [slo for slo in self.slos[stream.key] if slo.interval == windows * self.window]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the detectors made of one window, or of several merged. A gap without a detector stands for all of them.

    `sketches` are the sums that detectors made of one window, by their names. `suppressed_by` is the id of a
    maintenance window that was on at some time in `span`, "" where none was: what was measured does not count then.
    """

    stream: Stream
    span: Span
    measurements: tuple[Measurement, ...] = ()
    gaps: tuple[Gap, ...] = ()
    sketches: tuple[tuple[str, Sketch], ...] = ()
    windows: int = 1
    suppressed_by: str = ""

    def of(self, detector: str) -> Measurement | None:
        return next((m for m in self.measurements if m.detector == detector), None)

    def outcome(self, slo: Slo) -> Outcome:
        """The measurement's verdict; without one MISSING when nothing came, INSUFFICIENT when too little did."""
        if (measured := self.of(slo.sli.detector)) is not None:
            return slo.sli.judge(measured)
        reasons = {gap.reason for gap in self.gaps if gap.detector in {"", slo.sli.detector}}
        nothing = not reasons or reasons & {GapReason.NO_DATA, GapReason.NO_ANSWER, GapReason.FAILED}
        return Outcome.MISSING if nothing else Outcome.INSUFFICIENT
