"""One incident: what fired, what happened when, why, who is affected, what next. Every alert links here."""

from typing import Final

import streamlit as st

from dashboard import (
    account,
    affected,
    alive,
    charts,
    data,
    diagnosis,
    drawn,
    incident,
    markup,
    moved,
    palette,
    parts,
    postmortem,
    unknown,
)
from dashboard.data import Shown
from dashboard.door import HiddenError, config_path
from dashboard.incident import Found, Incident, Named
from dashboard.series import Series
from drift.alert import AlertKind
from drift.errors import StoreError
from drift.records import Role
from drift.store.connect import Connection

EVERY: Final = 5.0
KEY: Final = (
    ("window", palette.LINE, "mark dot"),
    ("bad window", palette.BAD, "mark bad"),
    ("bound", palette.BAD, "dash"),
    ("firing", palette.BAD, "faint"),
    ("not measured", palette.GREY, "mark gap"),
)


def show() -> None:
    """The whole page; while the incident is open it renews itself."""
    wanted = incident.named({name: parts.named(name) for name in st.query_params})
    if wanted is None:
        unknown.leave_out("kind", [kind.value for kind in AlertKind])
        if "kind" in st.query_params and (since := st.query_params.get("since", "")):
            unknown.say("since", since, "Needed is when it began, with its offset: `2026-03-01T12:00:00Z`.")
        st.info("**No incident is named.** Choose one from the list: its link names the alert and when it began.")
        parts.html(f"<p>{markup.link('incidents', 'All incidents')}</p>")
        return
    every = EVERY if _is_live(wanted) else None
    st.fragment(_page, run_every=every)(wanted, every)


def _ask(wanted: Named) -> Shown[Found]:
    declared, _ = data.config()
    slo = declared.slos(wanted.stream).get(wanted.slo) if declared else None
    allowed, among = _may_show(wanted), data.among()

    def read(conn: Connection) -> Found:
        return incident.read(conn, wanted, slo, show_inputs=allowed, among=among)

    return data.asked(("incident", wanted, slo, allowed, among), read, of=wanted.stream)


def _may_show(wanted: Named) -> bool:
    """Whether inputs of single rows may be shown."""
    declared, _ = data.config()
    stream = declared.stream(wanted.stream) if declared else None
    return stream is not None and stream.show_inputs


def _is_live(wanted: Named) -> bool:
    """Whether there may be more to see soon; what is over stays as it is."""
    try:
        found = _ask(wanted).value.incident
    except StoreError:
        return True
    except HiddenError:
        return False
    return found is None or found.is_open


def _page(wanted: Named, every: float | None) -> None:
    found = parts.known(lambda: _ask(wanted), lambda found: found.at)
    if found is None:
        return
    if found.incident is None:
        st.warning(
            f"No {wanted.kind} of `{wanted.stream}`, objective `{wanted.slo}`, began at "
            f"{wanted.started_at:%Y-%m-%d %H:%M:%S} UTC, or it is so old that it is not kept any more."
        )
        parts.html(f"<p>{markup.link('incidents', 'All incidents')}</p>")
        return
    _shown(found.incident, every, allowed=_may_show(wanted))


def _shown(found: Incident, every: float | None, *, allowed: bool) -> None:
    steps = incident.steps(found)
    parts.html(_silence() if found.is_open else "", account.head(found), parts.as_of(found.at, every))
    when, then = st.columns([3, 2], gap="large")
    with when:
        parts.html(account.timeline(found, steps))
    with then:
        _next(found)
        parts.folded("Runbook", account.runbook(found))
        st.download_button(
            "Export for the post-mortem",
            postmortem.document(found, steps),
            file_name=postmortem.name(found),
            mime="text/markdown",
            help="This page as Markdown, without inputs",
        )
    if found.diagnosed is not None:
        parts.html(diagnosis.section(found.diagnosed, diagnosis.of_alert(found.diagnosed, found.row)))
        parts.folded(diagnosis.RULED_OUT, diagnosis.ruled_out(found.diagnosed.found))
    if found.series is not None:
        _chart(found.series)
    if found.moved is not None:
        parts.html(moved.section(found.moved, found.inputs))
        parts.folded(moved.ROWS, account.rows_of(found, allowed=allowed))
    parts.html("<h3>Who is affected</h3>", affected.section(found))
    parts.html("<h3>Who was told</h3>", account.told(found))


def _silence() -> str:
    """That no service runs, where none does: what is shown as it was measured last may be over."""
    try:
        known = data.streams().value
    except StoreError:
        return ""
    return alive.banner(alive.silent_for(known.streams, data.config()[0], known.at))


def _next(found: Incident) -> None:
    parts.html("<h3>What to run next</h3>")
    can_act = data.visitor().role is Role.OPERATOR
    drawn.commands(
        (*account.looking(found, config_path() if can_act else None), *(account.acting(found) if can_act else ()))
    )


def _chart(series: Series) -> None:
    title = "What was measured, with something to both sides"
    parts.html(f"<h3>{title}</h3>", markup.key(KEY))
    drawn.charts("around", charts.judged(series, charts.LOW))


if __name__ == "__main__":
    show()
