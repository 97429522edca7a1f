"""Check a configuration for real: build what it names, and connect to it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import httpx2

from collectors.parquet import ParquetCollector
from detectors import Skew
from drift.config import AlertmanagerConfig, Config, Settings, StreamConfig, WebhookConfig
from drift.errors import ConfigError, DriftError, EnvironmentDriftError
from drift.pipeline.canary_inputs import require_golden, texts_of
from drift.pipeline.environment import Look, look_at, noise_floor
from drift.pipeline.golden_measures import can_probe
from drift.pipeline.references import make_reference
from drift.records import Reference, Stream
from drift.slo import BudgetingMethod, Slo
from drift.slo.calibration import Usual
from drift.slo.false_alarms import YEAR
from drift.slo.fleet_budget import rounded_up
from drift.store import false_alerts, objectives, references
from drift.store.connect import DBAPIError
from drift.wiring.build import clock, detectors_of, source_of
from drift.wiring.canary_inputs import endpoint_of, golden_source
from drift.wiring.database import database
from drift.wiring.encoders import encoder_of
from drift.wiring.false_pages import Calibrations, expectation
from drift.wiring.kpi_check import newest
from drift.wiring.receivers import build_webhook, name_of
from drift.wiring.strangers import access


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; `fault` is "" when it works, else says what is wrong and what to do."""

    what: str
    detail: str
    fault: str = ""


def checks(config: Config, settings: Settings) -> Iterator[Check]:
    """Try everything that `config` names, one by one. A fault in one does not keep the others from being tried."""
    yield _try("database", partial(_database, settings))
    yield _try("access", partial(access, config, settings))
    for stream in config.streams:
        what = f"stream {stream.id}"
        yield _try(f"{what}: detectors", partial(_detectors, config, stream))
        if stream.encoder is not None:
            yield _try(f"{what}: encoder", partial(_encoder, stream, settings))
        for part in stream.streams:
            yield _try(f"{what}: reference of {part}", partial(_reference, stream, part, settings))
        if stream.encoder is not None:
            yield _try(f"{what}: noise floor", partial(_noise_floor, config, stream, settings))
        if stream.looks_every:
            yield _try(f"{what}: environment", partial(_environment, stream, settings))
        if stream.canary_inputs is not None:
            yield _try(f"{what}: canary", partial(_canary, stream, settings))
        yield _try(f"{what}: collector", partial(_collector, stream))
        yield _try(f"{what}: objectives", partial(_objectives, config, stream))
    yield _try("false pages", partial(_false_pages, config, settings))
    for peer in config.receivers.alertmanagers:
        yield _try(f"alertmanager {name_of(peer)}", partial(_alertmanager, peer))
    for webhook in config.receivers.webhooks:
        yield _try(f"webhook {webhook.name}", partial(_webhook, webhook))
    for kpi in config.kpis:
        yield _try(f"kpi {kpi.name}", partial(newest, kpi, settings, clock()))


def _try(what: str, work: Callable[[], str]) -> Check:
    try:
        return Check(what, work())
    except DriftError as error:
        return Check(what, "", str(error))


def _database(settings: Settings) -> str:
    with database(settings) as found:
        return found.engine.url.render_as_string(hide_password=True)


def _detectors(config: Config, stream: StreamConfig) -> str:
    return ", ".join(detector.name for detector in detectors_of(config, stream))


def _encoder(stream: StreamConfig, settings: Settings) -> str:
    encoder = encoder_of(stream, settings.home)
    if encoder is None or stream.encoder is None:
        return "none"
    return f"{stream.encoder.model}, {encoder.dim} dimensions, fingerprint {encoder.fingerprint[:12]}"


def _reference(stream: StreamConfig, part: Stream, settings: Settings) -> str:
    made = make_reference(part, source_of(stream, encoder_of(stream, settings.home)), now=clock())
    copies = f", {made.lineage.copies} more left out as copies" if made.lineage.copies else ""
    return f"{stream.reference.path}, {len(made.rows)} rows{copies}"


def _noise_floor(config: Config, stream: StreamConfig, settings: Settings) -> str:
    """Whether `skew` would let pass what production served when all was well."""
    encoder = encoder_of(stream, settings.home)
    skew = next((each for each in detectors_of(config, stream) if isinstance(each, Skew)), None)
    made = make_reference(stream.stream, source_of(stream, encoder), now=clock())
    found = None if encoder is None else noise_floor(made, encoder)
    if found is None or skew is None:
        return "the reference has no inputs with vectors from production: nothing to compare with"
    apart = 1 - found.p01
    said = f"the reference's own vectors have cosines of {found.p01:.6f} and more with the encoder's in 99 % of rows"
    if apart > skew.tolerance:
        raise ConfigError(
            f"{said}, `skew` lets {1 - skew.tolerance:.6f} pass and would be bad from the first window: is this the "
            f"encoder that serves? If it is, set `detectors: {{skew: {{tolerance: {2 * apart:.1g}}}}}`"
        )
    return f"{said}; `skew` lets {1 - skew.tolerance:.6f} pass"


def _environment(stream: StreamConfig, settings: Settings) -> str:
    """Whether the encoder, as it runs here, gives the references that the service holds windows against."""
    encoder = encoder_of(stream, settings.home)
    with database(settings) as found, found.engine.connect() as conn:
        keys = [part.key for part in stream.streams] if references.has_any(conn) else []
        chosen = [(key, choice.in_use) for key in keys if (choice := references.choice(conn, key))]
        kept = [one for key, version in chosen if (one := references.reference(conn, key, version))]
    if encoder is None or not kept:
        return "no reference is kept yet: there is nothing to compare with"
    return "; ".join(_same(one, look_at(one, encoder.encoder)) for one in kept)


def _same(reference: Reference, found: Look) -> str:
    if (alike := found.likeness) is None:
        return f"{reference} came from production, and does not depend on it"
    changed = f" ({found.encoder_changed})" if found.changes else ""
    if alike.failing:
        raise EnvironmentDriftError(
            f"{alike.failing} of {alike.rows} inputs of the reference {reference} get another vector here than was "
            f"kept{changed}: go back to what the encoder ran on, or accept it (`drift reference recompute "
            f"{reference.stream}`)"
        )
    return f"{alike.rows} inputs of the reference {reference} get the vectors that were kept{changed}"


def _canary(stream: StreamConfig, settings: Settings) -> str:
    """Whether the endpoint answers for the golden inputs; what it is worth is for the service to measure."""
    if (declared := stream.canary_inputs) is None or (part := stream.canary_stream) is None:
        return "none"
    golden = golden_source(declared, source_of(stream, encoder_of(stream, settings.home)))
    reference = require_golden(make_reference(part, golden, now=clock()))
    found = endpoint_of(declared).embed(texts_of(reference))
    if found.shape[1] != stream.dim:
        raise ConfigError(
            f"{declared.endpoint} gives vectors of {found.shape[1]} dimensions, the stream declares {stream.dim}"
        )
    labels = "with labels" if can_probe(reference) else "without enough labels for a probe"
    return f"{len(found)} golden inputs {labels}, embedded by {declared.endpoint}"


def _collector(stream: StreamConfig) -> str:
    if stream.collector.kind == "push" or stream.collector.path is None:
        return f"rows are pushed to POST /v1/streams/{stream.id}/embeddings"
    first, last = ParquetCollector(stream.collector.path, tuple(stream.segments)).span()
    return f"{stream.collector.path}, rows from {first.isoformat()} to {last.isoformat()}"


def _objectives(config: Config, stream: StreamConfig) -> str:
    slos = config.slos_of(stream, stream.stream)
    return "; ".join(f"{slo.name}: {float(slo.target):.4g} of {_promised(slo)}" for slo in slos)


def _promised(slo: Slo) -> str:
    if slo.method is BudgetingMethod.OCCURRENCES:
        return f"rows or answers are good by {slo.sli.detector}, summed over windows"
    return f"windows have {slo.sli}"


def _false_pages(config: Config, settings: Settings) -> str:
    now, names = clock(), [stream.id for stream in config.streams]
    calibrations: Calibrations = {}
    usual: Mapping[tuple[str, str], Usual] = {}
    realised = None
    # A fault of the database has its own line, and one that is new has no tables yet: then it is as the tests promise.
    with suppress(DriftError, DBAPIError), database(settings) as found, found.engine.connect() as conn:
        calibrations, usual = objectives.calibrations(conn, now=now), objectives.usual(conn, now=now)
        realised = false_alerts.realised(conn, names, since=now - YEAR)
    expected = expectation(config, calibrations, usual)
    allowed = config.false_pages_per_year
    if allowed is not None and expected.total.pages > allowed:
        raise ConfigError(
            f"{expected}; allowed are {allowed:g} a year: see why those that err do (`drift status`), or allow at "
            f"least {rounded_up(expected.total.pages):g}"
        )
    parts = [str(expected), *([] if allowed is None else [f"allowed are {allowed:g}"])]
    if realised is not None:
        parts.append(f"{realised.false} of {realised.pages} pages of the last year are marked false (`drift alert`)")
    return "; ".join(parts)


def _alertmanager(peer: AlertmanagerConfig) -> str:
    name = name_of(peer)
    try:
        with httpx2.Client(trust_env=False, timeout=5) as client:
            answer = client.get(f"{peer.url}/-/ready")
    except httpx2.HTTPError as error:
        raise ConfigError(f"{name} does not answer: {error}; is the address right, and the Alertmanager up?") from error
    if not answer.is_success:
        raise ConfigError(f"{name}/-/ready answered {answer.status_code}, needed is 200: is this an Alertmanager?")
    return "ready"


def _webhook(webhook: WebhookConfig) -> str:
    build_webhook(webhook).reach()
    return f"{webhook.url}, {'signed' if webhook.adapter == 'webhook' else webhook.adapter}"
