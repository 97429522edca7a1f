"""Who is told, from the configuration: webhooks and adapters with their secrets read, and Alertmanagers."""

from pathlib import Path

import httpx2
from pydantic import SecretStr

from drift.config import AlertmanagerConfig, Config, WebhookConfig
from drift.errors import ConfigError
from drift.notify.adapters import ADAPTERS, Adapter
from drift.notify.adapters.base import Door
from drift.notify.addresses import EVERYWHERE
from drift.notify.alertmanager import Alertmanager
from drift.notify.endpoint import Endpoint
from drift.notify.external import Labelled, LabelledSilences
from drift.notify.peer import Peer
from drift.notify.signature import Secret
from drift.notify.silences import AlertmanagerSilences, Silencer
from drift.notify.webhook import Webhook
from drift.pipeline.digest import Schedule

MOST_SECRETS = 2


def told_of_gates(config: Config) -> tuple[str, ...]:
    """The webhooks that are told what gates and canaries decide."""
    return tuple(webhook.name for webhook in config.receivers.webhooks if "gate" in webhook.events)


def build_webhook(webhook: WebhookConfig) -> Webhook | Adapter:
    """The receiver with its secrets or its token read.

    Raises:
        ConfigError: a file cannot be read, or a secret is too short or not one.
    """
    networks = EVERYWHERE if webhook.allow_http else webhook.allow_networks
    client = httpx2.Client(trust_env=False)
    if webhook.adapter != "webhook":
        endpoint = Endpoint(f"{webhook.adapter} {webhook.name}", client, networks)
        token = _text(webhook, "token", webhook.token, webhook.token_file).strip()
        return ADAPTERS[webhook.adapter](Door(endpoint, webhook.url, token), webhook.target)
    secrets = tuple(map(Secret, _text(webhook, "secret", webhook.secret, webhook.secret_file).split()))
    if not 1 <= len(secrets) <= MOST_SECRETS:
        raise ConfigError(
            f"webhook {webhook.name!r} needs one secret, or two while they are rotated, found {len(secrets)}: keep the "
            "newest two, separated by a space or a line"
        )
    return Webhook(webhook.name, webhook.url, secrets, client, networks)


def _text(webhook: WebhookConfig, what: str, value: SecretStr | None, file: Path | None) -> str:
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the {what} of webhook {webhook.name!r} cannot be read: {error}") from error


def build_alertmanagers(config: Config) -> dict[str, Peer]:
    """Each Alertmanager, with what is to be told to it, by its address."""
    client, labels = httpx2.Client(trust_env=False), config.receivers.external_labels
    return {
        name_of(peer): Peer(Labelled(Alertmanager(peer.url, client), labels)) for peer in config.receivers.alertmanagers
    }


def build_digest(config: Config) -> Schedule | None:
    """When digests are made, and for whom."""
    if config.digest is None:
        return None
    told = tuple(webhook.name for webhook in config.receivers.webhooks if "digest" in webhook.events)
    return Schedule(config.digest.at, config.digest.timezone, told)


def build_silencers(config: Config) -> dict[str, Silencer]:
    """The silences of each Alertmanager, by its address."""
    client, labels = httpx2.Client(trust_env=False), config.receivers.external_labels
    return {
        name_of(peer): LabelledSilences(AlertmanagerSilences(peer.url, client), labels)
        for peer in config.receivers.alertmanagers
    }


def name_of(peer: AlertmanagerConfig) -> str:
    """The address without a password in it: it is a label of `/metrics` and goes into logs."""
    return str(httpx2.URL(peer.url).copy_with(userinfo=b""))
