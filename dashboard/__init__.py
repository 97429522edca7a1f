"""The dashboard: what is broken, since when, how sure, why, what next. It only reads. `drift dashboard` starts it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Light and dark follow the browser; nothing is asked of any other host. The colours are those of Okabe and Ito.
STREAMLIT_OPTIONS: Final[Mapping[str, str | bool]] = MappingProxyType(
    {
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "theme.paddingTop": "1rem",
        "theme.light.primaryColor": "#0072B2",
        "theme.dark.primaryColor": "#56B4E9",
    }
)
