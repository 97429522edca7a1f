"""Samples with known laws: the S1 generator of embeddings, and windows and references made of any vectors."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binom

from benchmarks.alternatives import (
    BASIS,
    DIM,
    LIVE,
    MEAN,
    ROOT,
    SPECTRUM,
    Vectors,
    labelled_topics,
    noisy,
    normalise,
    rotation,
    s1,
    shifted,
)
from detectors.base import Detector
from drift.records import EPOCH, Measurement, Recomputed, Reference, Rows, Span, Stream, Texts, Window

__all__ = [
    "BASIS",
    "DIM",
    "LIVE",
    "MEAN",
    "ROOT",
    "SPAN",
    "SPECTRUM",
    "Vectors",
    "complete",
    "encoded_again",
    "labelled_reference",
    "labelled_topics",
    "labels_of",
    "least_by_chance",
    "measured",
    "most_by_chance",
    "noisy",
    "normalise",
    "reference",
    "rotation",
    "s1",
    "shifted",
    "stream",
    "window",
]

# Two threads on two busy cores wait for one another: many small products take ten times as long as with one.
torch.set_num_threads(1)

SPAN = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=5))


def labels_of(x: npt.NDArray[np.floating], rng: np.random.Generator, noise: float = 0.15) -> Texts:
    """One of four labels each, by the signs of two projections of the row with some noise."""
    sides = np.random.default_rng(4).standard_normal((x.shape[1], 2)) / np.sqrt(x.shape[1])
    score = x @ sides
    score = score - score.mean(0) + noise * score.std() * rng.standard_normal(score.shape)
    return tuple(f"{int(a > 0)}{int(b > 0)}" for a, b in score)


def stream(dim: int = DIM) -> Stream:
    return Stream("search", "mini", "1", dim)


def window(vectors: npt.NDArray[np.floating], **columns: Texts) -> Window:
    """A window of these vectors, all of them received."""
    rows = Rows(np.ascontiguousarray(vectors, np.float32), **columns)
    return Window(stream(vectors.shape[1]), SPAN, rows, received=len(rows))


def reference(vectors: npt.NDArray[np.floating], version: str = "", **columns: Texts) -> Reference:
    """A reference of these vectors. Fits of two references with one `version` draw the same random numbers."""
    return Reference("search", Rows(np.ascontiguousarray(vectors, np.float32), **columns), EPOCH, version=version)


def encoded_again(of: Window, vectors: npt.NDArray[np.floating]) -> Window:
    """`of` with its first rows encoded again as `vectors`."""
    return replace(of, recomputed=Recomputed(np.arange(len(vectors)), vectors.astype(np.float32), "encoder"))


def complete(vectors: Vectors, rng: np.random.Generator) -> Window:
    """A window with all that any detector may ask for: times in order, labels, and all rows encoded again in bfloat16's
    precision."""
    again = vectors + 2e-3 * rng.standard_normal(vectors.shape) / np.sqrt(vectors.shape[1])
    of = window(vectors, labels=labels_of(vectors, rng))
    return encoded_again(replace(of, rows=replace(of.rows, times=np.arange(len(vectors)))), again)


def labelled_reference(vectors: Vectors, rng: np.random.Generator, version: str = "") -> Reference:
    return reference(vectors, version, labels=labels_of(vectors, rng))


def measured(detector: Detector, of: Window, against: Reference, seed: int = 0) -> Measurement:
    return detector.measure(of, against, rng=np.random.default_rng(seed))


def most_by_chance(trials: int, rate: float) -> int:
    """The count of rare events that `trials` exceed once in a thousand runs if each has chance `rate`."""
    return int(binom.ppf(0.999, trials, rate))


def least_by_chance(trials: int, rate: float) -> int:
    """The count of rare events that `trials` fall short of once in a thousand runs if each has chance `rate`."""
    return int(binom.ppf(0.001, trials, rate))
