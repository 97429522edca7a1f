"""Alerts about the service itself. They are told with everything that is repeated, and end when they no longer are."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from drift.notify.base import Notice
from drift.slo import Severity

MOST_SKEW: Final = timedelta(seconds=30)
SILENT_FOR: Final = timedelta(minutes=3)
OWN_ALERTS: Final = ("Watchdog", "ClockSkew", "WebhookDead", "StoreUnreachable")


def watchdog(runbook_url: str, *, now: datetime) -> Notice:
    """Always there: where it stays away, alerts do. An Alertmanager remembers since when it has been told of it."""
    says = "drift reaches this Alertmanager; when this stops, its alerts are lost"
    return _notice("Watchdog", "none", {"summary": says}, runbook_url, since=now)


def clock_skew(peer: str, skew: timedelta | None, runbook_url: str, *, now: datetime) -> Notice | None:
    """An alert where the clock of `peer` is more than 30 s from ours, so that alerts end at wrong times.

    It ends a quarter of an hour after the clocks agree again.
    """
    if skew is None or abs(skew) <= MOST_SKEW:
        return None
    side = "ahead of" if skew > timedelta(0) else "behind"
    seconds = abs(skew) // timedelta(seconds=1)
    says = f"the clock of the Alertmanager {peer} is {seconds} s {side} that of drift: alerts end too early or too late"
    said = {"summary": says, "value": f"{skew.total_seconds():.0f} s", "threshold": f"{MOST_SKEW.seconds} s"}
    return _notice("ClockSkew", Severity.TICKET, said, runbook_url, since=now, peer=peer)


def webhook_dead(receiver: str, messages: int, error: str, runbook_url: str, *, since: datetime) -> Notice:
    """An alert for the last day's messages that a webhook never took; the newest failed with `error`."""
    what = "1 message" if messages == 1 else f"{messages} messages"
    says = f"the webhook {receiver} never took {what}: what they ask for has not begun"
    said = {"summary": says, "since": since.isoformat(), "description": f"The newest failed with: {error}"}
    return _notice("WebhookDead", Severity.TICKET, said, runbook_url, since=since, receiver=receiver)


def store_unreachable(runbook_url: str, *, since: datetime, now: datetime) -> Notice | None:
    """An alert where Postgres has not been read for some minutes."""
    if now - since < SILENT_FOR:
        return None
    says = f"drift has not reached its Postgres since {since:%Y-%m-%d %H:%M} UTC: nothing is measured"
    more = "What fired by then is repeated as it was; what has ended or begun since is not known."
    said = {"summary": says, "since": since.isoformat(), "description": more}
    return _notice("StoreUnreachable", Severity.TICKET, said, runbook_url, since=since)


def dated(notice: Notice, *, read_at: datetime) -> Notice:
    """`notice` as it is repeated while Postgres cannot be read: it says that it is of `read_at`."""
    since = f"As of {read_at:%Y-%m-%d %H:%M:%S} UTC: nothing newer could be read since."
    said = f"{since} {notice.annotations.get('description', '')}".rstrip()
    return replace(notice, annotations={**notice.annotations, "description": said})


def _notice(
    name: str, severity: str, annotations: dict[str, str], runbook_url: str, *, since: datetime, **labels: str
) -> Notice:
    link = runbook_url.replace("{alert}", name)
    identity = {"alertname": name, "severity": str(severity), "service": "drift", **labels}
    return Notice(identity, annotations | ({"runbook_url": link} if link else {}), since)
