"""What is served to nobody who does not say who that is."""

import httpx2

from drift.config import Config, OidcConfig, Settings, require_closed
from drift.errors import ConfigError


def require_sign_in(config: Config, settings: Settings) -> None:
    """Refuse to serve the dashboard to strangers.

    Raises:
        ConfigError: others may reach it, and nobody would have to sign in.
    """
    remedy = "add `access.oidc` or `access.proxy` to the configuration"
    require_closed(settings, "dashboard", is_asked=config.access.asks_people, remedy=remedy)


def require_tokens(config: Config, settings: Settings) -> None:
    """Refuse to serve the API to strangers.

    Raises:
        ConfigError: others may reach it, and nobody would need a token.
    """
    remedy = "add `access.tokens` to the configuration"
    require_closed(settings, "API", is_asked=bool(config.access.tokens), remedy=remedy)


def access(config: Config, settings: Settings) -> str:
    """How people and programs say who they are.

    Raises:
        ConfigError: strangers would be served, or the provider does not answer as one.
    """
    require_sign_in(config, settings)
    require_tokens(config, settings)
    found = config.access
    if found.oidc is not None:
        _require_provider(found.oidc)
        people = f"by {found.oidc.metadata_url}, which has to allow {config.dashboard_url}/oauth2callback"
    elif found.proxy is not None:
        people = f"by a proxy at {', '.join(map(str, found.proxy.addresses))}"
    else:
        people = "nobody has to" if settings.open else f"nobody has to, on {settings.host} alone"
    programs = ", ".join(f"{token.name} ({token.role})" for token in found.tokens) or "anybody"
    return f"people sign in: {people}; who may use the API: {programs}"


def _require_provider(oidc: OidcConfig) -> None:
    try:
        with httpx2.Client(timeout=5, follow_redirects=True) as client:
            answer = client.get(oidc.metadata_url)
            known = answer.is_success and "authorization_endpoint" in answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise ConfigError(
            f"access.oidc.metadata_url: {oidc.metadata_url} does not answer as a provider: {error}"
        ) from error
    if not known:
        raise ConfigError(
            f"access.oidc.metadata_url: {oidc.metadata_url} answered {answer.status_code}, needed is the provider's "
            "`.well-known/openid-configuration`"
        )
