"""Numbers of the business beside drift: as charts and in HTML. Pure but for `read`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from statistics import fmean
from typing import Final

from dashboard import markup, palette, words
from dashboard.charts import padded
from dashboard.kpis import DAY, Trace
from dashboard.kpis import over as over_time
from dashboard.layers import Axis, Bars, Chart, Kind, Line, Points, backdrop, millis, over, rounded, when
from drift.alert import Alert, AlertKind, AlertState
from drift.config import KpiConfig
from drift.records import Span
from drift.store import attainment, reads, views
from drift.store.connect import Connection

TALL: Final = 200
LOW: Final = 120
HEADS: Final = ("Number", "Newest day", "Days without a page", "Days with a page", "Difference")


@dataclass(frozen=True, slots=True)
class Drifted:
    """Drift of some streams until `at`: their pages, and by day how long windows of all objectives were bad."""

    at: datetime
    pages: tuple[Alert, ...]
    bad: Mapping[datetime, timedelta]

    @property
    def spans(self) -> tuple[Span, ...]:
        """When a page fired; one that is open does so still."""
        each = ((alert.fired_at, alert.resolved_at or self.at) for alert in self.pages)
        return tuple(Span(fired, ended) for fired, ended in each if fired is not None and fired < ended)


@dataclass(frozen=True, slots=True)
class Beside:
    """Drift beside each number, in their order, over `span`, as it was `at`."""

    at: datetime
    span: Span
    each: tuple[Drifted, ...]


def read(conn: Connection, kpis: Sequence[KpiConfig]) -> Beside:
    """Drift beside each of `kpis`: of the streams that it names, else of all."""
    at = views.now(conn)
    span = over_time(at)
    rows = reads.alerts(conn, states=(AlertState.FIRING, AlertState.RESOLVED), since=span.start, limit=10_000)
    pages = [row.alert for row in rows if row.alert.kind is AlertKind.PAGE and not row.muted]
    every = {row.stream.name for row in reads.streams(conn)}

    def drifted(names: frozenset[str]) -> Drifted:
        mine = tuple(alert for alert in pages if alert.stream.partition("/")[0] in names)
        return Drifted(at, mine, attainment.bad_days(conn, sorted(names), since=span.start))

    each = {names: drifted(names) for names in {frozenset(kpi.streams) or frozenset(every) for kpi in kpis}}
    return Beside(at, span, tuple(each[frozenset(kpi.streams) or frozenset(every)] for kpi in kpis))


def table(traces: Sequence[Trace], drifted: Sequence[Drifted]) -> str:
    """What each number was on days with a page, and on others; "" where none is known."""
    rows = [("", _cells(trace, beside)) for trace, beside in zip(traces, drifted, strict=True) if trace.days]
    return markup.table("Numbers on days with and without a page", HEADS, rows) if rows else ""


def chart(trace: Trace, beside: Drifted, span: Span) -> Chart:
    """The number over `span`, upon the pages."""
    at = tuple(millis(moment) for moment, _ in trace.points)
    values = tuple(value for _, value in trace.points)
    tips = tuple(f"{number(value, trace.kpi)}\n{moment:%-d %b %Y %H:%M} UTC" for moment, value in trace.points)
    marks = (
        *backdrop(span, beside.pages),
        Line(at, rounded(values), palette.LINE),
        Points(at, values, "none", palette.LINE, 0, tips),
    )
    axis = Axis(Kind.LINEAR, *padded(values), trace.kpi.unit or "value")
    return Chart(f"{trace.kpi.name} upon pages", TALL, over(span), axis, marks)


def bad(beside: Drifted, span: Span) -> Chart:
    """How long windows were bad, day by day."""
    days = [(day, length / timedelta(hours=1)) for day, length in sorted(beside.bad.items()) if day < span.end]
    start = tuple(millis(max(day, span.start)) for day, _ in days)
    end = tuple(millis(min(day + DAY * 0.95, span.end)) for day, _ in days)
    hours = tuple(count for _, count in days)
    tips = tuple(
        f"{words.number(count)} hours of bad windows, over all objectives\n{when(Span(day, day + DAY))}"
        for day, count in days
    )
    axis = Axis(Kind.LINEAR, 0.0, 1.05 * max(hours, default=0.0) or 1.0, "hours bad")
    marks = (Bars(start, end, (0.0,) * len(hours), hours, palette.BAD, 0.8, tips),)
    return Chart("hours of bad windows a day", LOW, over(span), axis, marks)


def number(value: float, kpi: KpiConfig) -> str:
    """A number with its unit."""
    return f"{words.number(value)}{words.FIXED}{kpi.unit}" if kpi.unit else words.number(value)


def _cells(trace: Trace, beside: Drifted) -> tuple[str, ...]:
    kpi = trace.kpi
    within, without = trace.split(beside.spans)
    both = (fmean(without), fmean(within)) if within and without else None
    change = "-" if both is None or not both[0] else words.signed(both[1] / both[0] - 1)
    return (
        f'<span class="name">{escape(kpi.name)}</span>' + markup.small(", ".join(kpi.streams) or "all streams"),
        escape(number(trace.days[-1][1], kpi)),
        *(_mean(side, kpi) for side in (without, within)),
        escape(change),
    )


def _mean(values: Sequence[float], kpi: KpiConfig) -> str:
    if not values:
        return '<span class="soft">none</span>'
    return escape(number(fmean(values), kpi)) + markup.small(f"mean of {words.several(len(values), 'day')}")
