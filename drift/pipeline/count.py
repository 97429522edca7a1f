"""How one window counts: its verdict, the budget after it, the alerts that change, and who must be told of them."""

from dataclasses import replace

from drift.alert import Alert, AlertKind, AlertState, transition
from drift.notify import alertmanager, announce, compose
from drift.notify.moved import moved_most
from drift.pipeline import diagnose, retrains
from drift.pipeline.judge import judge
from drift.pipeline.monitor import Findings, Monitor
from drift.records import tenant_of
from drift.slo import Outcome, Slo, Slot, Spent, budget
from drift.store import objectives, outbox, reads, writes
from drift.store.connect import Connection
from drift.store.outbox import MessageKind, MessageState


def count(conn: Connection, monitor: Monitor, slo: Slo, findings: Findings) -> None:
    """Count the slot of `findings` against the budget of `slo`, and enqueue what its alerts have to say."""
    verdict = judge(conn, monitor, slo, findings)
    events = slo.events(verdict.measurement) if verdict.outcome.is_verdict else None
    slot = Slot(findings.span, verdict.outcome, events)
    spent = {back: so_far + Spent.of(slot) for back, so_far in objectives.spent(conn, slo, slot.span.end).items()}
    left = budget(slo, spent, slot.span.end)
    step = transition(reads.watch(conn, slo), slo, slot, left)
    writes.save_slot(conn, slo, slot, left, verdict.conformal)
    writes.save_watch(conn, slo, step.watch, slot)
    if slot.outcome is Outcome.BAD:
        diagnose.ask(conn, monitor, slo, findings, changed=step.changed, budget=left)
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
        since=slot.span.start,  # each alert has its own, below
        measurement=verdict.measurement,
        meaning=detector.meaning if detector else "",
        next_step=detector.next_step if detector else "",
        conformal=verdict.conformal,
        moved=moved_most(findings.measurements),
        api_url=monitor.outlet.api_url,
        tenant=tenant_of(findings.stream.key, monitor.tenant),
    )
    for alert in step.changed:
        enqueue(conn, monitor, alert, of_episode(conn, alert, context, slot))
    for alert in step.watch.open:
        if alert not in step.changed:
            # It goes on: what is repeated about it should be true now.
            keep(conn, monitor, alert, of_episode(conn, alert, context, slot))


def of_episode(conn: Connection, alert: Alert, context: compose.Context, slot: Slot) -> compose.Context:
    """`context` with what is known of this very episode: since when, by which rule it fired, and why."""
    since = objectives.since(conn, context.slo, alert, slot)
    fires_now = alert.fired_at == slot.span.end
    fired_by = alert.rule if fires_now else objectives.fired_by(conn, alert)
    return replace(context, since=since, fired_by=fired_by, diagnosed=diagnose.newest(conn, alert, since))


def enqueue(conn: Connection, monitor: Monitor, alert: Alert, context: compose.Context) -> None:
    """Keep the alert's new state, and with it the messages that tell of it."""
    outlet, at = monitor.outlet, context.budget.at
    labels, annotations = keep(conn, monitor, alert, context)
    if alert.state not in {AlertState.FIRING, AlertState.RESOLVED}:
        return
    told = alertmanager.draft(compose.notice(alert, labels, annotations))
    for name in outlet.alertmanagers:
        message = outbox.Draft(alert.message_id(alert.state), name, MessageKind.ALERT, told, alert.subject)
        outbox.put(conn, message, state=outlet.state, now=at)
    if outlet.listeners:
        event = announce.alert_changed(alert, context, labels, annotations)
        for name in outlet.listeners:
            outbox.put(conn, outbox.Draft(event.id, name, MessageKind.EVENT, event.body()), state=outlet.state, now=at)
    if alert.state is AlertState.FIRING and alert.kind is AlertKind.PAGE and context.slo.retrain:
        retrains.ask(conn, monitor, alert, context)


def keep(
    conn: Connection, monitor: Monitor, alert: Alert, context: compose.Context
) -> tuple[dict[str, str], dict[str, str]]:
    """Keep the alert as it is now; return its labels and annotations."""
    labels, annotations = compose.labels(alert, context), compose.annotations(alert, context)
    muted = monitor.outlet.state is MessageState.MUTED
    writes.save_alert(conn, alert, labels=labels, annotations=annotations, muted=muted)
    return labels, annotations
