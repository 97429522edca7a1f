"""Any two times: all windows against all others, so that regimes, weekends and the moment of a change are seen."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import streamlit as st

from dashboard import data, drawn, matrix, pairs, parts, unknown, words
from dashboard.data import Registered, Shown
from dashboard.matrix import LENGTHS, Kept, Matrix, Pair
from dashboard.series import moment
from drift.slo import Slo
from drift.store import sketches
from drift.store.connect import Connection

TTL: Final = timedelta(minutes=1)
SIDE: Final = 600
ABOUT: Final = (
    "Each cell is how far the means of two stretches of time lie apart, in standard deviations of a row of the "
    "reference; what chance alone gives is taken off. It is made of sums that are kept of each window, so it sees that "
    "the mean has moved, and not that the shape has changed. Dark blocks are regimes, and where two meet is the moment "
    "of a change. A click on a cell compares its two times."
)


def show() -> None:
    """The whole page."""
    known = parts.registered()
    if known is None:
        return
    stream, length = _asked(known)
    if stream is None:
        return

    def ask() -> Shown[Kept]:
        return data.asked(
            ("matrix", stream, length), lambda conn: matrix.read(conn, stream, length), of=stream, ttl=TTL
        )

    found = parts.known(ask, lambda kept: kept.at)
    if found is None:
        parts.try_again(ask)
        return
    kept = found.matrix
    if kept is None or len(kept.starts) < 2:
        st.info(
            f"No sums of two windows of `{stream}` are kept in this time. The detector `{matrix.KEPT_BY}` keeps them: "
            "list it for the stream, and come back after two windows."
        )
        return
    parts.html(f'<p class="soft">{ABOUT}</p>')
    chosen = _drawn(kept)
    parts.html(
        f'<p class="when">{words.several(len(kept.starts), "stretch", "stretches")} of {words.length(kept.step)}. '
        f"As of {found.at:%Y-%m-%d %H:%M:%S} UTC, read again after {words.length(TTL)}. All times are UTC.</p>"
    )
    if chosen is not None:
        _compare(found, stream, _objectives(stream), *chosen)


def _asked(known: Registered) -> tuple[str | None, timedelta]:
    """Which stream, and how far back; both live in the address."""
    unknown.leave_out("last", list(LENGTHS))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        stream = parts.chosen_stream(known, sketches.first_stream)
        if "last" not in st.query_params:
            st.session_state.setdefault("last", "30 d")
        last = st.segmented_control("Range", list(LENGTHS), key="last", bind="query-params", required=True)
    return stream, LENGTHS[last or "30 d"]


def _drawn(kept: Matrix) -> tuple[int, int] | None:
    """The matrix; returns the cell that was clicked, else the two times in the address."""
    chosen = drawn.matrix(pairs.picture(kept, SIDE))
    if chosen is not None and max(chosen) < len(kept.starts):
        st.query_params["a"], st.query_params["b"] = (kept.starts[i].isoformat() for i in chosen)
        return chosen
    asked = [_place(kept, st.query_params.get(name, "")) for name in ("a", "b")]
    for name, place in zip(("a", "b"), asked, strict=True):
        if place is None and (text := st.query_params.pop(name, "")):
            first, last = kept.starts[0], kept.starts[-1]
            unknown.say(name, text, f"Kept are times from `{first:%Y-%m-%dT%H:%MZ}` to `{last:%Y-%m-%dT%H:%MZ}`.")
    return None if None in asked else (asked[0] or 0, asked[1] or 0)


def _place(kept: Matrix, text: str) -> int | None:
    """Which stretch holds the moment that `text` names; None where none does."""
    try:
        at = moment(text)
        return next((i for i in range(len(kept.starts)) if kept.span(i).contains(at)), None)
    except ValueError:
        return None


def _objectives(stream: str) -> Sequence[Slo]:
    declared, _ = data.config()
    return sorted(declared.slos(stream).values(), key=lambda slo: slo.name) if declared else []


def _compare(known: Kept, stream: str, slos: Sequence[Slo], first: int, second: int) -> None:
    kept = known.matrix
    if kept is None:
        return
    a, b = (kept.span(i) for i in sorted((first, second)))

    def read(conn: Connection) -> Pair:
        return matrix.pair(conn, stream, a, b, slos)

    key = "pair", stream, a, b, tuple(slos)
    found = parts.known(lambda: data.asked(key, read, of=stream, ttl=TTL), lambda _: known.at)
    if found is not None:
        parts.html(pairs.compared(kept, first, second, found, slos))


if __name__ == "__main__":
    show()
