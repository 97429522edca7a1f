"""Who is told, and when those are told who can wait."""

import re
from datetime import time, timedelta
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from drift.config.values import Clock, Duration, Http, format_duration
from drift.config.webhooks import WebhookConfig

OWN_LABELS: Final = frozenset(
    {"alertname", "model_id", "job_id", "tenant", "segment", "slo", "severity", "team", "service", "peer", "receiver"}
)


class AlertmanagerConfig(BaseModel):
    """One Alertmanager; every one is told every alert (no load balancer in between)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Http


class ReceiversConfig(BaseModel):
    """Who is told. Firing alerts are sent again every `resend`, a second to 15 minutes.

    `external_labels` are on every alert at the Alertmanagers and are matched by every silence, as with Prometheus: they
    tell this installation from others that share them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    alertmanagers: list[AlertmanagerConfig] = []
    external_labels: dict[str, str] = {}
    webhooks: list[WebhookConfig] = []
    resend: Duration = timedelta(seconds=60)

    @field_validator("resend")
    @classmethod
    def _often_enough(cls, resend: timedelta) -> timedelta:
        # An Alertmanager that lost what it knew has nothing until then.
        if not timedelta(seconds=1) <= resend <= timedelta(minutes=15):
            raise ValueError(f"{format_duration(resend)} must be 1s to 15m, such as 60s")
        return resend

    @field_validator("external_labels")
    @classmethod
    def _tellable(cls, found: dict[str, str]) -> dict[str, str]:
        for name, value in found.items():
            if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
                raise ValueError(f"{name!r} must be letters, digits and _, such as cluster")
            if name in OWN_LABELS:
                raise ValueError(f"{name} is a label of the alerts themselves: choose another name, such as cluster")
            if not value:
                raise ValueError(f"{name} must have a value: an Alertmanager drops labels without one")
        return found

    @field_validator("alertmanagers")
    @classmethod
    def _told_once(cls, found: list[AlertmanagerConfig]) -> list[AlertmanagerConfig]:
        known: list[tuple[str | int | None, ...]] = []
        for peer in found:
            at = urlsplit(peer.url)
            # The address without a user is what a peer is known by.
            place = (at.scheme, at.hostname, at.port or {"http": 80, "https": 443}[at.scheme], at.path)
            if place in known:
                address = at._replace(netloc=at.netloc.rpartition("@")[2]).geturl()
                raise ValueError(f"{address} is there twice: name each Alertmanager once")
            known.append(place)
        return found


class DigestConfig(BaseModel):
    """Once a day, `at` that time in `timezone`, webhooks with the event `digest` tell each team of its tickets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Clock = Field(default=time(9), json_schema_extra={"default": "09:00"})
    timezone: ZoneInfo = ZoneInfo("UTC")
