"""Golden inputs that are sent through the endpoint that production uses."""

from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from drift.config.values import Duration, require_http

LEAST: Final = 16
"""Inputs at least: of fewer, a share says next to nothing."""


class CanaryInputsConfig(BaseModel):
    """Golden inputs that are sent to `endpoint`, where production embeds, each `every`, a slot for each time.

    `inputs` is a Parquet file with a column `input`, of which at most `rows` rows are used; with `vector` too where the
    right ones are known, else the stream's encoder makes them; with `label` a probe's accuracy is measured as well. The
    endpoint is of OpenAI's kind, asked for `served_model` with `api_key`; a `plain` one answers `{"inputs": […]}` by
    `[[…], …]`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str
    inputs: Path
    every: Duration = timedelta(minutes=5)
    rows: int = Field(default=256, ge=LEAST, le=4096)
    form: Literal["openai", "plain"] = "openai"
    served_model: str = ""
    api_key: SecretStr | None = None

    @field_validator("endpoint")
    @classmethod
    def _address(cls, endpoint: str) -> str:
        if "@" in require_http(endpoint).split("/")[2]:
            raise ValueError("an endpoint's address goes into logs: put its key into `api_key`")
        return endpoint
