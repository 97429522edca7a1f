"""The router: which pages there are, and what is around them all."""

from pathlib import Path
from typing import Final

import streamlit as st

from dashboard import data, sign_in, unknown
from dashboard.door import SignInError
from drift.records import Visitor

HERE: Final = Path(__file__).parent


def main() -> None:
    """Show the page that the address names."""
    st.set_page_config(page_title="drift", page_icon=str(HERE / "favicon.svg"), layout="wide")
    st.html(HERE / "style.css")
    try:
        who = data.visitor()
    except SignInError as error:
        sign_in.ask(error)
        return
    sign_in.go_on()
    unknown.begin()
    _pages(who)
    sign_in.who(who)


def _pages(who: Visitor) -> None:
    pages = [
        st.Page(HERE / "views" / "fleet.py", title="Fleet", default=True),
        st.Page(HERE / "views" / "stream.py", title="Stream", url_path="stream"),
        st.Page(HERE / "views" / "incidents.py", title="Incidents", url_path="incidents"),
        st.Page(HERE / "views" / "times.py", title="Any two times", url_path="times"),
        st.Page(HERE / "views" / "projection.py", title="Projection", url_path="projection"),
        st.Page(HERE / "views" / "executive.py", title="Executive", url_path="executive"),
        st.Page(HERE / "views" / "incident.py", title="Incident", url_path="incident", visibility="hidden"),
    ]
    if who.sees_all:
        pages.insert(5, st.Page(HERE / "views" / "gate.py", title="Gate and versions", url_path="gate"))
        pages.insert(7, st.Page(HERE / "views" / "operations.py", title="Operations", url_path="operations"))
    st.navigation(pages, position="top").run()


main()
