"""Webhooks by hand: one is tested, messages are looked up and sent anew."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from drift.config import Config, WebhookConfig
from drift.errors import UnknownReceiverError
from drift.notify.base import Message
from drift.notify.events import TestData, Tested
from drift.notify.webhook import Webhook
from drift.store import messages
from drift.store.connect import Connection
from drift.store.messages import StoredMessage
from drift.store.outbox import MessageState
from drift.store.reads import DeliveryRow
from drift.wiring.build import clock
from drift.wiring.receivers import build_webhook
from drift.wiring.who import whoami


def declared(config: Config, name: str) -> WebhookConfig:
    """The webhook of that name.

    Raises:
        UnknownReceiverError: the configuration has none.
    """
    for webhook in config.receivers.webhooks:
        if webhook.name == name:
            return webhook
    known = ", ".join(webhook.name for webhook in config.receivers.webhooks) or "none"
    raise UnknownReceiverError(f"no webhook is called {name!r}; the configuration has: {known}")


def send_test(config: Config, name: str) -> str:
    """Send the webhook `name` an event that asks for nothing; what came of it, in words.

    Raises:
        DriftError: it is not known, cannot be reached, or did not answer 2xx.
    """
    webhook = build_webhook(declared(config, name))
    if not isinstance(webhook, Webhook):
        webhook.reach()
        return "takes connections; nothing was sent, for it would start a run"
    now = clock()
    data = TestData(receiver=name, by=whoami())
    event = Tested(id=f"test_{uuid.uuid4().hex}", source="drift", time=now, data=data)
    return f"answered {webhook.send(Message(event.id, event.body()), now=now)} to {event.id}"


def messages_of(conn: Connection, prefix: str) -> list[StoredMessage]:
    """The message whose id begins with `prefix`, once for each of its receivers.

    Raises:
        UnknownReceiverError: there is none, or more than one.
    """
    found = messages.beginning_with(conn, prefix) if prefix else []
    ids = {one.delivery.id for one in found}
    if not found:
        raise UnknownReceiverError(f"no message over webhooks has an id that begins with {prefix!r}")
    if len(ids) > 1:
        raise UnknownReceiverError(f"{prefix!r} begins the ids of more than one message: write more of it")
    return found


def chosen(conn: Connection, prefix: str, *, receiver: str) -> list[DeliveryRow]:
    """What is to be sent anew: the message whose id begins with `prefix`, or with "" all that were given up.

    Raises:
        UnknownReceiverError: no message is meant, or one that was never to be sent or waits to be sent already.
    """
    if not prefix:
        return messages.dead(conn, receiver=receiver)
    found = [one.delivery for one in messages_of(conn, prefix) if receiver in {"", one.delivery.receiver}]
    ended = [one for one in found if one.state in {MessageState.DEAD, MessageState.SENT}]
    if not ended:
        states = ", ".join(f"{one.state} for {one.receiver}" for one in found) or f"not for {receiver!r}"
        raise UnknownReceiverError(f"message {prefix!r} is {states}: only what was sent or given up is sent anew")
    return ended


def replay(conn: Connection, found: Sequence[DeliveryRow], *, now: datetime) -> int:
    """Have them sent anew; return how many there were."""
    return messages.replay(conn, found, now=now)
