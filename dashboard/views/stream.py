"""One stream: what fires and why, and what each of its objectives went through."""

from collections.abc import Sequence
from html import escape
from typing import Final

import streamlit as st

from dashboard import (
    calibration,
    charts,
    closer,
    data,
    diagnosis,
    drawn,
    episodes,
    markup,
    moved,
    parts,
    unknown,
    words,
)
from dashboard.series import ALL, LENGTHS, History, Range, Series, fixed, sensible
from dashboard.standing import Fleet, Line, lines
from drift.alert import AlertKind, AlertState
from drift.errors import StoreError
from drift.records import Role
from drift.slo import Slo
from drift.store.reads import AlertRow

EVERY: Final = 5.0


def show() -> None:
    """The whole page."""
    key = parts.named("stream")
    fleet = parts.known(lambda: data.fleet(key), lambda fleet: fleet.at)
    if fleet is None:
        st.fragment(_again, run_every=EVERY)()
        return
    mine = lines(fleet, data.config()[0])
    if not mine:
        _choose(key)
        return
    live = _header(mine)
    every = EVERY if live else None
    st.fragment(_firing, run_every=every)(key, every)
    _leave_out_unknown(mine)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        chosen = _objective(mine)
        wanted = _range(mine, chosen, fleet)
    if chosen.slo is None:
        st.info(f"The objective `{chosen.name}` is not in the configuration, so it cannot be drawn.")
        return
    others = tuple(sorted((o.slo for o in mine if o.slo and o is not chosen), key=lambda slo: slo.name))
    pace = None if not live or wanted.fixed else _pace(wanted)
    st.fragment(_charts, run_every=pace)(chosen.slo, others, wanted)
    st.fragment(closer.show)(chosen.slo, wanted)


def _again() -> None:
    """Start over once the database answers."""
    try:
        data.streams()
    except StoreError:
        return
    st.rerun()


def _choose(key: str) -> None:
    """What is shown when the address names no stream, or one that is not known."""
    fleet = parts.known(data.fleet, lambda fleet: fleet.at)
    if fleet is None:
        return
    every = lines(fleet, data.config()[0])
    names = [row.stream.key for row in fleet.streams]
    if key in names:
        st.info(f"Stream `{key}` has no objective yet: none is declared for it, or none of its windows was counted.")
    elif key:
        parts.unknown_stream(key, names)
    if not names:
        st.info(parts.NO_STREAM)
        return
    first = {line.row.stream.key: line for line in reversed(every)}
    ordered = sorted(first.values(), key=lambda line: line.urgency)[:100]
    parts.html("<h2>Which stream?</h2>", markup.fleet_table(data.newest(ordered), fleet.at))


def _header(mine: Sequence[Line]) -> bool:
    """What the stream is; returns whether the page shall renew itself."""
    row = mine[0].row
    about = [
        f"model {row.stream.model}",
        f"version {row.stream.version}" if row.stream.version else "",
        f"team {row.team}" if row.team else "",
        f"{row.stream.dim} dimensions",
        f"windows of {words.length(mine[0].slo.interval)}" if mine[0].slo else "",
    ]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(width="content"):
            text = escape(" · ".join(part for part in about if part))
            closely = f'<a href="#{closer.ANCHOR}">a closer look</a>'
            parts.html(f'<p class="verdict">{escape(row.stream.key)}</p><p class="when">{text} · {closely}</p>')
        drawn.ready()
        return st.toggle("Live", value=True, key="live", bind="query-params")


def _firing(key: str, every: float | None) -> None:
    """What fires on this stream, in words."""
    found = parts.shown(lambda: data.fleet(key), lambda fleet: fleet.at)
    if found is None:
        return
    fleet = found.value
    mine = lines(fleet, data.config()[0])
    if not mine:
        st.rerun()  # it has no objective any more, of which the whole page says so
    asked = st.query_params.get("slo", "")
    alerts = [(line, row) for line in mine for row in line.alerts if not _inhibited(row, line.alerts)]
    alerts.sort(key=lambda pair: pair[0].name != asked)  # whoever came by an alert's link reads that one first
    calm = parts.verdict(episodes.calm(mine), found, fleet.at)
    first = [episodes.callout(line, row, mine, fleet.at) for line, row in alerts[:1]] or [calm]
    rest = [episodes.brief(line, row, fleet.at) for line, row in alerts[1:]]
    can_act = data.visitor().role is Role.OPERATOR
    parts.html(episodes.planned(mine[0], fleet.at, can_act=can_act), *first, *rest, parts.as_of(fleet.at, every))
    parts.declared_notice()


def _inhibited(row: AlertRow, others: Sequence[AlertRow]) -> bool:
    """Whether it is a ticket for what somebody is already paged about."""
    paged = any(o.alert.kind is AlertKind.PAGE and o.alert.state is AlertState.FIRING for o in others)
    return paged and row.alert.kind is AlertKind.TICKET


def _leave_out_unknown(mine: Sequence[Line]) -> None:
    """Say what the address asks for that is not there."""
    unknown.leave_out("slo", sorted(line.name for line in mine))
    unknown.leave_out("range", [*LENGTHS, ALL])
    unknown.leave_out("live", ["true", "false"])
    unknown.leave_out("look", [look.value for look in closer.Look])
    start, end = (st.query_params.get(name, "") for name in ("from", "to"))
    if (start or end) and fixed(start, end) is None:
        unknown.say("from", f"{start} to {end}", "Needed are two times with their offset: `2026-03-01T12:00:00Z`.")
        _forget_fixed()


def _objective(mine: Sequence[Line]) -> Line:
    """The objective that is drawn in full: the one in the address, else the most urgent."""
    if "slo" not in st.query_params:
        st.session_state.setdefault("slo", mine[0].name)
    names = sorted(line.name for line in mine)
    name = st.segmented_control("Objective", names, key="slo", bind="query-params", required=True)
    return next((line for line in mine if line.name == name), mine[0])


def _range(mine: Sequence[Line], chosen: Line, fleet: Fleet) -> Range:
    """The stretch of time that is drawn: the one in the address, else one that shows how it began."""
    span = fixed(st.query_params.get("from", ""), st.query_params.get("to", ""))
    if span is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            parts.html(f"<p>From {span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC</p>")
            st.button("Show the newest", on_click=_forget_fixed)
        return Range(fixed=span)
    if "range" not in st.query_params:
        begun = [fleet.at - line.since for line in mine if line.since is not None]
        length = chosen.budget.span.length if chosen.budget else LENGTHS["1 h"]
        st.session_state.setdefault("range", sensible(length, max(begun, default=None)))
    name = st.segmented_control("Range", [*LENGTHS, ALL], key="range", bind="query-params", required=True)
    return Range(last=LENGTHS.get(name or ALL))


def _forget_fixed() -> None:
    for name in ("from", "to"):
        st.query_params.pop(name, None)


def _pace(wanted: Range) -> float:
    """Seconds between two drawings: as often as something new can be seen."""
    return 10.0 if wanted.last is not None and wanted.last <= LENGTHS["6 h"] else 60.0


def _charts(chosen: Slo, others: tuple[Slo, ...], wanted: Range) -> None:
    history = parts.known(lambda: data.history(chosen, others, wanted), lambda history: history.span.end)
    if history is None:
        return
    if (made := history.diagnosed) is not None:
        parts.html(diagnosis.section(made, diagnosis.of_stream(made, history.alerts)))
        parts.folded(diagnosis.RULED_OUT, diagnosis.ruled_out(made.found))
    _full(history.chosen)
    if history.moved is not None:
        parts.html(moved.section(history.moved))
        parts.folded(moved.ROWS, moved.rows(history.moved))
    if history.others:
        parts.html("<h3>The other objectives of this stream</h3>")
        drawn.charts("others", *(charts.brief(series) for series in history.others))
    _episodes(history)


def _full(series: Series) -> None:
    """Everything about one objective."""
    slo, sli = series.slo, series.slo.sli
    objective = f"{words.share(float(slo.target))} of windows over {words.length(slo.period)}"
    parts.html(
        f"<h2>{escape(slo.name)}: {escape(words.looks_at(sli.detector))}</h2>",
        f"<p>A window is good when its {escape(words.good(sli))}. The objective is {escape(objective)}.</p>",
        calibration.judged_by(series.budgets),
        calibration.section(series.calibration) if series.calibration else "",
    )
    if not series.measurements and not series.gaps:
        st.info("No window in this range.")
        return
    drawn.charts("full", *charts.in_full(series), least=2000)


def _episodes(history: History) -> None:
    parts.html("<h3>Alerts in this range</h3>")
    if not history.alerts:
        st.caption("None.")
        return
    parts.html(episodes.table(history.alerts, history.told, history.span.end))


if __name__ == "__main__":
    show()
