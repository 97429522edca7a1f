"""What a digest says: the tickets of one team since the last, as structured CloudEvents 1.0 JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import quote

import orjson

from drift.alert import Alert, AlertState

TYPE: Final = "io.drift.digest"


def digest_id(owner: str, day: date) -> str:
    """Names the digest of `owner` on `day`; what no header can hold is written as in a URL, a full stop too."""
    return f"digest:{quote(owner, safe=' ').replace('.', '%2E').replace(' ', '+')}:{day.isoformat()}"


@dataclass(frozen=True, slots=True)
class Ticket:
    """An alert of low severity with its annotations, as it is now."""

    alert: Alert
    annotations: Mapping[str, str]


def digest_body(id_: str, owner: str, tickets: Sequence[Ticket], *, until: datetime) -> bytes:
    """The digest; `distinct` counts an alert that came again once."""
    alerts = [ticket.alert for ticket in tickets]
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": "drift",
        "type": TYPE,
        "time": until.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "owner": owner,
            "until": until.isoformat(),
            "alerts": len(alerts),
            "open": sum(alert.state is AlertState.FIRING for alert in alerts),
            "distinct": len({(alert.stream, alert.slo, alert.kind) for alert in alerts}),
            "tickets": [_told(ticket) for ticket in tickets],
        },
    }
    return orjson.dumps(event)


def _told(ticket: Ticket) -> dict[str, object]:
    alert, said = ticket.alert, ticket.annotations
    return {
        "stream": alert.stream,
        "slo": alert.slo,
        "kind": alert.kind,
        "state": alert.state,
        "fired_at": alert.fired_at,
        "resolved_at": alert.resolved_at,
        "summary": said.get("summary", ""),
        "dashboard_url": said.get("dashboard_url", ""),
    }
