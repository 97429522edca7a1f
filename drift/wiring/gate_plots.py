"""What a decision of the gate looks like: both sides' vectors of the same inputs. Each figure is SVG text."""

from itertools import groupby
from typing import Final

import numpy as np

from detectors import kept_neighbours
from drift.gate.checks import Check
from drift.gate.thresholds import Verdict
from drift.wiring.compare_plots import SHOWN, Figure, histograms, norms, plane, spectra
from drift.wiring.gate import Found
from drift.wiring.svg import across, chart, rods

MOST_SEGMENTS: Final = 12


def figures(found: Found) -> tuple[Figure, ...]:
    """All figures; what needs vectors of one length is left out where there are two."""
    of = found.of
    old, new = of.baseline[:SHOWN], of.candidate[:SHOWN]
    of_one_length = (plane(old, new, "baseline"), _cosines(found)) if old.shape[1] == new.shape[1] else ()
    return (*of_one_length, _neighbours(found), norms(old, new), spectra(old, new), *_segments(found))


def _cosines(found: Found) -> Figure:
    """How far each input's vector has turned."""
    old, new = (x.astype(np.float64) for x in (found.of.baseline, found.of.candidate))
    lengths = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
    cosines = (old * new).sum(1) / np.maximum(lengths, 1e-30)
    return Figure(
        "Cosine of each input's two vectors",
        histograms([cosines], "cosine", of="inputs"),
        f"On average {cosines.mean():.5f}, at least {cosines.min():.5f}. A lump far to the left are inputs that the "
        "candidate treats in a way of its own.",
    )


def _neighbours(found: Found) -> Figure:
    """What share of its neighbours each input keeps."""
    of = found.of
    kept = kept_neighbours(of.baseline, of.candidate, of.neighbours).overlap
    return Figure(
        f"Share of its {of.neighbours} nearest neighbours that each input keeps",
        histograms([kept], "share kept", of="inputs"),
        f"{kept.mean():.1%} on average; {(kept < 0.5).mean():.1%} of the inputs lose more than half.",
    )


def _segments(found: Found) -> tuple[Figure, ...]:
    """Each check by segment, those that keep least first."""
    judged = sorted((check for check in found.decision.checks if check.segment), key=lambda check: check.name)
    return tuple(_by_segment(name, [*checks]) for name, checks in groupby(judged, key=lambda check: check.name))


def _by_segment(name: str, checks: list[Check]) -> Figure:
    worst = sorted(checks, key=lambda check: check.value, reverse=name == "accuracy_loss")[:MOST_SEGMENTS]
    x = across(min(0.0, *(check.value for check in worst)), max(1e-3, *(check.value for check in worst)), start=150)
    rows = [(check.segment[:24], check.value, check.verdict is not Verdict.PASS) for check in worst]
    more = f" {len(checks) - len(worst)} more are left out." if len(worst) < len(checks) else ""
    return Figure(
        f"{name} by segment",
        chart(name, x, None, (name, ""), [rods(x, 0.0, rows)]),
        f"The worst are at the top; marked is what does not pass.{more}",
    )
