"""What vectors alone tell, where no input can be encoded again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from detectors import Novelty, collapse
from detectors.copies import first_equal, independent, times_seen
from detectors.quantised import on_lattice
from detectors.shapes import BEYOND
from drift.diagnosis.causes import cause_of, diagnosis_of
from drift.diagnosis.codes import MOST_ROWS, coded
from drift.diagnosis.data import Changes, attempted, from_data
from drift.diagnosis.pairs import Vectors
from drift.diagnosis.storage import on_grids
from drift.errors import TooFewRowsError
from drift.records import NONE, UNKNOWN, Cause, Diagnosis, Reference, Window

LEAST: Final = 0.02
"""Fewer rows than this share may be anything."""
FEWEST: Final = 3
LEAST_ROWS: Final = 16
LOST: Final = 0.6
ASK: Final = "With inputs and an encoder it could be told whether the serving path or the data changed."


def from_vectors(window: Window, reference: Reference, rng: np.random.Generator) -> Diagnosis:
    """The causes that show in vectors alone; else how the data seems to have changed, with less certainty.

    Raises:
        TooFewRowsError: the window has fewer rows than its shape can be judged by.
    """
    seen = [cause for look in LOOKS if (cause := look(window.vectors, reference.vectors)) is not None]
    found = _first(seen) or list(_shape(window, reference))
    against: Mapping[str, str] = {}
    if not found:
        data = from_data(window, reference, rng)
        found, against = _data(window, reference, data, rng), data.against
    total = max(1.0, sum(cause.score for cause in found))
    causes = tuple(
        cause_of(one.cause, one.score / total, f"{one.evidence} {ASK}")
        for one in sorted(found, key=lambda one: -one.score)
    )
    # What else was seen may come of the first, and what was not looked at for it may be so as well.
    left_open = {cause.cause for cause in seen} | (set() if against else set(SHAPES))
    return diagnosis_of(causes, (*(slug for slug in VISIBLE if slug not in left_open), *against), against)


def _first(seen: Sequence[Cause]) -> list[Cause]:
    """The first fault that was seen; its evidence has the others too, which may come of it or be their own."""
    others = {cause.cause: cause.evidence for cause in reversed(seen) if cause.cause != seen[0].cause}
    also = "".join(f" Seen too, {slug}: {evidence}" for slug, evidence in reversed(others.items()))
    return [replace(cause, evidence=f"{cause.evidence}{also}") for cause in seen[:1]]


def _data(window: Window, reference: Reference, data: Changes, rng: np.random.Generator) -> list[Cause]:
    """A change of the data, or of the serving path in a way that vectors do not show."""
    if not data.causes and (rows := len(window.rows)) < LEAST_ROWS:
        raise TooFewRowsError(
            f"a diagnosis needs at least {LEAST_ROWS} rows, window {window} has {rows}: send more rows"
        )
    if not data.causes:
        return [cause_of(NONE, 0.8, "The window is like the reference.")]
    found = attempted(Novelty(), window, reference, rng)
    novel = 0.0 if found is None else found.value
    # New topics take some of the traffic; a changed encoder moves nearly all of it.
    unknown = 0.6 if novel > 0.5 else 0.25
    said = f"{novel:.0%} of rows lie where no row of the reference does: a fault of the serving path would look so too."
    kept = [cause_of(one.cause, (1 - unknown) * one.score, one.evidence) for one in data.causes]
    return [*kept, cause_of(UNKNOWN, unknown, said)]


def _shape(window: Window, reference: Reference) -> Iterator[Cause]:
    """What has lost nearly half of its directions, or of its spread; a new topic takes less."""
    once = independent(window.rows, reference).vectors
    if len(once) < LEAST_ROWS:
        return
    found = collapse(once, reference.vectors)
    for slug, what, figure in (
        ("dimensional-collapse", "rank", found.rank_me),
        ("shrink", "variance", found.trace),
    ):
        if figure.z < -BEYOND and figure.value < LOST * figure.expected:
            said = f"The {what} is {figure.value:.3g} where {figure.expected:.3g} is usual."
            yield cause_of(slug, 0.85, said)
            return


def unnormalised(window: Vectors, reference: Vectors) -> Cause | None:
    """Rows of another length than all of the reference's."""
    lengths, usual = (np.linalg.norm(v, axis=1) for v in (window, reference))
    middle = float(np.median(usual))
    off = np.abs(lengths / middle - 1) > max(0.01, 2 * float(np.abs(usual / middle - 1).max()))
    if not _enough(off):
        return None
    typical = float(np.median(lengths[off]))
    said = f"{off.mean():.0%} of vectors have lengths of about {typical:.3g}, the reference's {middle:.3g}."
    return cause_of("missing-normalisation", 0.9, said)


def zeroed(window: Vectors, reference: Vectors) -> Cause | None:
    """Rows with zeros in the same dimensions, in which the reference has none."""
    alive = (reference != 0).mean(0) > 0.99
    zero = (window == 0) & alive
    gone = zero.sum(0) >= max(FEWEST, LEAST * len(window))
    rows = zero[:, gone].any(1) if gone.any() else np.zeros(len(window), bool)
    if not _enough(rows):
        return None
    return cause_of("zeroed-dimensions", 0.9, f"{gone.sum()} dimensions are zero in {rows.mean():.0%} of rows.")


def constant(window: Vectors, reference: Vectors) -> Cause | None:
    """One vector in many rows."""
    most = int(times_seen(first_equal(window)).max())
    usual = int(times_seen(first_equal(reference)).max()) / len(reference)
    if most < max(5, (LEAST + 2 * usual) * len(window)):
        return None
    return cause_of("constant-output", 0.85, f"One vector is that of {most} of {len(window)} rows.")


def lattice(window: Vectors, reference: Vectors) -> Cause | None:
    """Rows whose numbers are whole steps, where the reference's are not."""
    rows = on_lattice(window)
    if not _enough(rows) or on_lattice(reference[:256]).mean() > LEAST:
        return None
    levels = int(np.median([len(np.unique(row)) for row in window[rows]]))
    said = f"{rows.mean():.0%} of vectors have about {levels} different numbers at equal steps, the reference's do not."
    return cause_of("quantised-storage", 0.95, said)


def grids(window: Vectors, reference: Vectors) -> Cause | None:
    """Dimensions that each take equal steps, where the reference's do not."""
    even, usual = (on_grids(x[:MOST_ROWS])[0] for x in (window, reference))
    if not even.any() or usual.any():
        return None
    levels = int(np.median([len(np.unique(column)) for column in window[:MOST_ROWS, even].T]))
    said = f"In {even.sum()} of {len(even)} dimensions vectors take about {levels} different numbers at equal steps"
    return cause_of("quantised-storage", 0.95, f"{said}, the reference's do not.")


def codebooks(window: Vectors, reference: Vectors) -> Cause | None:
    """Rows that share parts with one another, where the reference's do not."""
    rows, usual = (coded(x)[:MOST_ROWS] for x in (window, reference))
    if not _enough(rows) or usual.mean() > LEAST:
        return None
    said = f"{rows.mean():.0%} of vectors share parts with others, as entries of codebooks do, the reference's do not."
    return cause_of("quantised-storage", 0.95, said)


def permuted(window: Vectors, reference: Vectors) -> Cause | None:
    """Dimensions whose means and spreads are the reference's, but in other places."""
    half = min(len(window), len(reference) // 2)
    if half < LEAST_ROWS or min(_alike(reference[:half], reference[half:])) < 0.8:
        return None  # the dimensions cannot be told from one another by so many rows
    place, spread = _alike(window, reference)
    order, sorted_spread = _alike(window, reference, by_size=True)
    if not (place < 0.5 and spread < 0.5 and order > 0.98 and sorted_spread > 0.95):
        return None
    said = f"The dimensions' means are the reference's by size (r = {order:.2f}) and not by place ({place:.2f})."
    return cause_of("permuted-dimensions", 0.85, said)


def _alike(x: Vectors, y: Vectors, *, by_size: bool = False) -> tuple[float, float]:
    """Correlations between the dimensions' means, and between their spreads: by place, or each by size."""
    pairs = ((x.mean(0), y.mean(0)), (x.std(0), y.std(0)))
    means, spreads = ((np.sort(a), np.sort(b)) if by_size else (a, b) for a, b in pairs)
    return float(np.corrcoef(*means)[0, 1]), float(np.corrcoef(*spreads)[0, 1])


def _enough(rows: np.ndarray) -> bool:
    return int(rows.sum()) >= max(FEWEST, LEAST * len(rows))


STORED: Final = (lattice, grids, codebooks)
"""What is stored with fewer bits."""
LOOKS: Final = (lattice, constant, grids, codebooks, unnormalised, permuted, zeroed)
SHAPES: Final = ("dimensional-collapse", "shrink")
VISIBLE: Final = (
    "quantised-storage",
    "constant-output",
    "missing-normalisation",
    "zeroed-dimensions",
    "permuted-dimensions",
    *SHAPES,
)
