"""Numbers of the business from Prometheus, over the same time as drift. It asks; nothing here writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from statistics import fmean
from time import monotonic
from typing import Final

import httpx2
from pydantic import BaseModel, ValidationError

from drift.config import KpiConfig
from drift.errors import PrometheusError
from drift.records import Span

OVER: Final = timedelta(days=91)
STEP: Final = timedelta(hours=6)
DAY: Final = timedelta(days=1)
PATIENCE: Final = 5.0  # seconds until one answer begins, and for it to be whole
LARGEST: Final = 2_000_000  # bytes of one answer; a series over this time has some 15 000


@dataclass(frozen=True, slots=True)
class Trace:
    """One number over time, a point for each `STEP`, oldest first; `fault` says why there is none."""

    kpi: KpiConfig
    points: tuple[tuple[datetime, float], ...] = ()
    fault: str = ""

    @property
    def days(self) -> tuple[tuple[datetime, float], ...]:
        """The mean of each day of UTC that has a point."""
        by_day: dict[datetime, list[float]] = {}
        for at, value in self.points:
            by_day.setdefault(at.replace(hour=0, minute=0, second=0, microsecond=0), []).append(value)
        return tuple((day, fmean(values)) for day, values in by_day.items())

    def split(self, spans: Sequence[Span]) -> tuple[Sequence[float], Sequence[float]]:
        """The means of the days that `spans` touch, and of the others."""
        within: list[float] = []
        without: list[float] = []
        for day, value in self.days:
            touched = any(span.start < day + DAY and span.end > day for span in spans)
            (within if touched else without).append(value)
        return within, without


class _Series(BaseModel):
    values: list[tuple[float, float]]


class _Data(BaseModel):
    result: list[_Series]


class _Answer(BaseModel):
    status: str
    data: _Data | None = None
    error: str = ""


def over(at: datetime) -> Span:
    """The time that is asked for: whole steps, so that answers can be remembered there and here."""
    end = Span.containing(at, STEP).start
    return Span(end - OVER, end)


def traces(url: str, kpis: Sequence[KpiConfig], span: Span, client: httpx2.Client) -> tuple[Trace, ...]:
    """Each number over `span`, in the order of the file; a query that gives none says why.

    Raises:
        PrometheusError: no address is set, or nobody answers there.
    """
    if not url:
        raise PrometheusError("no Prometheus was named: set DRIFT_PROMETHEUS_URL, such as http://prometheus:9090")
    return tuple(_traces(url.rstrip("/"), kpis, span, client))


def _traces(url: str, kpis: Sequence[KpiConfig], span: Span, client: httpx2.Client) -> Iterator[Trace]:
    for kpi in kpis:
        try:
            points = _points(_asked(url, kpi, span, client))
        except ValueError as fault:
            yield Trace(kpi, fault=str(fault))
        else:
            yield Trace(kpi, points, "" if points else "the query gives no number in this time")


def _asked(url: str, kpi: KpiConfig, span: Span, client: httpx2.Client) -> _Answer:
    asked = {"start": span.start.timestamp(), "end": span.end.timestamp(), "step": STEP.total_seconds()}
    asked["timeout"] = PATIENCE - 1  # so that it says itself which query takes too long
    until = monotonic() + PATIENCE
    try:
        with client.stream(
            "GET", f"{url}/api/v1/query_range", params={"query": kpi.query, **asked}, timeout=PATIENCE
        ) as answer:
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > LARGEST:
                    raise ValueError(
                        f"the answer has more than {LARGEST // 1_000_000} MB: have the query give one series"
                    )
                # The client's own patience is for each piece, and a trickle would hold the page.
                if monotonic() > until:
                    raise httpx2.ReadTimeout(f"no whole answer within {PATIENCE:g} s")
            status = answer.status_code
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        # Without its user and password.
        where = httpx2.URL(url).copy_with(userinfo=b"") if "://" in url else url
        raise PrometheusError(f"Prometheus at {where} does not answer: {type(error).__name__}: {error}") from None
    try:
        return _Answer.model_validate_json(body)
    except ValidationError:
        text = body[:200].decode(errors="replace")
        raise ValueError(f"it answered {status}, which is not Prometheus's API: {text}") from None


def _points(answer: _Answer) -> tuple[tuple[datetime, float], ...]:
    if answer.status != "success" or answer.data is None:
        raise ValueError(answer.error or f"Prometheus answered {answer.status}")
    series = answer.data.result
    if len(series) > 1:
        raise ValueError(f"the query gives {len(series)} series, one is wanted: put sum(…) or avg(…) around it")
    values = series[0].values if series else []
    return tuple((datetime.fromtimestamp(at, UTC), value) for at, value in values if isfinite(value))
