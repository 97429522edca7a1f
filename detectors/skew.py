"""Serving skew: does production serve what the encoder gives for the same inputs?"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.random import Generator
from torch import Tensor

from detectors.kernels import tensor, wilson
from drift.errors import MissingInputsError, TooFewRowsError
from drift.records import PERCENTILES, KeptAttribution, Measurement, Part, Reference, Rows, TopRow, Window

FARTHEST: Final = 1e6
MOST: Final = 20  # rows and segments that are kept of those beyond tolerance
_LEAST: Final = 1e-15


@final
@dataclass(frozen=True, slots=True)
class Skew:
    """Serving skew: share of re-encoded rows whose served vector is beyond tolerance.

    Share in [0, 1], 0 when healthy, whatever the traffic; low and high are Wilson's. A share and not a mean, because a
    fault that hits some rows (truncation) leaves mean and median where they were. Of all rows, copies too: each is held
    against its own input, and so is a constant output against many. The norm is checked apart from the
    direction, because a cosine does not see a missing normalisation. Percentiles are of how far each row is off, in
    tolerances: beyond is above 1. Where any row is beyond, the measurement says of which segments they are, and which
    are furthest off.

    `tolerance` bounds 1 - cosine: 1e-5 for vectors computed in float32 or float16, 3e-4 in bfloat16, 2e-3 with 8-bit
    weights. `norm_tolerance` bounds |served norm / re-encoded norm - 1|.
    """

    name: ClassVar[str] = "skew"
    is_test: ClassVar[bool] = False
    meaning: ClassVar[str] = (
        "the served vectors are not those that the encoder gives for the same inputs: the serving path is at fault"
    )
    next_step: ClassVar[str] = (
        "Compare version, tokenizer limit, pooling, normalisation and precision of the serving path with the "
        "reference's fingerprint; roll back the last deployment."
    )

    tolerance: float = 3e-4
    norm_tolerance: float = 0.01
    min_rows: int = 16

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        if (again := window.recomputed) is None:
            raise MissingInputsError(
                f"skew needs inputs that were encoded again, window {window} has none: "
                "send `input` with the rows and configure an encoder for the stream, or give `encoded_again`"
            )
        if (rows := len(again.index)) < self.min_rows:
            raise TooFewRowsError(
                f"skew needs at least {self.min_rows} rows that were encoded again, window {window} has {rows}: "
                "send `input` with more rows or widen the window"
            )
        served, right = tensor(window.vectors[again.index]), tensor(again.vectors)
        wrong = beyond(served, right, self.tolerance, self.norm_tolerance).cpu().numpy()
        count = int(wrong.sum())
        off = in_tolerances(served, right, self.tolerance, self.norm_tolerance).cpu().numpy()
        percentiles = np.quantile(off, PERCENTILES, method="higher")
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=count / rows,
            rows=rows,
            interval=wilson(count, rows),
            percentiles=tuple(percentiles.tolist()),
            attribution=_taken_apart(window.rows, again.index, wrong, off) if count else None,
        )


def _taken_apart(
    rows: Rows, index: Int64[np.ndarray, "k"], wrong: Bool[np.ndarray, "k"], off: Float[np.ndarray, "k"]
) -> KeptAttribution:
    """Whose the `wrong` rows are, of those encoded again at `index`, and which are furthest `off`. All count alike."""
    each = 1 / len(index)
    furthest = [int(i) for i in np.argsort(-off, kind="stable") if wrong[i]]
    seen = rows.take(index)
    of = np.array(seen.segments_by(seen.segment_columns) if seen.segment_columns else [])
    segments = (
        Part(str(name), None, float(mine.mean()), float(each * wrong[mine].sum()), None, None)
        for name in np.unique(of)
        for mine in (of == name,)
    )
    return KeptAttribution(
        by=Skew.name,
        total=float(each * wrong.sum()),
        p_value=0.0,
        clusters=(),
        segments=tuple(sorted(segments, key=lambda part: -part.contribution)[:MOST]),
        rows=tuple(TopRow(int(index[i]), seen.ids[i] if seen.ids else None, "", each) for i in furthest[:MOST]),
    )


def beyond(
    served: Float[Tensor, "k d"], again: Float[Tensor, "k d"], tolerance: float, norm_tolerance: float
) -> Bool[Tensor, "k"]:
    """Which rows differ by more than the tolerances; a vector that is zero or not finite always does."""
    apart, longer = _off(served, again)
    # The negation of both, so that NaN counts as beyond.
    return torch.logical_not((apart <= tolerance) & (longer <= norm_tolerance))


def in_tolerances(
    served: Float[Tensor, "k d"], again: Float[Tensor, "k d"], tolerance: float, norm_tolerance: float
) -> Float[Tensor, "k"]:
    """How far each row is off, in tolerances: the worse of direction and norm, in [0, `FARTHEST`].

    A vector that is zero or not finite is as far off as can be, and so is any difference where the tolerance is 0.
    """
    apart, longer = _off(served, again)
    worse = torch.maximum(apart / max(tolerance, _LEAST), longer / max(norm_tolerance, _LEAST))
    return worse.nan_to_num(nan=FARTHEST, posinf=FARTHEST).clamp(0.0, FARTHEST)


def _off(served: Float[Tensor, "k d"], again: Float[Tensor, "k d"]) -> tuple[Float[Tensor, "k"], Float[Tensor, "k"]]:
    """1 - cosine of each row, and by how much its norm is off."""
    x, y = served.double(), again.double()
    norm_x, norm_y = torch.linalg.vector_norm(x, dim=1), torch.linalg.vector_norm(y, dim=1)
    return 1 - (x * y).sum(1) / (norm_x * norm_y), (norm_x / norm_y - 1).abs()
