"""Kolmogorov-Smirnov tests, one for each dimension, with control of the false discovery rate."""

from dataclasses import dataclass
from math import lcm, sqrt
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int
from numpy.random import Generator
from scipy.special import kolmogorov
from scipy.stats import false_discovery_control
from torch import Tensor

from detectors.copies import independent_rows
from detectors.kernels import DEAD, LEAST_P, pinned, tensor
from detectors.nulls import guarded
from drift.records import Measurement, Reference, Window


@final
@dataclass(frozen=True, slots=True)
class Ks:
    """Changed dimensions: share of the embedding's dimensions whose own distribution differs from the reference's.

    Share in [0, 1] of the live dimensions that two-sample Kolmogorov-Smirnov tests reject at a false discovery rate of
    `fdr` (Benjamini and Hochberg, JRSS B 57, 1995): at most that part of those named is named wrongly, on average. When
    nothing has changed it is 0, in all but `fdr` of the windows. Dead dimensions, which any rounding would flip, are
    left out: those whose standard deviation in the reference is below 1e-4 of the median one.

    The p-value is the smallest adjusted one. When nothing has changed any rejection is a false discovery, so its level
    is the rate's: exact for independent dimensions and kept under positive dependence (Simes; Benjamini and Yekutieli,
    Ann. Statist. 29, 2001). Under any other dependence at all both hold at 1 + 1/2 + ... + 1/k times the nominal, 6.5
    times for 384 dimensions; on simulated embeddings, whose dimensions depend on one another, the level is the nominal
    one. With fewer than 20 reference rows for each of the window's the p-value is doubled. Dimensions depend on the
    basis: turn all vectors and others will differ.
    """

    name: ClassVar[str] = "ks"
    is_test: ClassVar[bool] = True
    meaning: ClassVar[str] = "single dimensions of the embeddings are not distributed as in the reference"
    next_step: ClassVar[str] = (
        "A few dimensions point to a fault of the encoder or of storage (a zeroed slice, a wrong type), many at once "
        "to other traffic or another encoder: the objective skew says which."
    )

    fdr: float = 0.05
    min_rows: int = 64

    def __post_init__(self) -> None:
        if not 0 < self.fdr < 1 or self.min_rows < 1:
            raise ValueError(f"ks needs 0 < fdr < 1 and min_rows >= 1, got {self}")

    def measure(self, window: Window, reference: Reference, *, rng: Generator) -> Measurement:
        rows = independent_rows(self.name, window, reference, self.min_rows)
        held = columns(reference)
        n, m = len(rows), len(reference.rows)
        adjusted = false_discovery_control(two_sample_p(held.distances(rows.vectors), n, m))
        return Measurement.of(
            window,
            reference,
            detector=self.name,
            value=float((adjusted <= self.fdr).mean()),
            rows=n,
            p_value=guarded(max(LEAST_P, float(adjusted.min())), n, m),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The reference's values in its `k` live dimensions, ascending."""

    live: Int[np.ndarray, "k"]
    values: Float32[Tensor, "k m"]

    def distances(self, x: Float32[np.ndarray, "n d"]) -> Float64[np.ndarray, "k"]:
        """Kolmogorov-Smirnov distance of each live dimension of `x` to the reference.

        Distribution functions are steps, so they are furthest apart at a row of `x`, or just before one.
        """
        n, m = len(x), self.values.shape[1]
        rows = torch.from_numpy(np.sort(x[:, self.live].T, axis=1)).to(self.values.device)
        up_to, before = (torch.searchsorted(self.values, rows, right=right).double() / m for right in (True, False))
        steps = torch.arange(n + 1, dtype=torch.float64, device=rows.device) / n
        return torch.maximum(steps[1:] - up_to, before - steps[:-1]).max(1).values.cpu().numpy()


@pinned
def columns(reference: Reference) -> Columns:
    """The columns of `reference` that are alive."""
    x = reference.vectors
    spread = x.std(0, dtype=np.float64)
    live = np.flatnonzero((spread > DEAD * np.median(spread)) & (spread > 0))
    return Columns(live, tensor(np.sort(x[:, live].T, axis=1)))


def two_sample_p(distances: Float64[np.ndarray, "k"], n: int, m: int) -> Float64[np.ndarray, "k"]:
    """Chance that samples of `n` and `m` rows of one law, continuous, lie at least so far apart; ties make it smaller.

    Kolmogorov's law with Stephens' (JRSS B 32, 1970) correction for small samples, half a step of the distances' grid
    further in. From 1 down to 1e-7 it is at most 4 % below the exact chance where `n` and `m` are at least 64, and at
    most 5 % above it from 100 rows on; with 64 it may be a sixth above, half where `m` is 64 too.
    """
    size = sqrt(n * m / (n + m))
    inner = np.maximum(distances - 0.5 / lcm(n, m), 0.0)
    return np.asarray(kolmogorov(inner * (size + 0.12 + 0.11 / size)))
