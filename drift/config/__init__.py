"""What the service is told: settings from the environment, and streams, detectors, SLOs and receivers from one file."""

from drift.config.encoders import EncoderConfig
from drift.config.load import EXAMPLE, load, schema
from drift.config.model import (
    AlertmanagerConfig,
    CanaryConfig,
    CollectorConfig,
    Config,
    DigestConfig,
    GateConfig,
    ReferenceConfig,
    RetentionConfig,
    StreamConfig,
)
from drift.config.settings import Settings, read_settings
from drift.config.webhooks import RetrainConfig, WebhookConfig

__all__ = [
    "EXAMPLE",
    "AlertmanagerConfig",
    "CanaryConfig",
    "CollectorConfig",
    "Config",
    "DigestConfig",
    "EncoderConfig",
    "GateConfig",
    "ReferenceConfig",
    "RetentionConfig",
    "RetrainConfig",
    "Settings",
    "StreamConfig",
    "WebhookConfig",
    "load",
    "read_settings",
    "schema",
]
