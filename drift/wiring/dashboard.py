"""The dashboard as a process of its own: refused to strangers, and with the secrets that its sign-in needs."""

import os
import secrets
import sys
from pathlib import Path

import streamlit as st
from streamlit.runtime.secrets import SecretsValue

import dashboard
from drift.config import Config, OidcConfig, Settings
from drift.wiring.database import hosted
from drift.wiring.strangers import require_sign_in


def serve(config: Config, path: Path, settings: Settings) -> None:
    """Serve the dashboard on the file `path`, which says `config`, until told to stop.

    Raises:
        DriftError: strangers would reach it, or there is no database.
    """
    require_sign_in(config, settings)
    if settings.dashboard_database_url:
        _run(config, path, settings)
        return
    with hosted(settings) as found:
        os.environ["DRIFT_DASHBOARD_DATABASE_URL"] = found.reader_url
        _run(config, path, settings)


def _run(config: Config, path: Path, settings: Settings) -> None:
    # The address of who connects, as it is: it must not be read from a header that anybody can send.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    script = Path(dashboard.__file__).with_name("app.py")
    sys.argv = [str(script), "--config", str(path.resolve())]
    oidc = config.access.oidc
    app = st.App(script, secrets=_secrets(oidc, config.dashboard_url) if oidc else None)
    app.run(
        config={
            **dashboard.STREAMLIT_OPTIONS,
            "server.address": settings.host,
            "server.port": settings.dashboard_port,
        }
    )


def _secrets(oidc: OidcConfig, dashboard_url: str) -> dict[str, SecretsValue]:
    """What Streamlit reads of a file elsewhere; here it stays in memory."""
    cookie = oidc.cookie_secret.get_secret_value() if oidc.cookie_secret else secrets.token_urlsafe(32)
    return {
        "auth": {
            "redirect_uri": f"{dashboard_url}/oauth2callback",
            "cookie_secret": cookie,
            "client_id": oidc.client_id,
            "client_secret": oidc.client_secret.get_secret_value(),
            "server_metadata_url": oidc.metadata_url,
            "client_kwargs": {"scope": oidc.scope},
        }
    }
