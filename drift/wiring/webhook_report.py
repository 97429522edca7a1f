"""What is said of webhooks and their messages, to people and to programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from rich.table import Table
from rich.text import Text

from drift.config import Config
from drift.store import endpoints, reads
from drift.store.connect import Connection
from drift.store.messages import StoredMessage


@dataclass(frozen=True, slots=True)
class Standing:
    """A webhook of the configuration, and how it goes with it."""

    name: str
    adapter: str
    url: str
    events: tuple[str, ...]
    waiting: int
    sent: int
    dead: int
    disabled_at: datetime | None
    paused_until: datetime | None
    why: str

    @property
    def state(self) -> str:
        return "disabled" if self.disabled_at else "enabled"


def standings(conn: Connection, config: Config) -> list[Standing]:
    """The webhooks of `config`, in its order."""
    known = endpoints.endpoints(conn)
    counts = {(receiver, state): number for receiver, state, number in reads.message_counts(conn)}
    found = []
    for webhook in config.receivers.webhooks:
        row = known.get(webhook.name)
        due, sent, dead = (counts.get((webhook.name, state), 0) for state in ("due", "sent", "dead"))
        remembered = (None, None, "") if row is None else (row.disabled_at, row.paused_until, row.why)
        events = tuple(map(str, webhook.events))
        found.append(Standing(webhook.name, webhook.adapter, webhook.url, events, due, sent, dead, *remembered))
    return found


def as_json(standing: Standing) -> dict[str, object]:
    """One webhook as a dictionary."""
    times = {name: _iso(getattr(standing, name)) for name in ("disabled_at", "paused_until")}
    return asdict(standing) | times | {"state": standing.state}


def as_table(found: Sequence[Standing]) -> Table:
    """The same for people."""
    table = Table(caption="disabled: it answered 410; `drift webhook enable NAME` sends again")
    for name in ("name", "kind", "url", "told of", "state", "waiting", "sent", "given up"):
        table.add_column(name, overflow="fold", justify="right" if name in {"waiting", "sent", "given up"} else "left")
    for one in found:
        numbers = (str(one.waiting), str(one.sent), str(one.dead))
        cells = (one.name, one.adapter, one.url, ", ".join(one.events), one.state, *numbers)
        table.add_row(*map(Text, cells), style="red" if one.disabled_at else "")
    if not found:
        table.caption = "the configuration has no webhooks (`receivers.webhooks`)"
    return table


def message_as_json(message: StoredMessage) -> dict[str, object]:
    """A message to one receiver as a dictionary."""
    times = {name: _iso(getattr(message.delivery, name)) for name in ("created_at", "due_at", "sent_at")}
    return asdict(message.delivery) | times | {"body": json.loads(message.body)}


def messages_as_text(found: Sequence[StoredMessage]) -> str:
    """A message and its receivers, for people."""
    lines = [f"message {found[0].delivery.id} ({found[0].delivery.kind})"]
    for one in found:
        d = one.delivery
        due = f"{d.state}, next {d.due_at:%Y-%m-%d %H:%M:%S} UTC" if d.state == "due" else d.state
        when = f"sent {d.sent_at:%Y-%m-%d %H:%M:%S} UTC" if d.sent_at else due
        answer = "" if d.status is None else f", HTTP {d.status}"
        lines.append(f"  to {d.receiver}: {when}, {d.attempts} attempts{answer}" + (f"; {d.error}" if d.error else ""))
    return "\n".join([*lines, json.dumps(json.loads(found[0].body), indent=2, ensure_ascii=False)])


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
