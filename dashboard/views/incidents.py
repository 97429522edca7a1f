"""Episodes of alerts, open ones first, and the messages that told of them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from html import escape
from typing import Final

import streamlit as st

from dashboard import data, episodes, parts, together, unknown, words
from dashboard.data import Incidents
from drift.store import outgoing
from drift.store.reads import AlertRow

EVERY: Final = 5.0
MOST: Final = 100
ALL: Final = "all"
RANGES: Final = {"1 d": timedelta(days=1), "7 d": timedelta(days=7), "30 d": timedelta(days=30), ALL: None}
STATES: Final = ("open", "resolved")


@st.fragment(run_every=EVERY)
def show() -> None:
    """The whole page; it renews itself and keeps its place."""
    within, matches = _filters()
    shown = parts.shown(lambda: data.incidents(RANGES[within]), lambda incidents: incidents.at)
    if shown is None:
        return
    found = shown.value
    every = together.groups(found.alerts, found.at)
    chosen = [group for group in every if matches(group)]
    chosen.sort(key=lambda group: group[0].alert.is_over)
    first = parts.verdict(_verdict(every), shown, found.at)
    parts.html(first, "" if found.is_whole else _cut(found), parts.as_of(found.at, EVERY))
    if chosen:
        parts.html(together.table(chosen[:MOST], found.told, found.at))
    else:
        st.info("No alert matches these filters." if found.alerts else "No alert in this time.")
    if len(chosen) > MOST:
        st.caption(f"The first {MOST} of {len(chosen)} are shown: choose a state, a kind or a shorter time.")
    _messages(found)


def _filters() -> tuple[str, Callable[[Sequence[AlertRow]], bool]]:
    """How far back to look, and what to show of it. Both live in the address, so that a link shows the same."""
    options = {"within": list(RANGES), "episode": STATES, "kind": list(words.KINDS.values())}
    for name, known in options.items():
        unknown.leave_out(name, known)
    if "within" not in st.query_params:
        st.session_state.setdefault("within", "30 d")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        within = st.segmented_control(
            "Within",
            options["within"],
            key="within",
            bind="query-params",
            required=True,
            on_change=unknown.forget,
            args=("within",),
        )
        states = _pills("State", options["episode"], "episode")
        kinds = _pills("Kind", options["kind"], "kind")
        text = st.text_input("Stream", placeholder="part of its name", key="of", bind="query-params", width=180) or ""

    def matches(group: Sequence[AlertRow]) -> bool:
        first = group[0].alert
        return (
            (not states or STATES[first.is_over] in states)
            and (not kinds or any(words.KINDS[row.alert.kind] in kinds for row in group))
            and text.casefold() in first.stream.casefold()
        )

    return within or ALL, matches


def _pills(label: str, options: Sequence[str], name: str) -> list[str]:
    """Those of `options` that were chosen."""
    return st.pills(
        label,
        options,
        selection_mode="multi",
        key=name,
        bind="query-params",
        on_change=unknown.forget,
        args=(name,),
    )


def _verdict(every: Sequence[Sequence[AlertRow]]) -> str:
    told = [group for group in every if not all(row.muted for row in group)]
    count, replayed = sum(not group[0].alert.is_over for group in told), len(every) - len(told)
    text = f"{words.several(count, 'incident')} open" if count else "No incident is open"
    text += f", {words.count(len(told) - count)} resolved in this time"
    more = f"{words.count(replayed)} more of replayed history, of which nobody was told." if replayed else ""
    return f'<p class="verdict">{escape(text)}</p>' + (f"<p>{escape(more)}</p>" if more else "")


def _cut(found: Incidents) -> str:
    text = f"Of the alerts of this time the newest {words.count(len(found.alerts))} are counted: choose a shorter one."
    return f"<p>{escape(text)}</p>"


def _messages(found: Incidents) -> None:
    late = [message for message in found.messages if outgoing.is_late(message.delivery, found.at)]
    text = f"{words.several(len(late), 'message')} not delivered" if late else "Every message was delivered"
    parts.html(f"<h3>{escape(text if found.messages else 'No message was written')}</h3>")
    if not found.messages:
        return
    if late:
        parts.html(episodes.message_table(late[:MOST], found.at))
    with st.expander(f"The newest of {words.several(len(found.messages), 'message')}"):
        newest = sorted(found.messages, key=lambda message: message.delivery.created_at, reverse=True)
        parts.html(episodes.message_table(newest[:MOST], found.at))


if __name__ == "__main__":
    show()
