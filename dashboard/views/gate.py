"""Whether a new version may serve: decisions of the gate, trials beside what serves, and versions since when."""

from datetime import timedelta
from typing import Final

import streamlit as st

from dashboard import data, parts, release, unknown, words

EVERY: Final = 30.0
NOTHING: Final = (
    "**No stream is registered yet, and no gate has decided.** `drift gate --record` keeps a decision; `gate` of a "
    "stream in `drift.yaml` has one follow on each retraining, and `canary` tries two versions side by side."
)


@st.fragment(run_every=EVERY)
def show() -> None:
    """The whole page; it renews itself."""
    found = parts.known(
        lambda: data.asked("release", release.read, ttl=timedelta(seconds=EVERY / 2)), lambda found: found.at
    )
    if found is None:
        return
    if not (found.streams or found.decisions or found.trials):
        st.info(NOTHING)
        parts.html(parts.as_of(found.at, EVERY))
        return
    parts.html(release.verdict(found), parts.as_of(found.at, EVERY))
    unknown.leave_out("id", [one.id for one in found.decisions])
    chosen = found.decision(st.query_params.get("id", ""))
    if chosen is not None:
        parts.html("<h3>What the gate says</h3>", release.judged(chosen, found.at))
    parts.html("<h3>Tried side by side</h3>")
    if found.trials:
        parts.html(*(release.trial(one, found.at) for one in found.trials))
    else:
        st.caption("No two versions serve side by side: name two streams under `canary` in `drift.yaml`.")
    parts.html("<h3>Decisions of the gate</h3>")
    if chosen is not None:
        parts.html(release.decisions(found, chosen.id))
    else:
        st.caption("No decision is on record: `drift gate --record` keeps one, `gate` of a stream makes one by itself.")
    parts.html("<h3>Versions that serve</h3>")
    if found.versions:
        parts.html(release.versions(found))
    else:
        st.caption("No stream has served a version yet.")
    if found.streams > release.STREAMS:
        st.caption(f"The {release.STREAMS} that changed last of {words.several(found.streams, 'stream')} are shown.")


if __name__ == "__main__":
    show()
