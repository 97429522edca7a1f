"""How a new version is judged: by a gate before it serves, and by a canary beside the one that does."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drift.config.values import Name
from drift.records import CanaryRule


class GateConfig(BaseModel):
    """The gate that follows on a retraining: the stream's own encoder, and what came out, on the inputs of `probe`.

    `candidate` is a model as in `encoder`, with `{version}` where the new version's name goes. For `thresholds` and
    `segment` see `drift gate`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate: Annotated[str, Field(pattern=r"\{version\}")]
    probe: Path
    thresholds: Path | None = None
    segment: str = ""
    rows: int = Field(default=2000, ge=32)


class CanaryConfig(BaseModel):
    """Two streams of one model whose versions serve the same inputs: rows of the same `id` are paired in each window.

    After each window of both: a loss beyond `tolerance` in a signal, once it is shown, is rolled back; once a loss of
    `margin` is ruled out in all of `signals`, the candidate is promoted. `alpha` bounds the chance that either is ever
    wrong. Signals: `probe` (needs labels), `novelty`, `skew` (needs an encoder on both).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    baseline: Name
    candidate: Name
    signals: tuple[Literal["probe", "novelty", "skew"], ...] = Field(default=("probe", "novelty"), min_length=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    margin: float = Field(default=0.02, gt=0, lt=1)

    @property
    def rule(self) -> CanaryRule:
        return CanaryRule(self.signals, self.alpha, self.tolerance, self.margin)
