"""From a configuration to the objects that it names."""

import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from os import getpid
from pathlib import Path
from socket import gethostname

from collectors import COLLECTORS
from collectors.base import Collector
from detectors import DETECTORS
from detectors.base import Detector
from drift.config import Config, StreamConfig
from drift.encoder.base import Encoder
from drift.errors import ConfigError
from drift.notify.mlflow import RegistryKey
from drift.pipeline.canary import Trial
from drift.pipeline.canary_inputs import CanaryInputs
from drift.pipeline.environment import Environment
from drift.pipeline.gates import Gatekeeper
from drift.pipeline.monitor import Monitor, Outlet
from drift.pipeline.references import Source, ensure_reference
from drift.records import Span, parse_name
from drift.scheduler import Service
from drift.slo import Quantity
from drift.store import writes
from drift.store.connect import Connection, Engine
from drift.store.inbox import Inbox
from drift.store.outbox import MessageState
from drift.wiring.canary_inputs import build_canary_inputs
from drift.wiring.encoders import candidates_of, encoder_of
from drift.wiring.fits import prepare_all
from drift.wiring.gate_child import GateChild
from drift.wiring.picture_child import build_painter
from drift.wiring.receivers import (
    build_alertmanagers,
    build_digest,
    build_silencers,
    build_webhook,
    name_of,
    told_of_gates,
)
from drift.wiring.who import whoami


def clock() -> datetime:
    """The time of day, in UTC. The only place that asks for it."""
    return datetime.now(UTC)


def build_service(config: Config, engine: Engine, home: Path) -> Service:
    """The service that `config` describes; its streams have their references.

    Raises:
        DriftError: something that the configuration names is not there or cannot be used.
    """
    now = clock()

    def monitor(stream: StreamConfig) -> Monitor:
        with engine.begin() as conn:
            return build_monitor(config, stream, engine, home, conn, now=now)

    monitors = {stream.id: monitor(stream) for stream in config.streams}
    return Service(
        engine=engine,
        monitors=monitors,
        trials=build_trials(config, monitors),
        gatekeepers=build_gatekeepers(config),
        alertmanagers=build_alertmanagers(config),
        webhooks={webhook.name: build_webhook(webhook) for webhook in config.receivers.webhooks},
        resend=config.receivers.resend,
        keep_vectors=config.retention.vectors,
        keep_history=config.retention.history,
        clock=clock,
        silencers=build_silencers(config),
        digest=build_digest(config),
        runbook_url=config.runbook_url,
        registry=RegistryKey(secret.get_secret_value()) if (secret := config.retrain.mlflow_secret) else None,
        canary_inputs=build_all_canary_inputs(config, engine, monitors, now=now),
        process=f"{gethostname()} {getpid()}",
        bearer=config.access.bearer if config.access.tokens else None,
        painter=build_painter(),
    )


def build_all_canary_inputs(
    config: Config, engine: Engine, monitors: Mapping[str, Monitor], *, now: datetime
) -> dict[str, CanaryInputs]:
    """The canary inputs of the streams that have some, by the keys of their own streams."""
    found = {}
    for stream in config.streams:
        monitor = monitors[stream.id]
        with engine.begin() as conn:
            canary = build_canary_inputs(config, stream, monitor, source_of(stream, monitor.encoder), conn, now=now)
        if canary is not None:
            found[canary.monitor.stream.key] = canary
    return found


def begin(service: Service) -> None:
    """Make the streams known, and end the open alerts of objectives that they have no more."""
    now = service.clock()
    with service.engine.begin() as conn:
        for monitor in service.monitors.values():
            register(conn, monitor, open_from=Span.containing(now, monitor.window).start)
        for canary in service.canary_inputs.values():
            register(conn, canary.monitor, open_from=None)  # nobody sends rows for it
        writes.resolve_others(conn, list(service.monitors), service.objectives, now=now)


def register(conn: Connection, monitor: Monitor, *, open_from: datetime | None) -> None:
    """Make the stream and its segments known. Where they take rows already, their windows go on."""
    for part in monitor.parts:
        writes.register(conn, part, team=monitor.team, open_from=open_from)


def build_monitor(
    config: Config, stream: StreamConfig, engine: Engine, home: Path, conn: Connection, *, now: datetime
) -> Monitor:
    """Everything that measures one declared stream; its references are kept through `conn`."""
    encoder = encoder_of(stream, home)
    source = source_of(stream, encoder)
    references = {part.key: ensure_reference(conn, part, source, now=now) for part in stream.streams}
    detectors = detectors_of(config, stream)
    prepare_all(conn, detectors, references, rows=stream.sample)
    return Monitor(
        stream=stream.stream,
        parts=tuple(stream.streams),
        collector=build_collector(stream, engine),
        detectors=detectors,
        references=references,
        encoder=encoder,
        candidates=candidates_of(stream, home),
        slos={part.key: tuple(config.slos_of(stream, part)) for part in stream.streams},
        outlet=build_outlet(config, stream.model),
        window=stream.window,
        merge=stream.merged,
        lateness=stream.lateness,
        sample=stream.sample,
        reencode=stream.reencode,
        team=stream.team,
        tenant=stream.tenant,
        environment=Environment(encoder.encoder, every) if encoder and (every := stream.looks_every) else None,
        runbook_url=stream.runbook_url or config.runbook_url,
    )


def source_of(stream: StreamConfig, encoder: Encoder | None) -> Source:
    """Where the references of the stream and of its segments come from."""
    return Source(
        path=stream.reference.path,
        encoder=encoder,
        rows=stream.reference.rows,
        segments=tuple(stream.segments),
        declared=stream.encoder.declared if stream.encoder else "",
        by=whoami(),
    )


def muted(monitor: Monitor) -> Monitor:
    """The same monitor, whose messages stay on record and are not sent."""
    return replace(monitor, outlet=replace(monitor.outlet, state=MessageState.MUTED))


def build_outlet(config: Config, model: str) -> Outlet:
    """The receivers of what streams of `model` have to say, by name. An Alertmanager's name is its address."""
    told = config.receivers.webhooks
    return Outlet(
        alertmanagers=tuple(name_of(peer) for peer in config.receivers.alertmanagers),
        webhooks=tuple(webhook.name for webhook in told if "retrain" in webhook.events),
        dashboard_url=config.dashboard_url,
        listeners=tuple(webhook.name for webhook in told if "alert" in webhook.events),
        api_url=config.external_url,
        policy=config.retrain.of(model),
    )


def build_collector(stream: StreamConfig, engine: Engine) -> Collector:
    """The collector that the stream names."""
    if stream.collector.kind == "push" or stream.collector.path is None:
        return Inbox(engine)
    return COLLECTORS[stream.collector.kind](stream.collector.path, tuple(stream.segments))


def detectors_of(config: Config, stream: StreamConfig) -> tuple[Detector, ...]:
    """The detectors of the stream.

    Raises:
        ConfigError: one is not known, or an objective judges the p-value of one that gives none.
    """
    detectors = {name: build_detector(name, config.detectors.get(name, {})) for name in stream.detector_names}
    for slo in config.slos_of(stream, stream.stream):
        name = parse_name(slo.sli.detector)[0]
        if slo.sli.quantity is Quantity.P_VALUE and not (name in detectors and detectors[name].is_test):
            raise ConfigError(
                f"objective {slo.name!r} judges the p-value of {name}, which gives none: use `value_at_least` or "
                "`value_at_most`"
            )
    return tuple(detectors.values())


def build_detector(name: str, parameters: Mapping[str, float | int | str]) -> Detector:
    """The detector of that name.

    Raises:
        ConfigError: there is none, or it does not take one of `parameters`; says which are known.
    """
    if name not in DETECTORS:
        raise ConfigError(f"detector {name!r} is not known{nearest(name, DETECTORS)}")
    kind = DETECTORS[name]
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every detector is a dataclass
    for parameter in parameters:
        if parameter not in known:
            raise ConfigError(
                f"detectors.{name}: {parameter!r} is not one of its parameters{nearest(parameter, known)}"
            )
    try:
        return kind(**parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"detectors.{name}: {error}") from error


def nearest(name: str, known: "Mapping[str, object] | list[str]") -> str:
    """The end of an error on a name that is none of `known`."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are: {', '.join(sorted(known))}"


def build_trials(config: Config, monitors: Mapping[str, Monitor]) -> tuple[Trial, ...]:
    """The candidates that serve beside their baselines."""
    told = told_of_gates(config)
    return tuple(Trial(monitors[one.baseline], monitors[one.candidate], one.rule, told) for one in config.canary)


def build_gatekeepers(config: Config) -> dict[str, Gatekeeper]:
    """Who judges what retraining gives, by the names of streams."""
    return {
        stream.id: Gatekeeper(GateChild(stream.encoder, stream.gate), told_of_gates(config))
        for stream in config.streams
        if stream.gate is not None and stream.encoder is not None
    }
