"""Settings of one process, from environment variables that start with DRIFT_."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from drift.errors import ConfigError


class Settings(BaseSettings):
    """Where things are on this machine.

    `database_url` names an existing Postgres (14 or later); without it the embedded one is used, under `home`.
    `dashboard_database_url` may name a role that can only SELECT; the embedded Postgres brings its own. With `open` API
    and dashboard are served on an address that others reach though nobody has to sign in. `prometheus_url` is whom the
    dashboard asks for the numbers under `kpis`.
    """

    model_config = SettingsConfigDict(env_prefix="DRIFT_", frozen=True)

    home: Path = Path(".drift")
    database_url: str = ""
    dashboard_database_url: str = ""
    prometheus_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8600, ge=1, le=65_535)
    dashboard_port: int = Field(default=8601, ge=1, le=65_535)
    open: bool = False
    log_json: bool = False


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigError: a variable has a value that it cannot have.
    """
    try:
        found = Settings()
    except ValidationError as error:
        faults = [f"DRIFT_{str(one['loc'][0]).upper()}: {one['input']!r}: {one['msg']}" for one in error.errors()]
        raise ConfigError("\n".join(faults)) from None
    if found.port == found.dashboard_port:
        raise ConfigError(f"DRIFT_PORT and DRIFT_DASHBOARD_PORT are both {found.port}: each needs its own")
    return found
