"""Labelled rows, and how many of them are told right: in a window, and where all is well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, Int
from scipy.special import gammaln
from torch import Tensor

from detectors.copies import independent
from detectors.kernels import beta_binomial, central_range, chance, wilson
from drift.errors import MissingLabelsError, TooFewRowsError
from drift.records import Measurement, Reference, Rows, Window


@final
@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share in [0, 1] of `rows` labelled rows of a window that are told right, beside what is healthy.

    `low` and `high` are Wilson's interval. `healthy` is the share on the reference, and `band_low` to `band_high` holds
    99 % of healthy windows of this size. `p_value` is of the test that the window's share is no lower.
    """

    value: float
    low: float
    high: float
    healthy: float
    band_low: float
    band_high: float
    p_value: float
    rows: int

    @classmethod
    def of(cls, right: int, rows: int, *, healthy: float, law: Float64[np.ndarray, "k"], p_value: float) -> "Accuracy":
        """`right` of `rows` where healthy windows have 0 .. `rows` (k = rows + 1) with the chances of `law`."""
        low, high = wilson(right, rows)
        least, most = central_range(law)
        return cls(right / rows, low, high, healthy, least / rows, most / rows, p_value, rows)

    @classmethod
    def against(cls, right: int, rows: int, healthy: int, out_of: int) -> "Accuracy":
        """`right` of `rows` beside `healthy` of the `out_of` rows of the reference that nothing was fitted on.

        The p-value is Fisher's exact test, which allows for the chance in both samples, as the band does.
        """
        law = beta_binomial(rows, healthy + 0.5, out_of - healthy + 0.5)
        p = chance(hypergeometric(rows, right + healthy, rows + out_of)[: right + 1])
        return cls.of(right, rows, healthy=healthy / out_of, law=law, p_value=p)

    def measurement(self, detector: str, window: Window, reference: Reference) -> Measurement:
        """This as what `detector` makes of `window` held against `reference`."""
        return Measurement.of(
            window,
            reference,
            detector=detector,
            value=self.value,
            rows=self.rows,
            p_value=self.p_value,
            interval=(self.low, self.high),
            band=(self.band_low, self.band_high),
        )


def labelled(rows: Rows, least: int, detector: str, whose: str) -> Rows:
    """The rows that have a label; an empty one is none.

    Raises:
        MissingLabelsError: there are none.
        TooFewRowsError: there are fewer than `least`.
    """
    index = rows.labelled()
    if not len(index):
        raise MissingLabelsError(f"{detector} needs labels, {whose} has none: send `label` with the rows")
    if len(index) < least:
        raise TooFewRowsError(
            f"{detector} needs at least {least} labelled rows, {whose} has {len(index)}: "
            "label more rows, widen the window or raise the stream's sample size"
        )
    return rows.take(index)


def independent_labelled(rows: Rows, reference: Reference, least: int, detector: str, whose: str) -> Rows:
    """The labelled rows of a window less the copies that `reference` does not explain: to a test of counts a mistake
    that is copied is one mistake. Of equal rows the first that has a label counts. Raises as `labelled` does."""
    kept = independent(labelled(rows, least, detector, whose), reference)
    return labelled(kept, least, detector, f"{whose}, its copies left out,")


def classes_of(rows: Rows, detector: str, whose: str) -> tuple[str, ...]:
    """The different labels of `rows`, sorted.

    Raises:
        MissingLabelsError: there are fewer than two.
    """
    classes = tuple(sorted({label for label in rows.labels if label is not None}))
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "none"
        raise MissingLabelsError(
            f"{detector} needs two different labels, {whose} has {found}: give the reference inputs of every label"
        )
    return classes


def codes(rows: Rows, classes: Sequence[str]) -> Int[Tensor, "n"]:
    """Each row's label as a position in `classes`, -1 where it is not among them."""
    place = {label: i for i, label in enumerate(classes)}
    return torch.tensor([place.get(str(label), -1) for label in rows.labels], dtype=torch.int64)


def hypergeometric(n: int, marked: int, total: int) -> Float64[np.ndarray, "k"]:
    """Chances of 0 .. `n` marked ones (k = n + 1) among `n` drawn from `total` of which `marked` are marked."""
    x = np.arange(n + 1, dtype=np.float64)
    rest, drawn = total - marked, np.clip(x, max(0, n - (total - marked)), marked)

    def ways(of: int, some: Float64[np.ndarray, "k"]) -> Float64[np.ndarray, "k"]:
        return np.asarray(gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1))

    chances = np.exp(ways(marked, drawn) + ways(rest, n - drawn) - ways(total, np.full(n + 1, float(n))))
    return np.where(x == drawn, chances, 0.0)
