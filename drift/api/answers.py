"""The shapes of what the API answers, for OpenAPI and for those who read it."""

from datetime import datetime

from pydantic import BaseModel

from drift.pipeline.intake import Receipt
from drift.records import Cause, Diagnosed, KeptAttribution, Measurement, tally
from drift.slo import Calibration
from drift.store.fleet import Standing
from drift.store.reads import AlertRow, StreamRow

SHOWN = 1000  # faults listed one by one; all are counted


class FaultAnswer(BaseModel):
    """One row that was not accepted: its position in the batch, the reason, and what was found."""

    row: int
    reason: str
    detail: str


class ReceiptAnswer(BaseModel):
    """What became of a batch. It is durable: it may be forgotten by the sender."""

    received: int
    accepted: int
    rejected: int
    rejected_by_reason: dict[str, int]
    faults: list[FaultAnswer]
    duplicate: bool

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptAnswer":
        return cls(
            received=receipt.received,
            accepted=receipt.accepted,
            rejected=receipt.received - receipt.accepted,
            rejected_by_reason={str(reason): count for reason, count in tally(receipt.faults).items()},
            faults=[FaultAnswer(row=f.row, reason=f.reason, detail=f.detail) for f in receipt.faults[:SHOWN]],
            duplicate=receipt.duplicate,
        )


class StreamAnswer(BaseModel):
    """A registered stream; rows for windows before `open_from` are late."""

    key: str
    model: str
    version: str
    dim: int
    segment: str
    team: str
    open_from: datetime | None

    @classmethod
    def of(cls, row: StreamRow) -> "StreamAnswer":
        s = row.stream
        return cls(
            key=s.key,
            model=s.model,
            version=s.version,
            dim=s.dim,
            segment=s.segment,
            team=row.team,
            open_from=row.open_from,
        )


class MeasurementAnswer(BaseModel):
    """One detector's number for one window; see the detector for its unit.

    `percentiles` are those of its rows at .5, .75, .9, .95, .99 and 1, where the detector has a number for each row.
    """

    stream: str
    detector: str
    start: datetime
    end: datetime
    value: float
    p_value: float | None
    low: float | None
    high: float | None
    band_low: float | None
    band_high: float | None
    rows: int
    reference: str
    percentiles: tuple[float, ...]

    @classmethod
    def of(cls, m: Measurement) -> "MeasurementAnswer":
        return cls(
            stream=m.stream,
            detector=m.detector,
            start=m.span.start,
            end=m.span.end,
            value=m.value,
            p_value=m.p_value,
            low=m.low,
            high=m.high,
            band_low=m.band_low,
            band_high=m.band_high,
            rows=m.rows,
            reference=m.reference,
            percentiles=m.percentiles,
        )


class AttributionAnswer(BaseModel):
    """Where the change in one window comes from: clusters and segments add up to what the statistic `by` moved by."""

    measurement: MeasurementAnswer
    attribution: KeptAttribution

    @classmethod
    def of(cls, m: Measurement, kept: KeptAttribution) -> "AttributionAnswer":
        return cls(measurement=MeasurementAnswer.of(m), attribution=kept)


class DiagnosisAnswer(BaseModel):
    """Why a stretch is as it is, and by which numbers it is not otherwise; `slo` asked, "" where a person did."""

    stream: str
    slo: str
    start: datetime
    end: datetime
    made_at: datetime
    causes: list[Cause]
    ruled_out: list[str]
    against: dict[str, str]

    @classmethod
    def of(cls, made: Diagnosed) -> "DiagnosisAnswer":
        found, span = made.found, made.span
        return cls(
            stream=made.stream,
            slo=made.slo,
            start=span.start,
            end=span.end,
            made_at=made.made_at,
            causes=[*found.causes],
            ruled_out=[*found.ruled_out],
            against={**found.against},
        )


class CalibrationAnswer(BaseModel):
    """How many healthy windows of late were bad, and the 99 % interval of their share; at most `expected` should be."""

    windows: int
    bad: int
    expected: float
    low: float
    high: float
    too_many: bool

    @classmethod
    def of(cls, found: Calibration) -> "CalibrationAnswer":
        (low, high), counts = found.interval, {"windows": found.windows, "bad": found.bad}
        return cls(**counts, expected=found.alpha, low=low, high=high, too_many=found.too_many)


class StatusAnswer(BaseModel):
    """One objective of one stream now. Burns are budgets a period, of the rule nearest to firing.

    `calibration` says whether a test keeps its level; null where the objective promises none. `judged_by` says which
    p-value the newest window was judged by, where the objective is calibrated on windows, else it is "". Of `events` in
    it `bad_events` were bad; null where the objective counts windows.
    `suppressed_by` is the id of the maintenance window that is on, else "".
    """

    stream: str
    slo: str
    state: str
    outcome: str
    budget_remaining: float
    rule: str
    burn_long: float
    burn_short: float
    exhausts_in_seconds: float | None
    last_window_end: datetime
    calibration: CalibrationAnswer | None
    judged_by: str
    suppressed_by: str
    events: int | None
    bad_events: int | None

    @classmethod
    def of(cls, standing: Standing) -> "StatusAnswer":
        row = standing.budget
        return cls(
            stream=row.stream,
            slo=row.slo,
            state=standing.state,
            outcome=row.outcome,
            budget_remaining=row.remaining,
            rule=row.rule,
            burn_long=row.burn_long,
            burn_short=row.burn_short,
            exhausts_in_seconds=None if row.exhausts_in is None else row.exhausts_in.total_seconds(),
            last_window_end=row.span.end,
            calibration=CalibrationAnswer.of(standing.calibration) if standing.calibration else None,
            judged_by=str(row.conformal or ""),
            suppressed_by=standing.suppressed_by,
            events=row.events.total if row.events else None,
            bad_events=row.events.bad if row.events else None,
        )


class AlertAnswer(BaseModel):
    """One episode of an alert and what its receivers were told; `false_by` who marked it, `acknowledged_by` has it."""

    id: str
    stream: str
    slo: str
    kind: str
    state: str
    started_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    rule: str
    labels: dict[str, str]
    annotations: dict[str, str]
    false_by: str | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    acknowledged_note: str

    @classmethod
    def of(cls, row: AlertRow) -> "AlertAnswer":
        a, taken = row.alert, row.acknowledged
        return cls(
            id=a.id,
            stream=a.stream,
            slo=a.slo,
            kind=a.kind,
            state=a.state,
            started_at=a.started_at,
            fired_at=a.fired_at,
            resolved_at=a.resolved_at,
            rule=a.rule,
            labels=dict(row.labels),
            annotations=dict(row.annotations),
            false_by=row.false_by,
            acknowledged_by=taken.by if taken else None,
            acknowledged_at=taken.at if taken else None,
            acknowledged_note=taken.note if taken else "",
        )
