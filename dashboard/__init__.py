"""The dashboard: what is broken, since when, how sure, why, what next. It only reads.

Start it with `streamlit run`, the path of `app.py`, STREAMLIT_OPTIONS, and after `--` the configuration file.
"""

from typing import Final

# Light and dark follow the browser; nothing is asked of any other host. The colours are those of Okabe and Ito.
STREAMLIT_OPTIONS: Final = (
    "--server.headless=true",
    "--server.fileWatcherType=none",
    "--browser.gatherUsageStats=false",
    "--client.toolbarMode=minimal",
    "--client.showErrorDetails=none",
    "--client.showErrorLinks=false",
    "--theme.paddingTop=1rem",
    "--theme.light.primaryColor=#0072B2",
    "--theme.dark.primaryColor=#56B4E9",
)
