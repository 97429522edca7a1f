"""Check a configuration for real: build what it names, and connect to it."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import httpx2

from collectors.parquet import ParquetCollector
from collectors.references import read_reference
from drift.config import Config, Settings, StreamConfig, WebhookConfig
from drift.errors import ConfigError, DriftError
from drift.wiring.build import build_detector, build_encoder, build_webhook
from drift.wiring.database import database


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; `fault` is "" when it works, else says what is wrong and what to do."""

    what: str
    detail: str
    fault: str = ""


def checks(config: Config, settings: Settings) -> Iterator[Check]:
    """Try everything that `config` names, one by one. A fault in one does not keep the others from being tried."""
    yield _try("database", partial(_database, settings))
    for stream in config.streams:
        what = f"stream {stream.id}"
        yield _try(f"{what}: detectors", partial(_detectors, config, stream))
        if stream.encoder is not None:
            yield _try(f"{what}: encoder", partial(_encoder, stream, settings))
        yield _try(f"{what}: reference", partial(_reference, stream))
        yield _try(f"{what}: collector", partial(_collector, stream))
        yield _try(f"{what}: objectives", partial(_objectives, config, stream))
    for peer in config.receivers.alertmanagers:
        yield _try(f"alertmanager {peer.url}", partial(_alertmanager, peer.url))
    for webhook in config.receivers.webhooks:
        yield _try(f"webhook {webhook.name}", partial(_webhook, webhook))


def _try(what: str, work: Callable[[], str]) -> Check:
    try:
        return Check(what, work())
    except DriftError as error:
        return Check(what, "", str(error))


def _database(settings: Settings) -> str:
    with database(settings) as found:
        return found.engine.url.render_as_string(hide_password=True)


def _detectors(config: Config, stream: StreamConfig) -> str:
    names = [build_detector(name, config.detectors.get(name, {})).name for name in stream.detector_names]
    return ", ".join(names)


def _encoder(stream: StreamConfig, settings: Settings) -> str:
    if stream.encoder is None:
        return "none"
    encoder = build_encoder(stream.encoder, settings.home)
    if encoder.dim != stream.dim:
        raise ConfigError(
            f"the encoder gives {encoder.dim} dimensions, the stream declares {stream.dim}: correct `dim`"
        )
    return f"{stream.encoder.model}, {encoder.dim} dimensions, fingerprint {encoder.fingerprint[:12]}"


def _reference(stream: StreamConfig) -> str:
    found = read_reference(stream.reference.path, stream.stream, limit=stream.reference.rows)
    return f"{stream.reference.path}, {len(found)} rows"


def _collector(stream: StreamConfig) -> str:
    if stream.collector.path is None:
        return f"rows are pushed to POST /v1/streams/{stream.id}/embeddings"
    first, last = ParquetCollector(stream.collector.path, tuple(stream.segments)).span()
    return f"{stream.collector.path}, rows from {first.isoformat()} to {last.isoformat()}"


def _objectives(config: Config, stream: StreamConfig) -> str:
    slos = config.slos_of(stream, stream.stream)
    return "; ".join(f"{slo.name}: {float(slo.target):.4g} of windows have {slo.sli}" for slo in slos)


def _alertmanager(url: str) -> str:
    try:
        answer = httpx2.get(f"{url}/-/ready", timeout=5)
    except httpx2.HTTPError as error:
        raise ConfigError(f"{url} does not answer: {error}; is the address right, and the Alertmanager up?") from error
    if not answer.is_success:
        raise ConfigError(f"{url}/-/ready answered {answer.status_code}, needed is 200: is this an Alertmanager?")
    return "ready"


def _webhook(webhook: WebhookConfig) -> str:
    build_webhook(webhook)
    url = httpx2.URL(webhook.url)
    try:
        socket.create_connection((url.host, url.port or (443 if url.scheme == "https" else 80)), timeout=5).close()
    except OSError as error:
        raise ConfigError(f"{webhook.url} takes no connection: {error}; is the receiver up?") from error
    return f"{webhook.url}, signed"
