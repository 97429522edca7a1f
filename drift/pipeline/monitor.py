"""A declared stream with everything that measures it, and what a window's measurement finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from collectors.base import Collector
from detectors.base import Detector
from drift.encoder.base import Encoder
from drift.records import Gap, GapReason, Measurement, Reference, Span, Stream
from drift.slo import Outcome, Slo
from drift.store.outbox import MessageState


@dataclass(frozen=True, slots=True)
class Outlet:
    """Who is told, by name; messages start in `state`."""

    alertmanagers: tuple[str, ...]
    webhooks: tuple[str, ...]
    dashboard_url: str
    resend: timedelta
    state: MessageState = MessageState.DUE


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """One declared stream.

    `parts` are all of its traffic, then its segments; `references` and `slos` are by their keys.
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
    lateness: timedelta
    sample: int
    reencode: int
    team: str
    runbook_url: str

    def detector(self, name: str) -> Detector | None:
        return next((detector for detector in self.detectors if detector.name == name), None)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the detectors made of one window. A gap without a detector stands for all of them."""

    stream: Stream
    span: Span
    measurements: tuple[Measurement, ...]
    gaps: tuple[Gap, ...]

    def of(self, detector: str) -> Measurement | None:
        return next((m for m in self.measurements if m.detector == detector), None)

    def outcome(self, slo: Slo) -> Outcome:
        """The measurement's verdict; without one MISSING when nothing came, INSUFFICIENT when too little did."""
        if (measured := self.of(slo.sli.detector)) is not None:
            return slo.sli.judge(measured)
        reasons = {gap.reason for gap in self.gaps if gap.detector in {"", slo.sli.detector}}
        nothing = not reasons or reasons & {GapReason.NO_DATA, GapReason.FAILED}
        return Outcome.MISSING if nothing else Outcome.INSUFFICIENT
