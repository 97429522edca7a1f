"""Numbers of the business, as the file declares them, to be seen beside drift."""

from pydantic import BaseModel, ConfigDict, Field

from drift.config.values import Name


class KpiConfig(BaseModel):
    """A number that Prometheus knows: `query` is PromQL that gives one series, `unit` stands behind the number.

    It is drawn on the page Executive beside the pages of `streams`, of all where none is named. The dashboard asks the
    Prometheus of DRIFT_PROMETHEUS_URL.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    query: str = Field(min_length=1)
    unit: str = ""
    streams: tuple[Name, ...] = ()
