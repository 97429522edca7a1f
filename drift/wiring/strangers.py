"""What is served to nobody who does not say who that is."""

from drift.config import Config, Settings, require_closed


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
