"""What is kept of where a change comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """What one cluster or segment contributes to the change of a statistic; the contributions of all add up to that.

    `reference` and `window` are its shares of the reference's rows and of the rows tested. `contribution` = `mix` +
    `within`: what the change of its share contributes, and that its rows are not like they were. Each is 0 on average
    without drift, and so below 0 half of the time. Where the reference's segments are not known, `contribution` is that
    of the window's rows alone; `reference`, `mix` and `within` are None.
    """

    name: str
    reference: float | None
    window: float
    contribution: float
    mix: float | None
    within: float | None


@dataclass(frozen=True, slots=True)
class TopRow:
    """A row that stands out: its place in the window, its id if it has one, its cluster, and what it contributes."""

    position: int
    id: str | None
    cluster: str
    contribution: float


@dataclass(frozen=True, slots=True)
class KeptAttribution:
    """A statistic of a window taken apart: `by` names it, and `p_value` is its own, in (0, 1]; 0 of what is a fact.

    `clusters` and, where the rows have any, `segments` have the sum `total` each, the largest contribution to it first;
    of many, the small ones are one part. It is what the statistic has moved by: its value less what is usual. Of
    "mmd_wide", the squared MMD, which is not floored, 0 is usual. Where that has not moved, it may be one of single
    rows: "novelty", the share of novel rows, "mahalanobis_mean" or "mahalanobis_sd", of their scores. `rows` are those
    that stand out most, most of all first. "skew", the share of rows that are not what the encoder gives, has no
    clusters, and of each segment what it contributes.
    """

    by: str
    total: float
    p_value: float
    clusters: tuple[Part, ...]
    segments: tuple[Part, ...]
    rows: tuple[TopRow, ...]
