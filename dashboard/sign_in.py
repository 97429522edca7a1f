"""How somebody signs in and out, and comes to the page that a link named."""

from html import escape
from typing import Final

import streamlit as st

from dashboard import markup, provider
from dashboard.door import SignInError, metadata_url
from dashboard.provider import ProviderError
from drift.records import Visitor

# Whoever signs in comes back to the first page: the tab remembers which one was asked for.
REMEMBER: Final = "sessionStorage.setItem('drift.wanted', location.pathname + location.search);"
GO_ON: Final = (
    "const wanted = sessionStorage.getItem('drift.wanted'); sessionStorage.removeItem('drift.wanted');"
    "if (wanted && wanted !== location.pathname + location.search) location.replace(location.origin + wanted);"
)


def ask(error: SignInError) -> None:
    """Say why nothing is shown, and how to sign in where that helps."""
    st.html(markup.block(f'<p class="verdict">drift</p><p>{escape(str(error))}</p>'))
    if error.can_sign_in:
        _run(REMEMBER)
        if st.button("Sign in", type="primary"):
            _sign_in()
    elif _came_by_login():
        st.button("Sign in as somebody else", on_click=st.logout)


def _sign_in() -> None:
    """Go to the provider, which is asked before: where it is away, Streamlit shows a page without a word of why."""
    try:
        provider.require(metadata_url())
    except ProviderError as error:
        st.error(
            f"**You cannot sign in now.** {error} Try again in a moment; if this stays, tell whoever runs this "
            "dashboard: the address is `access.oidc.metadata_url` in drift.yaml, and this machine must reach it."
        )
        return
    st.login()


def go_on() -> None:
    """Go to the page that was asked for before signing in."""
    if _came_by_login():
        _run(GO_ON)


def who(visitor: Visitor) -> None:
    """Say who is signed in, below the page."""
    if not visitor.name:
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="right", key="who"):
        tenants = "" if visitor.sees_all else f", streams of {', '.join(visitor.tenants) or 'no tenant'}"
        text = f"Signed in as {visitor.name}, {visitor.role}{tenants}"
        st.html(markup.block(f'<p class="when">{escape(text)}</p>'), width="content")
        if _came_by_login():
            st.button("Sign out", on_click=st.logout, type="tertiary")


def _came_by_login() -> bool:
    return bool(dict(st.user).get("is_logged_in"))


def _run(script: str) -> None:
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)
