"""Whether Prometheus has the numbers that the configuration wants beside drift."""

from datetime import datetime

import httpx2

from dashboard import kpis
from drift.config import KpiConfig, Settings
from drift.errors import PrometheusError


def newest(kpi: KpiConfig, settings: Settings, now: datetime) -> str:
    """The newest number, and of when it is.

    Raises:
        PrometheusError: nobody answers, or the query gives none.
    """
    with httpx2.Client(trust_env=False) as client:
        (found,) = kpis.traces(settings.prometheus_url, [kpi], kpis.over(now), client)
    if found.fault:
        raise PrometheusError(f"{kpi.query}: {found.fault}")
    at, value = found.points[-1]
    return f"{value:g} {kpi.unit}".strip() + f" at {at:%Y-%m-%d %H:%M} UTC"
