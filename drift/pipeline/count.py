"""How one window counts: its verdict, the budget after it, the alerts that change, and who must be told of them."""

from drift.alert import Alert, AlertKind, AlertState, Step, transition
from drift.notify import alertmanager, compose
from drift.pipeline.monitor import Findings, Monitor
from drift.records import Span
from drift.slo import Outcome, Slo, Slot, budget
from drift.store import objectives, outbox, reads, writes
from drift.store.connect import Connection
from drift.store.outbox import MessageKind, MessageState


def count(conn: Connection, monitor: Monitor, slo: Slo, findings: Findings) -> None:
    """Count the slot of `findings` against the budget of `slo`, and enqueue what its alerts have to say."""
    slot = Slot(findings.span, findings.outcome(slo))
    spent = objectives.spent(conn, slo, slot.span.end)
    if slot.outcome is Outcome.BAD:
        spent = {look_back: so_far.plus(slot) for look_back, so_far in spent.items()}
    left = budget(slo, spent, slot.span.end)
    step = transition(reads.watch(conn, slo), slo, slot, left)
    burning = any(map(_burns, step.watch.open)) or objectives.burning(conn, slo.stream)
    writes.save_slot(conn, slo, slot, left, healthy=not burning)
    writes.save_watch(conn, slo, step.watch, slot.outcome)
    _mark_unhealthy(conn, slo, step)
    if not step.changed and not step.watch.open:
        return
    detector = monitor.detector(slo.sli.detector)
    context = compose.Context(
        stream=findings.stream,
        team=monitor.team,
        runbook_url=monitor.runbook_url,
        dashboard_url=monitor.outlet.dashboard_url,
        slo=slo,
        budget=left,
        since=objectives.bad_since(conn, slo, slot),
        measurement=findings.of(slo.sli.detector),
        meaning=detector.meaning if detector else "",
        next_step=detector.next_step if detector else "",
    )
    for alert in step.changed:
        enqueue(conn, monitor, alert, context)
    for alert in step.watch.open:
        if alert not in step.changed:
            keep(conn, monitor, alert, context)  # it goes on: what is repeated about it should be true now


def _mark_unhealthy(conn: Connection, slo: Slo, step: Step) -> None:
    """What a rule looked back on as it fired was not healthy either."""
    for alert in filter(_burns, step.changed):
        rule = next((rule for rule in slo.rules if rule.name == alert.rule), None)
        if rule is not None and alert.fired_at is not None:
            writes.mark_unhealthy(conn, slo, Span(alert.fired_at - slo.long(rule), alert.fired_at))


def _burns(alert: Alert) -> bool:
    return alert.state is AlertState.FIRING and alert.kind in {AlertKind.PAGE, AlertKind.TICKET}


def enqueue(conn: Connection, monitor: Monitor, alert: Alert, context: compose.Context) -> None:
    """Keep the alert's new state, and with it the messages that tell of it."""
    outlet, at = monitor.outlet, context.budget.at
    labels, annotations = keep(conn, monitor, alert, context)
    if alert.state not in {AlertState.FIRING, AlertState.RESOLVED}:
        return
    told = alertmanager.draft(compose.notice(alert, labels, annotations))
    for name in outlet.alertmanagers:
        message = outbox.Draft(compose.alert_id(alert), name, MessageKind.ALERT, told, compose.alert_subject(alert))
        outbox.put(conn, message, state=outlet.state, now=at)
    if alert.state is AlertState.FIRING and alert.kind is AlertKind.PAGE and context.slo.retrain:
        id_, body = compose.retrain_id(alert, context), compose.retrain_body(alert, context)
        for name in outlet.webhooks:
            outbox.put(conn, outbox.Draft(id_, name, MessageKind.RETRAIN, body), state=outlet.state, now=at)


def keep(
    conn: Connection, monitor: Monitor, alert: Alert, context: compose.Context
) -> tuple[dict[str, str], dict[str, str]]:
    """Keep the alert as it is now; return its labels and annotations."""
    labels, annotations = compose.labels(alert, context), compose.annotations(alert, context)
    muted = monitor.outlet.state is MessageState.MUTED
    writes.save_alert(conn, alert, labels=labels, annotations=annotations, muted=muted)
    return labels, annotations
