"""The configuration file as pydantic models: what may be written, what it defaults to, and what it means."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drift.config.access import AccessConfig
from drift.config.canary_inputs import CanaryInputsConfig
from drift.config.encoders import EncoderConfig
from drift.config.gates import CanaryConfig, GateConfig
from drift.config.kpis import KpiConfig
from drift.config.receivers import DigestConfig, ReceiversConfig
from drift.config.slos import SloConfig, default_slos
from drift.config.values import Duration, Http, Name, require_http
from drift.config.webhooks import RetrainConfig
from drift.records import CANARY, CANARY_PROBE, ENVIRONMENT, Stream, merged_name
from drift.slo import Slo
from drift.slo.fleet_budget import Division, divide

DETECTORS: Final = (
    "joint",
    "mean_shift",
    "novelty",
    "effective_rank",
    "variance_ratio",
    "duplicates",
    "quantised",
    "valid_ratio",
)
MERGING: Final = "mean_shift"
MERGE: Final = (3, 12, 36)
MOST_NUMBERS: Final = 128_000_000
"""Of a reference: Postgres gives back no value of more than 512 MiB."""
LONGEST_MERGE: Final = timedelta(days=7)  # four of them fit into a month's budget


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CollectorConfig(_Model):
    """Where a stream's rows come from. `push` receives them over HTTP, `parquet` reads files under `path`."""

    kind: Literal["push", "parquet"] = "push"
    path: Path | None = None

    @model_validator(mode="after")
    def _path_where_needed(self) -> Self:
        if self.kind == "parquet" and self.path is None:
            raise ValueError("a parquet collector needs `path`: a file or folder of Parquet or Arrow files")
        return self


class ReferenceConfig(_Model):
    """What windows are held against: a Parquet file with a `vector` column, or with `input` to be encoded here.

    Of a reference that is encoded here a sample is encoded again each `recompute`, to see whether the encoder still
    gives it: environment drift. `null` turns that off.
    """

    path: Path
    rows: int = Field(default=5120, ge=2)
    recompute: Duration | None = timedelta(days=1)


class StreamConfig(_Model):
    """One model's embeddings as production serves them.

    `runbook_url` goes with every alert, with the alert's name for `{alert}`; by default it is the service's own page.
    `window` is the length of a window, `lateness` how long it stays open for late rows, `sample` the most rows that are
    kept of it, `reencode` how many of those are encoded again where there is an encoder. `segments` names columns and
    the values that are monitored apart. `merge` says how many windows `mean_shift` also measures together (as
    `mean_shift_x12` for 12): by default those of 3, 12 and 36 that are not longer than a week. `show_inputs` lets
    the dashboard show the inputs of single rows to operators. `gate` judges what a retraining gives. `tenant` is whose
    traffic all of it is; segments by a column `tenant` are of theirs without.
    """

    id: Name
    model: str = Field(min_length=1)
    version: str = ""
    dim: int = Field(ge=1, le=65_536)
    team: str = ""
    tenant: str = ""
    runbook_url: str = ""
    collector: CollectorConfig = CollectorConfig()
    encoder: EncoderConfig | None = None
    reference: ReferenceConfig
    canary_inputs: CanaryInputsConfig | None = None
    window: Duration = timedelta(minutes=5)
    lateness: Duration = timedelta(seconds=30)
    sample: int = Field(default=256, ge=1, le=10_000)
    reencode: int = Field(default=64, ge=1)
    merge: tuple[Annotated[int, Field(ge=2)], ...] | None = None
    segments: dict[Name, list[str]] = {}
    detectors: list[Name] = Field(default=[])
    gate: GateConfig | None = None
    show_inputs: bool = False

    @field_validator("runbook_url")
    @classmethod
    def _page(cls, url: str) -> str:
        if url:
            require_http(url)
        return url

    @field_validator("segments")
    @classmethod
    def _by_text(cls, segments: dict[str, list[str]]) -> dict[str, list[str]]:
        for column in ("vector", "time"):
            if column in segments:
                raise ValueError(f"rows cannot be split by {column!r}: name a column of text")
        for column, values in segments.items():
            if len(set(values)) < len(values):
                raise ValueError(f"segments of {column!r} name a value twice: {values}")
        return segments

    @model_validator(mode="after")
    def _reference_can_be_kept(self) -> Self:
        if (rows := self.reference.rows) > (most := MOST_NUMBERS // self.dim):
            raise ValueError(
                f"`reference.rows` may be {most} at most where `dim` is {self.dim}, found {rows}: lower it"
            )
        return self

    @property
    def stream(self) -> Stream:
        """All of the traffic."""
        return Stream(self.id, self.model, self.version, self.dim)

    @property
    def streams(self) -> list[Stream]:
        """All of the traffic, then each segment."""
        parts = [f"{column}={value}" for column, values in self.segments.items() for value in values]
        return [self.stream, *(self.stream.part(part) for part in parts)]

    @property
    def canary_stream(self) -> Stream | None:
        """What the canary inputs are kept under; None without any."""
        return self.stream.part(CANARY) if self.canary_inputs else None

    @property
    def measured_streams(self) -> list[Stream]:
        """All of the traffic, each segment, and the canary inputs."""
        return [*self.streams, *([canary] if (canary := self.canary_stream) else [])]

    @property
    def detector_names(self) -> list[str]:
        """The detectors asked for; by default those that need neither labels nor, without an encoder, inputs."""
        return self.detectors or [*DETECTORS, *(["skew"] if self.encoder else [])]

    @property
    def merged(self) -> tuple[int, ...]:
        """How many windows are measured together."""
        if MERGING not in self.detector_names:
            return ()
        fitting = tuple(windows for windows in MERGE if windows * self.window <= LONGEST_MERGE)
        return fitting if self.merge is None else self.merge

    @property
    def looks_every(self) -> timedelta | None:
        """How often its references are looked at for environment drift; None without an encoder, or if not wanted."""
        return self.reference.recompute if self.encoder else None

    @property
    def measured_names(self) -> list[str]:
        """What the measurements are called: of single windows, of the environment, and of merged windows."""
        environment = [ENVIRONMENT] if self.looks_every else []
        return [*self.detector_names, *environment, *(merged_name(MERGING, windows) for windows in self.merged)]

    def measured_of(self, stream: Stream) -> list[str]:
        """What the measurements of `stream` are called, which is one of those of this configuration."""
        return [CANARY, CANARY_PROBE] if stream.segment == CANARY else self.measured_names

    def slot_of(self, stream: Stream) -> timedelta:
        """How long a slot of a single window of `stream` is, or of one look at the canary inputs."""
        return self.canary_inputs.every if self.canary_inputs and stream.segment == CANARY else self.window


class RetentionConfig(_Model):
    """How long things are kept: vectors of windows, and all that is small (measurements, slots, alerts, outbox)."""

    vectors: Duration = timedelta(days=14)
    history: Duration = timedelta(days=400)


class Config(_Model):
    """The whole file. `slos` adds to the objectives that every detector has by default, or replaces one by name.

    `false_pages_per_year` is how many pages chance may raise over all of them: bounds of p-values are lowered to that.
    Links in alerts lead to `external_url` (the API) and `dashboard_url`: by default to this machine, at the ports that
    it serves on.
    """

    streams: list[StreamConfig] = Field(min_length=1)
    detectors: dict[Name, dict[str, float | int | str]] = {}
    slos: list[SloConfig] = []
    false_pages_per_year: float | None = Field(default=None, gt=0)
    receivers: ReceiversConfig = ReceiversConfig()
    retrain: RetrainConfig = RetrainConfig()
    retention: RetentionConfig = RetentionConfig()
    digest: DigestConfig | None = None
    canary: list[CanaryConfig] = []
    access: AccessConfig = AccessConfig()
    kpis: list[KpiConfig] = []
    external_url: Http = "http://127.0.0.1:8600"
    dashboard_url: Http = "http://127.0.0.1:8601"

    @property
    def runbook_url(self) -> str:
        """Where the service has a page on each alert, whose name is to be put for `{alert}`."""
        return f"{self.external_url}/runbook/{{alert}}"

    def stream(self, name: str) -> StreamConfig | None:
        return next((stream for stream in self.streams if stream.id == name), None)

    def objectives_of(self, config: StreamConfig, stream: Stream) -> list[SloConfig]:
        """The objectives of `stream`, one of those of `config`: of what is measured there, and the file's own."""
        names = config.measured_of(stream)
        mine = (slo for slo in self.slos if not slo.streams or config.id in slo.streams)
        own = {slo.name: slo for slo in mine if slo.detector in names}
        return list(({slo.name: slo for slo in default_slos(names)} | own).values())

    def slos_of(self, config: StreamConfig, stream: Stream) -> list[Slo]:
        """The objectives of `stream`, which is one of those of `config`."""
        found = [slo.slo(stream.key, config.slot_of(stream)) for slo in self.objectives_of(config, stream)]
        if any(slo.windows == 1 and slo.sli.detector != ENVIRONMENT for slo in found):
            # What is missing in merged windows was missing in each of them: to tell it again, hours later, is noise.
            found = [replace(slo, tells_missing=slo.windows == 1) for slo in found]
        if self.false_pages_per_year is None:
            return found
        return [slo.at_alpha(self._alphas.get((slo.stream, slo.name), slo.alpha)) for slo in found]

    @cached_property
    def division(self) -> Division:
        """The alphas by which all objectives together raise at most `false_pages_per_year` pages by chance."""
        parts = ((stream, part) for stream in self.streams for part in stream.measured_streams)
        each = ((stream, part, slo) for stream, part in parts for slo in self.objectives_of(stream, part))
        shares = (slo.share(slo.slo(part.key, stream.slot_of(part))) for stream, part, slo in each)
        return divide([share for share in shares if share], self.false_pages_per_year or inf)

    @cached_property
    def _alphas(self) -> dict[tuple[str, str], Fraction]:
        return {(slo.stream, slo.name): alpha for slo, alpha in self.division.alphas.items()}
