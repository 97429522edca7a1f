"""Who is told, and when those are told who can wait."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from drift.config.values import Clock, Duration, require_http
from drift.config.webhooks import WebhookConfig


class AlertmanagerConfig(BaseModel):
    """One Alertmanager; every one is told every alert (no load balancer in between)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        return require_http(url)


class ReceiversConfig(BaseModel):
    """Who is told. Firing alerts are sent again every `resend`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alertmanagers: list[AlertmanagerConfig] = []
    webhooks: list[WebhookConfig] = []
    resend: Duration = timedelta(seconds=60)


class DigestConfig(BaseModel):
    """Once a day, `at` that time in `timezone`, webhooks with the event `digest` tell each team of its tickets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Clock = Field(default=time(9), json_schema_extra={"default": "09:00"})
    timezone: ZoneInfo = ZoneInfo("UTC")
