"""What the service is told: settings from the environment, and streams, detectors, SLOs and receivers from one file."""

from drift.config.access import AccessConfig, OidcConfig, ProxyConfig, is_loopback, require_closed
from drift.config.canary_inputs import CanaryInputsConfig
from drift.config.encoders import EncoderConfig
from drift.config.gates import CanaryConfig, GateConfig
from drift.config.kpis import KpiConfig
from drift.config.load import EXAMPLE, load, schema
from drift.config.model import (
    CollectorConfig,
    Config,
    ReferenceConfig,
    RetentionConfig,
    StreamConfig,
)
from drift.config.receivers import AlertmanagerConfig, DigestConfig
from drift.config.settings import Settings, read_settings
from drift.config.webhooks import RetrainConfig, WebhookConfig

__all__ = [
    "EXAMPLE",
    "AccessConfig",
    "AlertmanagerConfig",
    "CanaryConfig",
    "CanaryInputsConfig",
    "CollectorConfig",
    "Config",
    "DigestConfig",
    "EncoderConfig",
    "GateConfig",
    "KpiConfig",
    "OidcConfig",
    "ProxyConfig",
    "ReferenceConfig",
    "RetentionConfig",
    "RetrainConfig",
    "Settings",
    "StreamConfig",
    "WebhookConfig",
    "is_loopback",
    "load",
    "read_settings",
    "require_closed",
    "schema",
]
