"""Settings of one process, from environment variables that start with DRIFT_."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are on this machine.

    `database_url` names an existing Postgres (14 or later); without it the embedded one is used, under `home`.
    `dashboard_database_url` may name a role that can only SELECT; the embedded Postgres brings its own.
    """

    model_config = SettingsConfigDict(env_prefix="DRIFT_", frozen=True)

    home: Path = Path(".drift")
    database_url: str = ""
    dashboard_database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8600
    dashboard_port: int = 8601
    log_json: bool = False
