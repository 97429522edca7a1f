"""What all parts of the file have in common."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Takes no name that it does not know, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
