"""The router: which pages there are, and what is around them all."""

from pathlib import Path
from typing import Final

import streamlit as st
from altair.utils import schemapi

HERE: Final = Path(__file__).parent


def main() -> None:
    """Show the page that the address names."""
    schemapi.disable_debug_mode()  # else Altair checks all that a chart is made of, for half of the time that it takes
    st.set_page_config(page_title="drift", page_icon=str(HERE / "favicon.svg"), layout="wide")
    st.html(HERE / "style.css")
    pages = [
        st.Page(HERE / "views" / "fleet.py", title="Fleet", url_path="fleet", default=True),
        st.Page(HERE / "views" / "stream.py", title="Stream", url_path="stream"),
        st.Page(HERE / "views" / "incidents.py", title="Incidents", url_path="incidents"),
        st.Page(HERE / "views" / "times.py", title="Any two times", url_path="times"),
        st.Page(HERE / "views" / "projection.py", title="Projection", url_path="projection"),
        st.Page(HERE / "views" / "gate.py", title="Gate and versions", url_path="gate"),
        st.Page(HERE / "views" / "executive.py", title="Executive", url_path="executive"),
        st.Page(HERE / "views" / "operations.py", title="Operations", url_path="operations"),
        st.Page(HERE / "views" / "incident.py", title="Incident", url_path="incident", visibility="hidden"),
    ]
    st.navigation(pages, position="top").run()


main()
