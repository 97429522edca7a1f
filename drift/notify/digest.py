"""What a digest says: the tickets of one team since the last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import quote

from drift.alert import Alert, AlertState
from drift.notify.events import Digest, DigestData, TicketData, short

MOST_TICKETS: Final = 40
"""More would not fit into the 20 kB that receivers take; `alerts` counts them all."""


def digest_id(owner: str, day: date) -> str:
    """Names the digest of `owner` on `day`; what no header can hold is written as in a URL, a full stop too."""
    return f"digest:{quote(owner, safe=' ').replace('.', '%2E').replace(' ', '+')}:{day.isoformat()}"


@dataclass(frozen=True, slots=True)
class Ticket:
    """An alert of low severity with its annotations, as it is now."""

    alert: Alert
    annotations: Mapping[str, str]


def digest(id_: str, owner: str, tickets: Sequence[Ticket], *, until: datetime) -> Digest:
    """The digest of `owner` at `until`."""
    alerts = [ticket.alert for ticket in tickets]
    data = DigestData(
        owner=owner,
        until=until,
        alerts=len(alerts),
        open=sum(alert.state is AlertState.FIRING for alert in alerts),
        distinct=len({(alert.stream, alert.slo, alert.kind) for alert in alerts}),
        tickets=[_told(ticket) for ticket in tickets[:MOST_TICKETS]],
    )
    return Digest(id=id_, source="drift", time=until, data=data)


def _told(ticket: Ticket) -> TicketData:
    alert, said = ticket.alert, ticket.annotations
    return TicketData(
        stream=alert.stream,
        slo=alert.slo,
        kind=alert.kind,
        state=alert.state,
        fired_at=alert.fired_at,
        resolved_at=alert.resolved_at,
        summary=short(said.get("summary", "")),
        dashboard_url=said.get("dashboard_url", ""),
    )
