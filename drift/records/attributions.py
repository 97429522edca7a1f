"""What is kept of where a change comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """What one cluster or segment contributes, in kernel units; the contributions of all add up to the squared MMD.

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
    """A row that contributes much, in kernel units: its place in the window, its id if it has one, and its cluster."""

    position: int
    id: str | None
    cluster: str
    contribution: float


@dataclass(frozen=True, slots=True)
class KeptAttribution:
    """The squared MMD of a window, not floored, taken apart. `p_value` is its own, in (0, 1].

    `clusters` and, where the rows have any, `segments` have the sum `mmd2` each, the largest contribution first; of
    many, the small ones are one part. `rows` are those that contribute most, most of all first.
    """

    mmd2: float
    p_value: float
    clusters: tuple[Part, ...]
    segments: tuple[Part, ...]
    rows: tuple[TopRow, ...]
