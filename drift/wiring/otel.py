"""The numbers of `/metrics` by OTLP as well, where the standard OTEL_* variables ask for that (extra `drift[otel]`)."""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from drift import __version__
from drift.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

log = structlog.get_logger()
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_UNITS: Final = {"_seconds": "s", "_bytes": "By", "_ratio": "1"}


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether these environment variables name a receiver of metrics.

    Raises:
        ConfigError: it is to be sent to in a way that drift does not know.
    """
    off = variables.get("OTEL_SDK_DISABLED", "").lower() == "true" or variables.get("OTEL_METRICS_EXPORTER") == "none"
    if off or not any(variables.get(name) for name in ENDPOINTS):
        return False
    protocol = next((name for name in PROTOCOLS if variables.get(name)), None)
    if protocol is not None and variables[protocol] != "http/protobuf":
        raise ConfigError(
            f"{protocol} is {variables[protocol]!r}: drift exports by http/protobuf, usually to port 4318"
        )
    return True


def observe(meter: "Meter", collector: Collector) -> None:
    """An asynchronous instrument for each family of `collector`, which stays the one source of the numbers.

    A family is there from the start, also while nothing in it is known.
    """
    for family in collector.collect():
        callbacks = [partial(_observations, collector, family.name)]
        unit = next((unit for suffix, unit in _UNITS.items() if family.name.endswith(suffix)), "")
        if family.type == "counter":
            meter.create_observable_counter(family.name, callbacks, unit, family.documentation)
        else:
            meter.create_observable_gauge(_sample_name(family), callbacks, unit, family.documentation)


def _sample_name(family: Metric) -> str:
    return f"{family.name}_info" if family.type == "info" else family.name


def _observations(collector: Collector, name: str, _: "CallbackOptions") -> Iterator["Observation"]:
    from opentelemetry.metrics import Observation  # noqa: PLC0415

    for family in collector.collect():
        if family.name == name:
            yield from (Observation(sample.value, sample.labels) for sample in family.samples)


@contextmanager
def exporting(collector: Collector) -> Iterator[None]:
    """Export what `collector` yields until the block ends, every OTEL_METRIC_EXPORT_INTERVAL and once at the end.

    Raises:
        ConfigError: see `wanted`.
    """
    if not wanted(os.environ):
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    except ModuleNotFoundError as error:
        # Such variables are often set for everything on a machine, so this is no fault.
        log.warning("metrics not exported by OTLP", missing=error.name, remedy="pip install 'drift[otel]'")
        yield
        return
    # Each process counts for itself: under one identity the counters of two would be taken for one that jumps.
    ours = {"service.name": "drift", "service.version": __version__, "service.instance.id": str(uuid.uuid4())}
    named = Resource(ours).merge(OTELResourceDetector().detect())
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    provider = MeterProvider([reader], resource=named, shutdown_on_exit=False)
    observe(provider.get_meter("drift", __version__), collector)
    try:
        yield
    finally:
        provider.shutdown()
