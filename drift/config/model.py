"""The configuration file as pydantic models: what may be written, what it defaults to, and what it means."""

from datetime import time, timedelta
from fractions import Fraction
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drift.config.encoders import EncoderConfig
from drift.config.slos import SloConfig, default_slos
from drift.config.values import Clock, Duration, require_http
from drift.config.webhooks import RetrainConfig, WebhookConfig
from drift.records import ENVIRONMENT, CanaryRule, Stream, merged_name
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
LONGEST_MERGE: Final = timedelta(days=7)  # four of them fit into a month's budget
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


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


class GateConfig(_Model):
    """The gate that follows on a retraining: the stream's own encoder, and what came out, on the inputs of `probe`.

    `candidate` is a model as in `encoder`, with `{version}` where the new version's name goes. For `thresholds` and
    `segment` see `drift gate`.
    """

    candidate: Annotated[str, Field(pattern=r"\{version\}")]
    probe: Path
    thresholds: Path | None = None
    segment: str = ""
    rows: int = Field(default=2000, ge=32)


class StreamConfig(_Model):
    """One model's embeddings as production serves them.

    `runbook_url` goes with every alert, with the alert's name for `{alert}`; by default it is the service's own page.
    `window` is the length of a window, `lateness` how long it stays open for late rows, `sample` the most rows that are
    kept of it, `reencode` how many of those are encoded again where there is an encoder. `segments` names columns and
    the values that are monitored apart. `merge` says how many windows `mean_shift` also measures together (as
    `mean_shift_x12` for 12): by default those of 3, 12 and 36 that are not longer than a week. `show_inputs` lets
    the dashboard show the inputs of single rows. `gate` judges what a retraining gives.
    """

    id: Name
    model: str = Field(min_length=1)
    version: str = ""
    dim: int = Field(ge=1, le=65_536)
    team: str = ""
    runbook_url: str = ""
    collector: CollectorConfig = CollectorConfig()
    encoder: EncoderConfig | None = None
    reference: ReferenceConfig
    window: Duration = timedelta(minutes=5)
    lateness: Duration = timedelta(seconds=30)
    sample: int = Field(default=256, ge=1, le=10_000)
    reencode: int = Field(default=64, ge=1)
    merge: tuple[Annotated[int, Field(ge=2)], ...] | None = None
    segments: dict[Name, list[str]] = {}
    detectors: list[Name] = Field(default=[])
    gate: GateConfig | None = None
    show_inputs: bool = False

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


class AlertmanagerConfig(_Model):
    """One Alertmanager; every one is told every alert (no load balancer in between)."""

    url: str

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        return require_http(url)


class ReceiversConfig(_Model):
    """Who is told. Firing alerts are sent again every `resend`."""

    alertmanagers: list[AlertmanagerConfig] = []
    webhooks: list[WebhookConfig] = []
    resend: Duration = timedelta(seconds=60)


class DigestConfig(_Model):
    """Once a day, `at` that time in `timezone`, webhooks with the event `digest` tell each team of its tickets."""

    at: Clock = Field(default=time(9), json_schema_extra={"default": "09:00"})
    timezone: ZoneInfo = ZoneInfo("UTC")


class CanaryConfig(_Model):
    """Two streams of one model whose versions serve the same inputs: rows of the same `id` are paired in each window.

    After each window of both: a loss beyond `tolerance` in a signal, once it is shown, is rolled back; once a loss of
    `margin` is ruled out in all of `signals`, the candidate is promoted. `alpha` bounds the chance that either is ever
    wrong. Signals: `probe` (needs labels), `novelty`, `skew` (needs an encoder on both).
    """

    baseline: Name
    candidate: Name
    signals: tuple[Literal["probe", "novelty", "skew"], ...] = Field(default=("probe", "novelty"), min_length=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    margin: float = Field(default=0.02, gt=0, lt=1)

    @property
    def rule(self) -> CanaryRule:
        return CanaryRule(self.signals, self.alpha, self.tolerance, self.margin)


class RetentionConfig(_Model):
    """How long things are kept: vectors of windows, and all that is small (measurements, slots, alerts, outbox)."""

    vectors: Duration = timedelta(days=14)
    history: Duration = timedelta(days=400)


class Config(_Model):
    """The whole file. `slos` adds to the objectives that every detector has by default, or replaces one by name.

    `false_pages_per_year` is how many pages chance may raise over all of them: bounds of p-values are lowered to that.
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
    external_url: str = "http://127.0.0.1:8600"
    dashboard_url: str = "http://127.0.0.1:8601"

    @property
    def runbook_url(self) -> str:
        """Where the service has a page on each alert, whose name is to be put for `{alert}`."""
        return f"{self.external_url.rstrip('/')}/runbook/{{alert}}"

    def stream(self, name: str) -> StreamConfig | None:
        return next((stream for stream in self.streams if stream.id == name), None)

    def objectives_of(self, config: StreamConfig) -> list[SloConfig]:
        """The objectives of the stream `config`: those of its detectors, and the file's own."""
        own = {slo.name: slo for slo in self.slos if not slo.streams or config.id in slo.streams}
        return list(({slo.name: slo for slo in default_slos(config.measured_names)} | own).values())

    def slos_of(self, config: StreamConfig, stream: Stream) -> list[Slo]:
        """The objectives of `stream`, which is one of those of `config`."""
        found = [slo.slo(stream.key, config.window) for slo in self.objectives_of(config)]
        if self.false_pages_per_year is None:
            return found
        return [slo.at_alpha(self._alphas.get((slo.stream, slo.name), slo.alpha)) for slo in found]

    @cached_property
    def division(self) -> Division:
        """The alphas by which all objectives together raise at most `false_pages_per_year` pages by chance."""
        each = ((s, slo, part) for s in self.streams for slo in self.objectives_of(s) for part in s.streams)
        shares = (slo.share(slo.slo(part.key, stream.window)) for stream, slo, part in each)
        return divide([share for share in shares if share], self.false_pages_per_year or inf)

    @cached_property
    def _alphas(self) -> dict[tuple[str, str], Fraction]:
        return {(slo.stream, slo.name): alpha for slo, alpha in self.division.alphas.items()}
