"""What is compared: windows of production embeddings, and the references they are held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from jaxtyping import Float32, Int64

from drift.errors import BadReferenceError
from drift.records.lineage import Lineage
from drift.records.rows import RowReason, Rows, checksum, require_valid
from drift.records.streams import Span, Stream


@dataclass(frozen=True, slots=True, eq=False)
class Recomputed:
    """Some of a window's rows, encoded again by the bundled encoder.

    `index` are positions in the window, `vectors` the encoder's embeddings of the same inputs, `fingerprint` names the
    encoder down to its numerics.
    """

    index: Int64[np.ndarray, "k"]
    vectors: Float32[np.ndarray, "k d"]
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A sample of a stream over a span.

    `rows` are valid: finite, not zero, of the stream's dimension. `received` counts all rows that the span saw,
    `rejected` those that were not accepted, by reason.
    """

    stream: Stream
    span: Span
    rows: Rows
    received: int
    rejected: Mapping[RowReason, int] = field(default_factory=dict)
    recomputed: Recomputed | None = None

    def __post_init__(self) -> None:
        require_valid(self.rows.vectors, self.stream.dim, f"window {self}")

    @property
    def vectors(self) -> Float32[np.ndarray, "n d"]:
        return self.rows.vectors

    def __str__(self) -> str:
        return f"{self.stream} {self.span}"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Reference:
    """What the windows of a model are held against. Immutable.

    The rows are in random order, so that the two halves are exchangeable: detectors fit on `fit` and calibrate on
    `calibration`. `version` is a checksum of vectors, inputs and labels. `fingerprint` names the encoder that made
    the vectors, "" where they came from production. `lineage` says what it was made from, and by whom.
    """

    stream: str
    rows: Rows
    created_at: datetime
    fingerprint: str = ""
    version: str = ""
    lineage: Lineage = field(default_factory=Lineage)

    def __post_init__(self) -> None:
        vectors = self.rows.vectors
        require_valid(vectors, vectors.shape[1], f"reference of {self.stream}")
        if len(vectors) < 2 or not np.ptp(vectors, axis=0).any():
            raise BadReferenceError(
                f"the reference of {self.stream} needs at least 2 different rows, it has {len(vectors)} rows"
                f"{' and all are equal' if len(vectors) > 1 else ''}: give it inputs or vectors of healthy traffic"
            )
        object.__setattr__(self, "version", self.version or checksum(self.rows))

    @property
    def vectors(self) -> Float32[np.ndarray, "m d"]:
        return self.rows.vectors

    @property
    def fit(self) -> Rows:
        """The first half of the rows, for what detectors fit (neighbours, probes, directions)."""
        return self.rows.take(np.arange(len(self.rows) // 2))

    @property
    def calibration(self) -> Rows:
        """The second half of the rows, for what detectors calibrate (null windows, quantiles)."""
        return self.rows.take(np.arange(len(self.rows) // 2, len(self.rows)))

    def __str__(self) -> str:
        return f"{self.stream}@{self.version[:12]}"
