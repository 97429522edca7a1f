"""How the inputs have changed, where the vectors are the right ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from detectors import Duplicates, Joint, Novelty, mmd_permutation_test
from detectors.base import Detector
from detectors.copies import independent
from drift.diagnosis.causes import cause_of
from drift.diagnosis.language import changed_features, comparable
from drift.errors import UnmeasurableError
from drift.records import Cause, Measurement, Reference, Window

LEVEL: Final = 0.002
"""For two tests: a change is named in well under 1 % of healthy windows."""
LEAST_EFFECT: Final = 0.01
COPIED: Final = 0.05
SHOWN_ROWS: Final = 3
EXPLAINED: Final = 0.25
"""What is left of another cause where a change of language or format makes it likely."""
LEAST_ROWS: Final = 16


@dataclass(frozen=True, slots=True)
class Changes:
    """How the window's inputs differ from the reference's, the likeliest first; scores add up to at most 1.

    `against` has the numbers of what was looked at, by slug; nothing else can be ruled out.
    """

    causes: tuple[Cause, ...]
    against: Mapping[str, str]


def from_data(window: Window, reference: Reference, rng: np.random.Generator) -> Changes:
    """What the inputs did."""
    strength: dict[str, tuple[float, str]] = {}
    against: dict[str, str] = {}
    if (copied := attempted(Duplicates(), window, reference, rng)) is not None:
        against["duplicates"] = f"{copied.value:.1%} of rows are copies beyond what is usual"
        if copied.value > COPIED:
            strength["duplicates"] = 0.9, f"{copied.value:.0%} of rows are copies beyond what is usual."
    if feature := changed_features(window.rows.inputs, reference.rows.inputs):
        strength["language"] = 0.9, f"{feature}."
    elif comparable(window.rows.inputs, reference.rows.inputs):
        against["language"] = "inputs have the reference's language and form"
    novel = attempted(Novelty(), window, reference, rng)
    joint = attempted(Joint(), window, reference, rng)
    p, moved = _moved(window, reference, joint)
    against["traffic-mix"] = f"the panel's p is {p:.2g}"
    if novel is not None and novel.p_value is not None:
        against["new-topic"] = f"{novel.value:.1%} of rows are novel where 1% would be (p {novel.p_value:.2g})"
    new = novel is not None and novel.p_value is not None and novel.p_value <= LEVEL
    if new or moved:
        said = f"The panel's p is {p:.2g}" + (
            f", {novel.value:.1%} of rows are novel where 1% would be" if novel else ""
        )
        topic, mix = (0.8, 0.1) if new else (0.1, 0.8)
        typical = _typical(window, joint)
        strength["new-topic"] = topic, f"{said}{typical}."
        strength["traffic-mix"] = mix, f"{said}; {_shares(joint)}."
    if "language" in strength:
        # Other words make other topics of the same wishes.
        for slug in ("new-topic", "traffic-mix"):
            if slug in strength:
                strength[slug] = EXPLAINED * strength[slug][0], strength[slug][1]
    total = max(1.0, sum(score for score, _ in strength.values()))
    found = [cause_of(slug, score / total, text) for slug, (score, text) in strength.items()]
    return Changes(tuple(sorted(found, key=lambda cause: -cause.score)), against)


def attempted(detector: Detector, window: Window, reference: Reference, rng: np.random.Generator) -> Measurement | None:
    """What the detector measures; None where it refuses, for which other detectors stand in."""
    try:
        return detector.measure(window, reference, rng=rng)
    except UnmeasurableError:
        return None


def _moved(window: Window, reference: Reference, joint: Measurement | None) -> tuple[float, bool]:
    """The p-value that the distribution is the reference's, and whether it has moved enough to matter."""
    if joint is not None and joint.p_value is not None and joint.high is not None:
        return joint.p_value, joint.p_value <= LEVEL and joint.high >= LEAST_EFFECT
    # Too few rows for the panel.
    once = independent(window.rows, reference)
    p = mmd_permutation_test(once.vectors, reference.vectors).p_value if len(once) >= LEAST_ROWS else 1.0
    return p, p <= LEVEL


def _typical(window: Window, joint: Measurement | None) -> str:
    """The rows from which most of the change comes: by ids, as what is said goes to receivers; else by inputs."""
    if joint is None or joint.attribution is None:
        return ""
    rows = window.rows
    names = (
        (rows.ids[at] if rows.ids else None) or (rows.inputs[at] if rows.inputs else None) or f"row {at}"
        for at in (row.position for row in joint.attribution.rows)
    )
    return "; most of it comes from " + ", ".join(repr(name[:60]) for name in islice(names, SHOWN_ROWS))


def _shares(joint: Measurement | None) -> str:
    """How the shares of those segments, else clusters, have changed that contribute most."""
    if joint is None or joint.attribution is None:
        return "the shares of kinds have changed"
    kept = joint.attribution
    # A reference without the segments' columns does not say what their shares were; of its clusters it always does.
    kind = "segment" if any(part.reference is not None for part in kept.segments) else "cluster"
    parts = kept.segments if kind == "segment" else kept.clusters
    known = [(part.name, part.reference, part.window) for part in parts if part.reference is not None]
    return ", ".join(f"{kind} {name} went from {was:.0%} to {now:.0%}" for name, was, now in known[:SHOWN_ROWS])
