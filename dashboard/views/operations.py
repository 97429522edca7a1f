"""The service about itself: what waits, what could not be measured and why, deliveries, rows, and the database."""

from datetime import timedelta
from typing import Final

import streamlit as st

from dashboard import alive, data, drawn, markup, parts, service, upkeep, words

EVERY: Final = 30.0


@st.fragment(run_every=EVERY)
def show() -> None:
    """The whole page; it renews itself."""
    shown = parts.shown(
        lambda: data.asked("operations", service.read, ttl=timedelta(seconds=EVERY / 2)), lambda found: found.at
    )
    if shown is None:
        return
    found = shown.value
    if not found.streams:
        st.info(parts.NO_STREAM)
        parts.html(parts.as_of(found.at, EVERY))
        return
    silent = alive.silent_for(found.streams, data.config()[0], found.at)
    first = parts.verdict(upkeep.verdict(found, silent), shown, found.at)
    parts.html(first, upkeep.numbers(found), parts.as_of(found.at, EVERY))
    parts.html("<h3>Windows that wait to be measured</h3>", upkeep.queue(found))
    title = "Rows by the hour, of all streams"
    parts.html(f"<h3>{title}</h3>", markup.key([(name, colour, "") for name, colour in upkeep.PARTS]))
    if found.intake:
        drawn.charts("intake", upkeep.taken_in(found))
    else:
        st.caption("No row has arrived.")
    parts.html("<h3>What could not be measured, and why</h3>", upkeep.gaps(found))
    parts.html("<h3>Deliveries</h3>", upkeep.receivers(found))
    parts.html(f"<h3>Database: {words.size(found.bytes)}</h3>", upkeep.sizes(found))
    parts.html("<h3>What encoding takes</h3>", upkeep.encoders(found))


if __name__ == "__main__":
    show()
