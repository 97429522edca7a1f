"""What was promised and what was kept, by team and quarter; made to be printed."""

from datetime import timedelta
from html import escape
from typing import Final

import httpx2
import streamlit as st

from dashboard import data, drawn, executive, kpis, outcomes, parts, quarters, spending, words
from dashboard.data import Shown
from dashboard.kpis import Trace
from dashboard.outcomes import Beside, Drifted
from dashboard.quarters import Report
from drift.config import KpiConfig, Settings
from drift.errors import PrometheusError
from drift.records import Span
from drift.store.connect import Connection

TTL: Final = timedelta(minutes=5)


def show() -> None:
    """The whole page."""
    found = parts.known(_ask, lambda report: report.at)
    if found is None:
        parts.try_again(_ask)
        return
    if not any(quarter.attained for quarter in found.quarters):
        st.info("**No objective has counted a window yet.** Declare a stream in `drift.yaml` and start the service.")
        return
    parts.html(executive.verdict(found))
    parts.declared_notice()
    parts.html("<h3>Objectives met, by team</h3>", executive.teams(found))
    parts.html(f"<h3>Which spent most in {found.quarters[0].name}</h3>", executive.worst(found.quarters[0]))
    parts.html("<h3>Incidents, by team</h3>", executive.recoveries(found))
    parts.html("<h3>Pages that were false, by team</h3>", executive.falsely(found))
    if found.spent is not None:
        parts.html("<h3>What encoding costs</h3>", spending.section(found.spent, [q.name for q in found.quarters]))
    parts.html(f"<h3>Incidents of {found.quarters[0].name}</h3>", executive.latest(found))
    _business()
    parts.html(
        f'<p class="when">As of {found.at:%Y-%m-%d %H:%M} UTC, read again after {TTL // timedelta(minutes=1)} minutes. '
        "An incident is the alerts of one stream that were open at one time, with a page or ticket among them, as on "
        "Incidents. A quarter's attainment is one less the share of its time in bad windows, where time without a "
        "verdict is good; of objectives that count events it is the share of good ones. Replayed history counts in "
        "it; alerts of replayed history called nobody, so they are not counted. The "
        "browser prints this page, or makes a PDF of it, without what is only for the screen.</p>"
    )


def _business() -> None:
    """Numbers of the business beside drift; a Prometheus that is away takes nothing else from the page."""
    declared, _ = data.config()
    if declared is None or not declared.kpis or not data.visitor().sees_all:
        return
    parts.html("<h3>The business beside drift</h3>")
    beside = parts.known(lambda: _drifted(declared.kpis), lambda found: found.at)
    if beside is None:
        return
    try:
        shown = _traces(declared.kpis, beside.span)
    except PrometheusError as error:
        st.warning(f"**Numbers of the business are not known.** {parts.detail(error)}")
        return
    if shown.fault:
        st.warning(f"**Below is what Prometheus said {words.length(shown.age)} ago.** {parts.detail(shown.fault)}")
    parts.html(outcomes.table(shown.value, beside.each))
    for trace, drifted in zip(shown.value, beside.each, strict=True):
        _number(trace, drifted, beside.span)
    parts.html(
        f'<p class="when">From Prometheus, {words.length(shown.age)} ago, a point for each {words.length(kpis.STEP)} '
        f"of {words.length(kpis.OVER)}; days are of UTC. Pages are shaded. A number that differs on days with a "
        "page need not differ because of it.</p>"
    )


def _number(trace: Trace, drifted: Drifted, span: Span) -> None:
    of = ", ".join(trace.kpi.streams) or "all streams"
    parts.html(f'<p class="brief"><b>{escape(trace.kpi.name)}</b> beside drift of {escape(of)}</p>')
    if trace.fault:
        st.warning(f"`{trace.kpi.query}`: {trace.fault}")
        return
    drawn.charts(f"kpi-{trace.kpi.name}", outcomes.chart(trace, drifted, span), outcomes.bad(drifted, span), least=2000)


def _drifted(wanted: tuple[KpiConfig, ...]) -> Shown[Beside]:
    return data.asked(("beside", wanted), lambda conn: outcomes.read(conn, wanted), ttl=TTL)


def _traces(wanted: tuple[KpiConfig, ...], span: Span) -> Shown[tuple[Trace, ...]]:
    url = Settings().prometheus_url

    def ask() -> tuple[Trace, ...]:
        with httpx2.Client(trust_env=False) as client:
            return kpis.traces(url, wanted, span, client)

    return data.remembered(("kpis", url, wanted), ask, ttl=TTL)


def _ask() -> Shown[Report]:
    declared, _ = data.config()

    def read(conn: Connection) -> Report:
        return quarters.read(conn, declared)

    return data.asked(("quarters", declared), read, ttl=TTL)


if __name__ == "__main__":
    show()
