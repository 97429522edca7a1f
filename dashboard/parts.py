"""Pieces of a page that talk to Streamlit: states of the database, headings, and blocks of HTML."""

import difflib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final, TypeVar

import streamlit as st

from dashboard import data, markup, unknown, words
from dashboard.answers import First
from dashboard.data import Registered, Shown
from dashboard.door import HiddenError, SignInError
from drift.errors import StoreError
from drift.records import Role
from drift.store.connect import Connection

T = TypeVar("T")

FIRST_TTL: Final = timedelta(minutes=1)
NO_STREAM: Final = "**No stream is registered yet.** Declare one in `drift.yaml` and start the service: `drift run`."


def html(*parts: str) -> None:
    """Show a block of HTML in the style of the dashboard."""
    st.html(markup.block(*parts))


def folded(name: str, inner: str) -> None:
    """A block of HTML that opens with a click, where there is any, and stays open when the page renews itself."""
    if inner:
        with st.expander(name):
            html(inner)


def known(ask: Callable[[], Shown[T]], at: Callable[[T], datetime]) -> T | None:
    """What is known, with a notice when the database is away; None, and the reason shown, when nothing is known."""
    found = shown(ask, at)
    return None if found is None else found.value


def shown(ask: Callable[[], Shown[T]], at: Callable[[T], datetime]) -> Shown[T] | None:
    """The same with its age, for a page whose first line says how things are now (`verdict`)."""
    try:
        with st.spinner("Reading the database", show_time=False):
            found = ask()
    except (HiddenError, SignInError) as error:
        st.warning(str(error))
        return None
    except StoreError as error:
        why = detail(error) or "The database does not answer"
        st.error(f"**Nothing can be shown.** {why}. This page tries again by itself.")
        return None
    if found.fault:
        st.warning(
            f"**The database does not answer.** Below is what was known {words.length(found.age)} ago, "
            f"at {words.clock(at(found.value), at(found.value))}. Alerts still go out only if the service itself can "
            f"reach its database. {detail(found.fault)}"
        )
    return found


def verdict(now: str, found: Shown[T], at: datetime, then: str = "") -> str:
    """`now`, HTML that says how things are; where the database is away, that this is not known, and what was `then`."""
    if not found.fault:
        return now
    was = f"; at {words.clock(at, at)}: {then}" if then else ""
    return f'<p class="verdict">{escape(f"○ How things are now is not known{was}")}</p>'


def detail(fault: object) -> str:
    """Why somebody gave no answer, for operators; "" for others, who are not to know where that one is and who asks."""
    return str(fault) if data.visitor().role is Role.OPERATOR else ""


def try_again(ask: Callable[[], Shown[T]], every: float = 5.0) -> None:
    """Start the page over once the database answers, for a page that does not renew itself."""

    def answered() -> None:
        try:
            ask()
        except (StoreError, HiddenError):
            return
        st.rerun()

    st.fragment(answered, run_every=every)()


def registered() -> Registered | None:
    """The streams, of which a page asks for one; None, and the reason shown, where there is none to ask for."""
    found = known(data.streams, lambda found: found.at)
    if found is None:
        try_again(data.streams)
        return None
    if not found.streams:
        st.info(NO_STREAM)
        return None
    return found


def named(name: str) -> str:
    """What the address says of `name`, "" where it says nothing.

    What `unknown.plain` takes away becomes a mark that no name has.
    """
    return unknown.plain(st.query_params.get(name, ""))


def chosen_stream(known: Registered, first: Callable[[Connection], str | None]) -> str | None:
    """Which stream, in the address; at first the one that `first` names, which has something to show.

    None, and the reason shown, where the address names one that is not known.
    """
    names = [row.stream.key for row in known.streams]
    asked = named("stream")
    if asked and asked not in names:
        st.session_state["stream"] = None
        unknown_stream(asked, names)
    elif not asked and "stream" not in st.session_state:
        try:
            found = data.asked(first, lambda conn: First(first(conn)), ttl=FIRST_TTL).value.stream
        except StoreError:
            found = None  # what is asked next says so
        st.session_state["stream"] = st.query_params["stream"] = found if found in names else names[0]
    # Without a first choice of the widget's own, each is written to the address: a link keeps its stream.
    return st.selectbox("Stream", names, None, key="stream", bind="query-params", width=260, placeholder="Which?")


def unknown_stream(key: str, names: Sequence[str]) -> None:
    """Say that there is no stream `key`, and which one is nearest."""
    near = difflib.get_close_matches(key, names, n=1)
    st.warning(f"No stream is called `{key}`." + (f" Did you mean `{near[0]}`?" if near else ""))


def as_of(at: datetime, every: float | None) -> str:
    """When what is shown was true, in HTML."""
    pace = f"refreshed every {every:g} s" if every else "refresh is paused"
    return f'<p class="when">As of {at:%Y-%m-%d %H:%M:%S} UTC, by the database\'s clock; {pace}. All times are UTC.</p>'


def declared_notice() -> None:
    """Say so when the configuration cannot be read: thresholds and runbooks are missing then."""
    declared, fault = data.config()
    if declared is None:
        st.info(f"Thresholds and runbooks are not shown: {fault}")
