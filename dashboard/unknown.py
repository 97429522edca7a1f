"""What the address asks for and nobody knows: named, with what would be right, and left out of the page."""

import difflib
from collections.abc import Sequence
from typing import Final

import streamlit as st

SAID: Final = "unknown"
LISTED: Final = 12  # more are read by nobody


def begin() -> None:
    """Forget what was said of the address before: the page is shown anew."""
    st.session_state[SAID] = {}


def forget(name: str) -> None:
    """Say no more of `name`: something else was chosen."""
    st.session_state.get(SAID, {}).pop(name, None)


def leave_out(name: str, known: Sequence[str]) -> None:
    """Take the values of `name` that are none of `known` from the address, and say which they were.

    It is said for as long as the page renews itself, though the address has forgotten it by then.
    """
    asked = [value for value in st.query_params.get_all(name) if value]
    if wrong := [value for value in asked if value not in known]:
        _drop(name, [value for value in asked if value in known])
        say(name, wrong[0], _right(wrong[0], known))
    elif name in (said := st.session_state.get(SAID, {})):
        st.warning(said[name])


def say(name: str, value: str, right: str) -> None:
    """Say that `value` is no value of `name`, and what would be `right`."""
    text = f"The address asks for {name} `{plain(value)}`, which is not known, and left out. {right}"
    st.session_state.setdefault(SAID, {})[name] = text
    st.warning(text)


def plain(text: str) -> str:
    """The same without NUL, which Postgres refuses to be asked for, and without what ends the code in Markdown that
    names are shown as: the rest would be a picture or a link of the sender's."""
    return text.translate(dict.fromkeys(map(ord, "\0`"), "\N{REPLACEMENT CHARACTER}"))


def _drop(name: str, rest: list[str]) -> None:
    if rest:
        st.query_params[name] = rest
    else:
        st.query_params.pop(name, None)


def _right(value: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, known, n=1)
    meant = f"Did you mean `{near[0]}`? " if near else ""
    if not known:
        return "There is none."
    listed = ", ".join(f"`{one}`" for one in known[:LISTED])
    return f"{meant}Known are {listed}" + (f" and {len(known) - LISTED} more." if len(known) > LISTED else ".")
