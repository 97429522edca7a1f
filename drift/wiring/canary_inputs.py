"""From declared canary inputs to those that are sent."""

from dataclasses import replace
from datetime import datetime

import httpx2

from detectors import Skew
from drift.config import CanaryInputsConfig, Config, StreamConfig
from drift.encoder.endpoint import FORMS, Endpoint
from drift.pipeline.canary_inputs import CanaryInputs, require_golden
from drift.pipeline.golden_measures import GoldenProbe, GoldenSkew, can_probe
from drift.pipeline.monitor import Monitor
from drift.pipeline.references import Source, ensure_reference
from drift.records import CANARY_PROBE
from drift.store.connect import Connection


def build_canary_inputs(
    config: Config, stream: StreamConfig, monitor: Monitor, source: Source, conn: Connection, *, now: datetime
) -> CanaryInputs | None:
    """The canary of `stream`, of which `monitor` measures the traffic and `source` gives the references.

    Its right vectors are kept as a reference, so that a change of the encoder here does not look like production's.

    Raises:
        BadReferenceError: the file has too few inputs, or rows without one.
        SourceError: it cannot be read.
    """
    if (declared := stream.canary_inputs) is None or (part := stream.canary_stream) is None:
        return None
    golden = golden_source(declared, source)
    reference = require_golden(ensure_reference(conn, part, golden, now=now))
    skew = next((each for each in monitor.detectors if isinstance(each, Skew)), Skew())
    probes = (GoldenProbe(),) if can_probe(reference) else ()
    # Without labels nothing would ever be measured of the probe.
    slos = (slo for slo in config.slos_of(stream, part) if probes or slo.sli.detector != CANARY_PROBE)
    own = replace(
        monitor,
        stream=part,
        parts=(part,),
        detectors=(GoldenSkew(skew.tolerance, skew.norm_tolerance), *probes),
        references={part.key: reference},
        slos={part.key: tuple(slos)},
        window=declared.every,
        merge=(),
        sample=declared.rows,
        environment=None,
    )
    return CanaryInputs(own, endpoint_of(declared))


def golden_source(declared: CanaryInputsConfig, source: Source) -> Source:
    """Where the golden inputs come from, and their right vectors where the file has none."""
    return replace(source, path=declared.inputs, rows=declared.rows, segments=())


def endpoint_of(declared: CanaryInputsConfig) -> Endpoint:
    """The endpoint that production uses."""
    form = FORMS[declared.form]
    return Endpoint(declared.endpoint, httpx2.Client(), declared.served_model, declared.api_key, form)
