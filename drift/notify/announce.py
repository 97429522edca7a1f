"""What webhooks are told of alerts: requests to retrain, and that an alert fires or is over."""

from urllib.parse import quote, urlencode

from drift.alert import Alert, AlertState
from drift.notify.compose import Context, link, retrain_id
from drift.notify.events import (
    AlertData,
    AlertFiring,
    AlertResolved,
    CanaryDecided,
    CauseData,
    Event,
    GateDecided,
    LinksData,
    RetrainData,
    RetrainRequested,
    short,
)
from drift.notify.gate_data import CanaryData, GateData, SignalData
from drift.records import Canary, CanaryState, Gated, Measurement

_PRIVATE = ("diagnosis",)
"""Annotations that may quote a row; whoever may read them finds them on the stream's page."""


def retrain_requested(alert: Alert, context: Context, measured: Measurement) -> RetrainRequested:
    """The request to retrain, for what was `measured` in the window on which `alert` fired."""
    burn, stream = context.budget.burn_of(alert.rule), context.stream
    fired = alert.began
    return RetrainRequested(
        id=retrain_id(alert, context),
        source=f"drift/{stream.key}",
        time=fired,
        data=RetrainData(
            model=stream.model,
            version=stream.version,
            stream=stream.key,
            segment=stream.segment,
            tenant=context.tenant or None,
            team=context.team,
            slo=alert.slo,
            objective=str(context.slo.sli),
            target=float(context.slo.target),
            why=short(context.meaning),
            cause=_cause(context),
            detector=context.slo.sli.detector,
            value=measured.value,
            p_value=measured.p_value,
            rows=measured.rows,
            window=str(measured.span),
            reference=measured.reference,
            since=context.since,
            fired_at=fired,
            rule=alert.rule,
            burn_rate_long=float(burn.long),
            burn_rate_short=float(burn.short),
            budget_remaining_ratio=float(context.budget.remaining),
            links=_links(alert, context, measured),
        ),
    )


def alert_changed(alert: Alert, context: Context, labels: dict[str, str], annotations: dict[str, str]) -> Event:
    """That `alert` fires, or is over."""
    stream = context.stream
    kind = AlertResolved if alert.state is AlertState.RESOLVED else AlertFiring
    data = AlertData(
        model=stream.model,
        version=stream.version,
        stream=stream.key,
        segment=stream.segment,
        team=context.team,
        slo=alert.slo,
        kind=alert.kind,
        severity=alert.kind.severity,
        rule=alert.rule,
        started_at=alert.started_at,
        fired_at=alert.fired_at,
        resolved_at=alert.resolved_at,
        labels=labels,
        annotations={name: short(text) for name, text in annotations.items() if name not in _PRIVATE},
    )
    return kind(id=alert.message_id(alert.state), source=f"drift/{stream.key}", time=context.budget.at, data=data)


def canary_decided(found: Canary) -> CanaryDecided:
    """That a trial, which is decided, is over."""
    promoted = found.state is CanaryState.PROMOTE
    decided = found.decided_at or found.counted_until
    signals = [
        SignalData(name=one.name, rows=one.rows, lost=one.lost, gained=one.gained, low=one.low, high=one.high)
        for one in found.tallies
    ]
    data = CanaryData(
        model=found.model,
        baseline=found.baseline,
        candidate=found.candidate,
        decision="promote" if promoted else "roll_back",
        serve=found.candidate_version if promoted else found.baseline_version,
        previous_version=found.baseline_version,
        new_version=found.candidate_version,
        why=short(found.detail),
        alpha=found.rule.alpha,
        windows=found.windows,
        pairs=found.pairs,
        signals=signals,
        started_at=found.started_at,
        decided_at=decided,
    )
    return CanaryDecided(id=found.id, source=f"drift/{found.candidate}", time=decided, data=data)


def gate_decided(gated: Gated) -> GateDecided:
    """What a gate has decided. The first ten reasons are told; the report has them all."""
    said = gated.judgement
    data = GateData.model_validate(
        {
            "verdict": said.verdict,
            "baseline": said.baseline,
            "candidate": said.candidate,
            "reasons": [short(reason) for reason in said.reasons[:10]],
            "rows": said.rows,
            "model": gated.model,
            "stream": gated.stream,
            "version": gated.version,
            "retrain": gated.id if gated.stream else "",
            "decided_at": gated.decided_at,
        }
    )
    source = f"drift/{gated.stream}" if gated.stream else "drift/gate"
    return GateDecided(id=f"gate_{gated.id}", source=source, time=gated.decided_at, data=data)


def _links(alert: Alert, context: Context, measured: Measurement) -> LinksData:
    window = {"stream": context.stream.key, "at": measured.span.start.isoformat()}
    return LinksData(
        dashboard=link(alert, context),
        window_ids=f"{context.api_url}/v1/windows/ids?{urlencode(window)}",
        status=f"{context.api_url}/v1/retrains/{quote(retrain_id(alert, context), safe='')}/status",
    )


def _cause(context: Context) -> CauseData | None:
    if context.diagnosed is None:
        return None
    first = context.diagnosed.found.causes[0]
    return CauseData(slug=first.cause, score=first.score, next_step=short(first.next_step))
