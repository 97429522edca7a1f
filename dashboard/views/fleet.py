"""Every objective of every stream, most urgent first."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

import streamlit as st

from dashboard import alive, data, markup, parts, said, unknown, words
from dashboard.standing import Fleet, Line, Standing, lines

EVERY: Final = 5.0
MOST: Final = 100  # more is read by nobody, and takes the browser as long as all the rest


@st.fragment(run_every=EVERY)
def show() -> None:
    """The whole page; it renews itself and keeps its place."""
    found = parts.shown(data.fleet, lambda fleet: fleet.at)
    if found is None:
        return
    fleet = found.value
    declared, _ = data.config()
    every = lines(fleet, declared)
    if not fleet.streams:
        _empty(fleet)
        return
    banner = alive.banner(alive.silent_for(fleet.streams, declared, fleet.at))
    pages = sum(line.standing is Standing.PAGE for line in every)
    verdict = parts.verdict(_verdict(every, fleet), found, fleet.at, f"{words.several(pages, 'page')} firing")
    parts.html(banner, verdict, _tiles(every, fleet), parts.as_of(fleet.at, EVERY))
    parts.declared_notice()
    chosen = _chosen(every)
    parts.html(markup.fleet_table(data.newest(chosen[:MOST]), fleet.at))
    if len(chosen) > MOST:
        st.caption(
            f"The {MOST} most urgent of {words.several(len(chosen), 'objective')} are shown: choose a team or state."
        )
    if not chosen:
        st.info("No objective matches these filters.")


def _empty(fleet: Fleet) -> None:
    st.info(parts.NO_STREAM)
    parts.html(parts.as_of(fleet.at, EVERY))


def _chosen(every: Sequence[Line]) -> list[Line]:
    """What the filters leave. They live in the address, so that a link shows the same."""
    states, teams = (
        [standing.value for standing in Standing],
        sorted({line.row.team for line in every if line.row.team}),
    )
    unknown.leave_out("state", states)
    unknown.leave_out("team", teams)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = st.pills(
            "State",
            states,
            selection_mode="multi",
            key="state",
            bind="query-params",
            on_change=unknown.forget,
            args=("state",),
        )
        team = st.selectbox(
            "Team",
            teams,
            index=None,
            placeholder="All teams",
            key="team",
            bind="query-params",
            on_change=unknown.forget,
            args=("team",),
            width=180,
        )
        text = st.text_input(
            "Stream or model", placeholder="part of its name", key="find", bind="query-params", width=200
        )
    wanted = text.casefold() if text else ""
    return [
        line
        for line in every
        if (not chosen or line.standing in chosen)
        and (team is None or line.row.team == team)
        and wanted in f"{line.row.stream.key} {line.row.stream.model}".casefold()
    ]


def _verdict(every: Sequence[Line], fleet: Fleet) -> str:
    """The first sentence that is read at three in the morning."""
    count = Counter(line.standing for line in every)
    firing = said.unknown_first([line for line in every if line.standing is Standing.PAGE])
    if firing:
        named = [
            f"<li>{markup.link('stream', line.row.stream.key, stream=line.row.stream.key, slo=line.name)}: "
            f"{escape(line.name)} {escape(markup.since_text(line, fleet.at))}</li>"
            for line in firing[:3]
        ]
        more = [f"<li>and {len(firing) - 3} more</li>"] if len(firing) > 3 else []
        return f'<p class="verdict">▲ {escape(said.firing(firing))}</p><ul>{"".join(named + more)}</ul>'
    rest = [
        words.several(count[standing], one, many)
        for standing, one, many in (
            (Standing.TICKET, "ticket is open", "tickets are open"),
            (Standing.NO_DATA, "objective has no data", "objectives have no data"),
            (Standing.TOO_LITTLE, "objective has too little data", "objectives have too little data"),
        )
        if count[standing]
    ]
    return f'<p class="verdict">{escape(". ".join(["✓ No page is firing", *rest]))}.</p>'


def _tiles(every: Sequence[Line], fleet: Fleet) -> str:
    count = Counter(line.standing for line in every)
    behind = sum(row.windows for row in fleet.backlog)
    named = [
        (count[Standing.PAGE], "page firing", "pages firing", markup.slug(Standing.PAGE)),
        (count[Standing.TICKET], "ticket", "tickets", markup.slug(Standing.TICKET)),
        (count[Standing.PENDING], "pending", "pending", markup.slug(Standing.PENDING)),
        (count[Standing.BURNING], "burning", "burning", markup.slug(Standing.BURNING)),
        (count[Standing.NO_DATA], "no data", "no data", markup.slug(Standing.NO_DATA)),
        (count[Standing.TOO_LITTLE], "too little data", "too little data", markup.slug(Standing.TOO_LITTLE)),
        (count[Standing.OK], "ok", "ok", markup.slug(Standing.OK)),
        (len(fleet.streams), "stream", "streams", ""),
        (behind, "window behind", "windows behind", markup.slug(Standing.TICKET)),
    ]
    if fleet.troubled is not None:
        named += [(fleet.troubled, "message undelivered", "messages undelivered", markup.slug(Standing.TICKET))]
    return markup.tiles(
        (one if number == 1 else many, number, style if number else "") for number, one, many, style in named
    )


if __name__ == "__main__":
    show()
