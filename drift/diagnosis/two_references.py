"""What one reference has that another has not."""

from collections import defaultdict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int

from detectors.panel import Panel
from drift.diagnosis.likeness import Likeness, likeness, rounding
from drift.records import Reference, Rows

LEAST: Final = 16
PART: Final = 20
"""Of the new rows at most this part of the old reference's rows are tested: see `detectors.Panel`."""
NULLS: Final = 1000
LEVEL: Final = 0.01
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """Whether the rows that are new are distributed like the old reference: by `rows` of them.

    `p_value` is the panel's, in (0, 1]. `share`, with a 95 % interval from `low` to `high`, is what share of foreign
    rows would make such a difference.
    """

    rows: int
    p_value: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one reference to the next, row by row.

    Rows are paired by their input where both have inputs, else by their vector. Of the `paired` ones `relabelled` have
    another label; `likeness` is of their vectors, None where none is paired or the dimensions differ. `moved` tells of
    the `added` rows, None where they are too few, or the old reference is, or the dimensions differ.
    """

    paired: int
    added: int
    removed: int
    relabelled: int
    likeness: Likeness | None
    moved: Moved | None


def difference(old: Reference, new: Reference) -> Difference:
    """What `new` has that `old` has not, and the other way around."""
    first, second = _paired(old.rows, new.rows)
    alone = np.setdiff1d(np.arange(len(new.rows)), second)
    comparable = old.vectors.shape[1] == new.vectors.shape[1]
    alike = None
    if comparable and len(first):
        noise = rounding(new.lineage.encoder.get("dtype", ""))
        alike = likeness(old.vectors[first], new.vectors[second], noise)
    was, now = old.rows.take(first).labels, new.rows.take(second).labels
    relabelled = sum(a != b for a, b in zip(was, now, strict=True)) if was and now else 0
    moved = _moved(old, new.rows.take(alone)) if comparable else None
    return Difference(len(first), len(alone), len(old.rows) - len(first), relabelled, alike, moved)


def _paired(old: Rows, new: Rows) -> tuple[Int[np.ndarray, "p"], Int[np.ndarray, "p"]]:
    """Positions in `old` and in `new` of the same rows. Of rows with one input the first is paired with the first."""
    have_inputs = all(len(rows.with_value(rows.inputs)) == len(rows) for rows in (old, new))
    key = _inputs if have_inputs else _vectors
    places: dict[Hashable, deque[int]] = defaultdict(deque)
    for i, of in enumerate(key(new)):
        places[of].append(i)
    pairs = [(i, places[of].popleft()) for i, of in enumerate(key(old)) if places.get(of)]
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(first, np.intp), np.array(second, np.intp)


def _inputs(rows: Rows) -> Sequence[Hashable]:
    return rows.inputs


def _vectors(rows: Rows) -> Sequence[Hashable]:
    return [vector.tobytes() for vector in rows.vectors]


def _moved(old: Reference, added: Rows) -> Moved | None:
    # Rows that both have would look alike by themselves, so that only new ones are asked.
    size = min(len(added), len(old.rows) // PART)
    if size < LEAST:
        return None
    # Without the warning of `fit`: a reference is as large as it is, and the level is halved where that is too small.
    result = Panel.fitted(old.vectors, size, LEVEL, SEED, nulls=NULLS).tested(added.vectors)
    effect = result.effect
    return Moved(size, result.p_value, effect.share, effect.low, effect.high)
