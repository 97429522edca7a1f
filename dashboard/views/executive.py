"""What was promised and what was kept, by team and quarter; made to be printed."""

from datetime import timedelta
from typing import Final

import streamlit as st

from dashboard import data, executive, parts, quarters
from dashboard.data import Shown
from dashboard.quarters import Report
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
    parts.html("<h3>Pages and tickets, by team</h3>", executive.recoveries(found))
    parts.html(f"<h3>Incidents of {found.quarters[0].name}</h3>", executive.latest(found))
    parts.html(
        f'<p class="when">As of {found.at:%Y-%m-%d %H:%M} UTC, read again after {TTL // timedelta(minutes=1)} minutes. '
        "A quarter's attainment is one less the share of its time in bad windows; time without a verdict is good. "
        "The browser prints this page, or makes a PDF of it, without what is only for the screen.</p>"
    )


def _ask() -> Shown[Report]:
    declared, _ = data.config()

    def read(conn: Connection) -> Report:
        return quarters.read(conn, declared)

    return data.asked("quarters", read, ttl=TTL)


if __name__ == "__main__":
    show()
