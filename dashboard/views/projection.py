"""Reference and newest windows in one picture: where do the rows lie that are new?"""

from datetime import timedelta
from typing import Final

import streamlit as st

from dashboard import data, parts, projection, scatter, words
from dashboard.data import Registered, Shown
from dashboard.projection import LAST, NEAR, ROWS, Kept, Projection, Wanted
from dashboard.scatter import By
from drift.store.connect import Connection

TTL: Final = timedelta(minutes=1)
SHOWN: Final = {"displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


def show() -> None:
    """The whole page."""
    known = parts.registered()
    if known is None:
        return
    wanted, by = _asked(known)
    declared, _ = data.config()
    stream = declared.stream(wanted.stream) if declared else None
    allowed = stream is not None and stream.show_inputs

    def read(conn: Connection) -> Kept:
        return projection.read(conn, wanted, show_inputs=allowed)

    def ask() -> Shown[Kept]:
        return data.asked((wanted, allowed), read, of=wanted.stream, ttl=TTL)

    found = parts.known(ask, lambda kept: kept.at)
    if found is None:
        parts.try_again(ask)
        return
    if found.projection is None:
        st.info(
            f"No rows of `{wanted.stream}` can be shown: it has no reference yet, or no window in this time has its "
            "rows still (`retention.vectors` says how long they are kept)."
        )
        return
    _drawn(found.projection, by, found)


def _asked(known: Registered) -> tuple[Wanted, By]:
    """Which rows, and what their colour says; all of it lives in the address."""
    names = [row.stream.key for row in known.streams]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        stream = st.selectbox("Stream", names, key="stream", bind="query-params", width=240) or names[0]
        _start_with("last", "1 d")
        last = st.segmented_control("Windows of the last", list(LAST), key="last", bind="query-params", required=True)
        _start_with("most", "2k")
        most = st.segmented_control("Rows at most", list(ROWS), key="most", bind="query-params", required=True)
        _start_with("by", By.SIDE.value)
        by = By(
            st.segmented_control("Colour", [each.value for each in By], key="by", bind="query-params", required=True)
            or By.SIDE
        )
        columns = _columns(stream)
        column = (
            st.selectbox("Column", columns, key="column", bind="query-params") if by is By.SEGMENT and columns else ""
        )
    return Wanted(stream, LAST[last or "1 d"], ROWS[most or "2k"], column or "", NEAR if by is By.NOVELTY else 0), by


def _columns(stream: str) -> list[str]:
    """The columns by which the stream is declared to be split."""
    declared, _ = data.config()
    found = declared.stream(stream) if declared else None
    return sorted(found.segments) if found else []


def _start_with(name: str, value: str) -> None:
    if name not in st.query_params:
        st.session_state.setdefault(name, value)


def _drawn(found: Projection, by: By, kept: Kept) -> None:
    st.plotly_chart(
        scatter.figure(found, by, kept.at),
        width="stretch",
        config=dict(SHOWN),
        key="points",
        alt="rows of the newest windows upon those of the reference",
    )
    parts.html(
        f'<p class="soft">{words.several(len(found.window.places), "row")} of the newest windows upon '
        f"{words.several(len(found.reference.places), 'row')} of the reference {found.version[:12]}, in the plane of "
        "its own first two principal directions, so that the axes stay where they are. What is not seen here may lie "
        "along another direction: a picture is no test.</p>"
        f'<p class="when">As of {kept.at:%Y-%m-%d %H:%M:%S} UTC, read again after {words.length(TTL)}. '
        "All times are UTC.</p>"
    )


if __name__ == "__main__":
    show()
