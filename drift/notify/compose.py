"""What an alert says: labels that identify it, and annotations that explain it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from drift.alert import Alert, AlertKind, digest
from drift.config.values import format_duration
from drift.notify.base import Notice
from drift.records import NONE, Diagnosed, Measurement, Stream, parse_name
from drift.slo import Budget, BudgetingMethod, Burn, Conformal, Slo


@dataclass(frozen=True, slots=True)
class Context:
    """All that is known when an alert changes: `measurement` is the window's as it was judged, None where it has none.

    `meaning` and `next_step` are the detector's plain words. `conformal` says where the judged p-value comes from,
    where the objective is calibrated on windows. `diagnosed` is the diagnosis to believe first. `moved` says what
    has moved most. In `runbook_url`, "{alert}" stands for the page on the alert. `api_url` is where the service itself
    answers. `tenant` is whose traffic it is, "" where it is not one tenant's. `fired_by` is the rule on which
    the alert fired, where it has: the alert's own is the one that was true last.
    """

    stream: Stream
    team: str
    runbook_url: str
    dashboard_url: str
    slo: Slo
    budget: Budget
    since: datetime
    measurement: Measurement | None
    meaning: str
    next_step: str
    conformal: Conformal | None = None
    diagnosed: Diagnosed | None = None
    moved: str = ""
    api_url: str = ""
    tenant: str = ""
    fired_by: str = ""


ALERT_NAMES: Final = {
    AlertKind.PAGE: "ErrorBudgetBurn",
    AlertKind.TICKET: "ErrorBudgetBurn",
    AlertKind.NODATA: "EvaluationMissing",
    AlertKind.INSUFFICIENT: "InsufficientSamples",
    AlertKind.EXHAUSTED: "ErrorBudgetExhausted",
}


NEXT_STEPS: Final = {
    AlertKind.NODATA: "See whether rows still arrive, and whether the collector's source and the service are up: "
    "nothing is known about these embeddings until they are.",
    AlertKind.INSUFFICIENT: "Send more rows, labels or inputs, or lengthen the stream's window.",
}


def labels(alert: Alert, context: Context) -> dict[str, str]:
    """What identifies the alert, and nothing that changes while it fires: a changed label would be a new alert."""
    found = {
        "alertname": ALERT_NAMES[alert.kind],
        "model_id": context.stream.model,
        "job_id": context.stream.key,
        "tenant": context.tenant,
        "segment": context.stream.segment,
        "slo": alert.slo,
        "severity": alert.kind.severity.value,
        "team": context.team,
        "service": "drift",
    }
    return {name: value for name, value in found.items() if value}


def annotations(alert: Alert, context: Context) -> dict[str, str]:
    """What an on-call engineer needs: what moved, by how much, how fast the budget goes, and what to do."""
    burn = context.budget.burn_of(alert.rule)
    found = {
        "summary": _summary(alert, context),
        "description": _description(alert, context, burn),
        "next_step": NEXT_STEPS.get(alert.kind, context.next_step),
        "threshold": str(context.slo.sli),
        "calibration": str(context.conformal or ""),
        "rule": alert.rule,
        "fired_by": context.fired_by,
        "window_long": format_duration(context.slo.long(burn.rule)),
        "window_short": format_duration(context.slo.short(burn.rule)),
        "burn_rate_long": f"{float(burn.long):.1f}",
        "burn_rate_short": f"{float(burn.short):.1f}",
        "budget_remaining_ratio": f"{float(context.budget.remaining):.4f}",
        "since": context.since.isoformat(),
        "runbook_url": context.runbook_url.replace("{alert}", page(alert, context)),
        "dashboard_url": link(alert, context),
    }
    if burn.exhausts_in is not None:
        found["exhausts_in"] = _about(burn.exhausts_in)
        found["exhausts_at"] = (context.budget.at + burn.exhausts_in).isoformat(timespec="seconds")
    if (measured := context.measurement) is not None:
        found["value"] = f"{context.slo.sli.number(measured):.4g}"
        found["rows"] = str(measured.rows)
        found["reference"] = measured.reference[:12]
    if alert.kind not in NEXT_STEPS:
        found["moved_most"] = context.moved
        found |= diagnosed(context.diagnosed) if context.diagnosed else {}
    return {name: value for name, value in found.items() if value}


def page(alert: Alert, context: Context) -> str:
    """The runbook's page on the alert; on a burning budget, with the section on the objective's detector."""
    name = ALERT_NAMES[alert.kind]
    burns = alert.kind in {AlertKind.PAGE, AlertKind.TICKET}
    return f"{name}#{parse_name(context.slo.sli.detector)[0]}" if burns else name


def diagnosed(diagnosed: Diagnosed) -> dict[str, str]:
    """What the alerts of a stream say about their cause: its slug, how likely it is with the evidence, what to do."""
    first, span = diagnosed.found.causes[0], diagnosed.span
    when = f"Seen in rows of {span.start:%H:%M:%S} to {span.end:%H:%M:%S} UTC"
    healthy = first.cause == NONE
    name = "The newest window that was diagnosed looks healthy" if healthy else first.cause
    said = {"cause": first.cause, "diagnosis": f"{name} ({first.score:.0%}). {first.evidence} {when}."}
    return said | ({"next_step": first.next_step} if first.is_named else {})


def notice(alert: Alert, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Notice:
    """The alert as an Alertmanager wants to be told."""
    link = annotations.get("dashboard_url", "")
    return Notice(labels, annotations, alert.began, alert.resolved_at, link)


def retrain_id(alert: Alert, context: Context) -> str:
    """Names one intent to retrain: the same incident always gives the same id, whatever crashes in between."""
    reference = context.measurement.reference if context.measurement else ""
    fired = alert.began
    return "msg_" + digest(context.stream.model, context.stream.key, alert.slo, reference, fired.isoformat())


def _summary(alert: Alert, context: Context) -> str:
    where = f"{context.stream.key} ({alert.slo})"
    match alert.kind:
        case AlertKind.PAGE | AlertKind.TICKET:
            return f"{where}: {context.meaning}"
        case AlertKind.NODATA:
            return f"{where}: no window could be evaluated; nothing is known about these embeddings"
        case AlertKind.INSUFFICIENT:
            return f"{where}: windows arrive, but with too little in them for a verdict"
        case AlertKind.EXHAUSTED:
            return f"{where}: the error budget of {format_duration(context.slo.period)} is spent"


def _description(alert: Alert, context: Context, burn: Burn) -> str:
    slo, parts = context.slo, []
    if (measured := context.measurement) is not None:
        number = slo.sli.number(measured)
        told = f" ({context.conformal})" if context.conformal else ""
        parts.append(f"Measured {number:.4g}{told} over {measured.rows} rows; good is {slo.sli}.")
    long, short = format_duration(slo.long(burn.rule)), format_duration(slo.short(burn.rule))
    what = "rows in " if slo.method is BudgetingMethod.OCCURRENCES else ""
    parts.append(
        f"The error budget ({float(slo.budget):.3g} of {what}{format_duration(slo.period)}) burns "
        f"{float(burn.long):.1f} times too fast over {long} and {float(burn.short):.1f} times over {short}; "
        f"rule {burn.rule.name!r} fires above {float(slo.threshold(burn.rule)):g}."
    )
    parts.append(f"Budget left: {float(context.budget.remaining):.1%}.")
    if burn.exhausts_in is not None:
        parts.append(f"At this rate it lasts {_about(burn.exhausts_in)}.")
    parts.append(f"Since {context.since:%Y-%m-%d %H:%M:%S} UTC.")
    if alert.resolved_at is not None:
        parts.append(f"Resolved {alert.resolved_at:%Y-%m-%d %H:%M:%S} UTC.")
    return " ".join(parts)


def link(alert: Alert, context: Context) -> str:
    """The page of this very episode."""
    named = {"stream": alert.stream, "slo": alert.slo, "kind": alert.kind, "since": alert.started_at.isoformat()}
    return f"{context.dashboard_url}/incident?{urlencode(named)}"


def _about(length: timedelta) -> str:
    """`length` in its largest unit and the next: enough at 3 a.m."""
    for unit, finest in ((_DAY, _HOUR), (_HOUR, _MINUTE), (_MINUTE, _SECOND)):
        if length >= unit:
            return format_duration(length // finest * finest)
    return format_duration(length // _SECOND * _SECOND)


_SECOND, _MINUTE, _HOUR, _DAY = (timedelta(seconds=s) for s in (1, 60, 3600, 86_400))
