"""Reference and newest windows in one picture: where do the rows lie that are new?"""

from datetime import timedelta
from typing import Final

import streamlit as st

from dashboard import data, parts, points, projection, scatter, typical, unknown, words
from dashboard.colouring import By
from dashboard.data import Registered, Shown
from dashboard.projection import LAST, ROWS, Kept, Method, Projection, Wanted
from drift.store import windows
from drift.store.connect import Connection

TTL: Final = timedelta(minutes=1)
PLAIN: Final = (
    "PCA: the plane in which the reference varies most, so that the axes stay where they are. What is not seen here "
    "may lie along another direction: a picture is no test."
)
FITTED: Final = (
    "UMAP: fitted to the reference once, so that windows of all times share one picture. Each row lies amid the rows "
    "of the reference that are most like it, so what is unlike all of them is seen by its novelty, not by its place."
)


def show() -> None:
    """The whole page."""
    known = parts.registered()
    if known is None:
        return
    asked = _asked(known)
    if asked is None:
        return
    wanted, by = asked
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
    if found.projection.method is not wanted.method:
        st.info(_why_not(found))
    points.draw(scatter.packed(found.projection, by, found.at))
    parts.html(typical.table(found.projection.clusters), _about(found.projection, found))


def _asked(known: Registered) -> tuple[Wanted, By] | None:
    """Which rows, and what their colour says; all of it lives in the address."""
    pictures, colours = [each.value for each in Method], [each.value for each in By]
    options = {"last": list(LAST), "most": list(ROWS), "picture": pictures, "by": colours}
    for name, known_ones in {**options, "column": _columns(parts.named("stream"))}.items():
        unknown.leave_out(name, known_ones)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        stream = parts.chosen_stream(known, windows.first_stream)
        if stream is None:
            return None
        last = _one_of("Windows of the last", options["last"], "last", "1 d")
        most = _one_of("Rows at most", options["most"], "most", "2k")
        method = Method(_one_of("Picture", pictures, "picture", Method.PCA.value))
        by = By(_one_of("Colour", colours, "by", By.SIDE.value))
        columns = _columns(stream)
        column = st.selectbox("Column", columns, key="column", bind="query-params") if len(columns) > 1 else None
    return Wanted(stream, LAST[last], ROWS[most], column or next(iter(columns), ""), method), by


def _one_of(label: str, options: list[str], name: str, usual: str) -> str:
    if name not in st.query_params:
        st.session_state.setdefault(name, usual)
    return st.segmented_control(label, options, key=name, bind="query-params", required=True) or usual


def _columns(stream: str) -> list[str]:
    """The columns by which the stream is declared to be split."""
    declared, _ = data.config()
    found = declared.stream(stream) if declared else None
    return sorted(found.segments) if found else []


def _why_not(found: Kept) -> str:
    picture = found.picture
    if picture is None:
        return (
            "**No UMAP of this reference yet.** The service fits it in the background, minutes after its start, where "
            "`drift[umap]` is installed. Until then this is PCA."
        )
    if picture.fault:
        tried = f"tried at {picture.made_at:%Y-%m-%d %H:%M} UTC"
        return f"**No UMAP of this reference:** {picture.fault} ({tried}). This is PCA."
    return "**No window of this time has its place in the UMAP yet.** The service places them each minute. This is PCA."


def _about(drawn: Projection, found: Kept) -> str:
    counts = (
        f"{words.several(len(drawn.window.places), 'row')} of the newest windows upon "
        f"{words.several(len(drawn.reference.places), 'row')} of the reference {drawn.version[:12]}"
    )
    picture, made = found.picture, ""
    if drawn.method is Method.UMAP and picture is not None and found.placed is not None:
        made = (
            f" Computed at {picture.made_at:%Y-%m-%d %H:%M} UTC in {picture.seconds:.0f} s; the newest window in it "
            f"ended at {found.placed:%Y-%m-%d %H:%M:%S} UTC."
        )
    return (
        f'<p class="soft">{counts}. {PLAIN if drawn.method is Method.PCA else FITTED}{made} Novelty is the distance '
        "to the nearest row of the reference, over what 99 % of its own rows stay below; the witness is above 0 where "
        "windows have more rows than the reference, and below where they have fewer.</p>"
        f'<p class="when">As of {found.at:%Y-%m-%d %H:%M:%S} UTC, read again after {words.length(TTL)}. '
        "All times are UTC.</p>"
    )


if __name__ == "__main__":
    show()
