"""Faults that show in the vectors: what was done to them after the encoder had made them right."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Bool
from scipy.optimize import linear_sum_assignment

from detectors.kernels import entropy_rank, spectrum, tensor
from detectors.quantised import on_lattice
from drift.diagnosis.codes import coded
from drift.diagnosis.explain import Explanation, explained
from drift.diagnosis.failing import FEW, Failing, exact, unit
from drift.diagnosis.joins import joined
from drift.diagnosis.pairs import Vectors, deviation
from drift.diagnosis.storage import as_integers, as_signs, as_stored, in_own_steps, in_steps

LENGTH: Final = "missing-normalisation"
CLOSE: Final = 0.25
"""What has two free numbers for each row must leave less than this part: any common part of all rows explains some."""
TURNED: Final = 1e-5
LEAST_KEPT: Final = 0.01
SAME: Final = 1e-6
ALIKE: Final = 0.97
"""What one vector for different inputs explains of them."""
LENGTHS_APART: Final = 3e-4
"""Directions this near are the same: bfloat16 leaves so much."""
DIRECTIONS: Final = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256)


def explanations(rows: Failing) -> Iterator[Explanation]:
    """What explains that failing rows point elsewhere, from their vectors alone, the simplest first.

    Rows of the right direction and another length are for others to explain.
    """
    turned = rows.apart > TURNED
    for one in _explanations(rows):
        yield replace(one, explained=np.where(turned, one.explained, 0.0))


def relengthened(rows: Failing) -> Explanation:
    """Rows of the right direction of which either the right vector or theirs has length 1, and not both.

    Those in whole steps have another length because they were stored so.
    """
    served, right = (np.abs(np.linalg.norm(x, axis=1) - 1) < 1e-3 for x in (rows.served, rows.again))
    share = np.where((served != right) & (rows.apart <= LENGTHS_APART) & ~on_lattice(rows.served), 1.0, 0.0)
    how = "vectors are not normalised" if right.mean() > 0.5 else "vectors are normalised, the recipe does not"
    return Explanation(LENGTH, how, share)


def _explanations(rows: Failing) -> Iterator[Explanation]:
    yield constant(rows)
    yield zeroed(rows)
    yield joined(rows)
    yield from stored(rows)
    yield Explanation("rotated", "all numbers have the other sign", rows.by(-rows.again))
    if len(rows.served) >= FEW:
        yield permuted(rows)
        yield rotated(rows)
    yield shrunk(rows)
    yield collapsed(rows)


def stored(rows: Failing) -> Iterator[Explanation]:
    """Rows that lack bits."""
    for how, vectors in as_stored(rows.again, rows.reference):
        yield Explanation("quantised-storage", how, rows.by(vectors))
    facts = {
        "only signs are stored": as_signs(rows.served, rows.again, rows.reference),
        "numbers are stored in whole steps": in_steps(rows.served, rows.again),
        "each dimension is stored in steps of its own": in_own_steps(rows.served, rows.again),
        "whole numbers are served as they were stored": as_integers(rows.served, rows.again),
        "parts of vectors are stored as entries of codebooks": coded(rows.served) & _akin(rows),
    }
    for how, found in facts.items():
        yield Explanation("quantised-storage", how, np.where(found, 1.0, 0.0))


def _akin(rows: Failing) -> Bool[np.ndarray, "n"]:
    """Rows that are nearer to their right vector than right vectors of unlike inputs are to one another."""
    pairs = deviation(unit(rows.everything[:256])[:, None], unit(rows.everything[:256])[None])
    return np.asarray(rows.apart < np.median(pairs))


def constant(rows: Failing) -> Explanation:
    """Rows of one vector whose inputs have different ones."""
    same = deviation(rows.served[:, None], rows.served[None]) < SAME
    differ = deviation(rows.again[:, None], rows.again[None]) > SAME
    others = (same & differ).sum(1)
    most = int(others.max(initial=0)) + 1
    # What made them alike says more: a limit of few tokens, a layer that has not seen the input.
    share = np.where(others >= max(2, 0.02 * len(others)), ALIKE, 0.0)
    return Explanation("constant-output", f"{most} different inputs have one vector", share)


def zeroed(rows: Failing) -> Explanation:
    """Rows that lack the same dimensions, and are right otherwise."""
    gone = dead(rows.served, rows.again)
    vectors = np.where(gone, 0, rows.again).astype(np.float32)
    share = rows.by(vectors) if gone.any() else np.zeros(len(rows.served))
    # Some models have dimensions that are next to nothing in every row; those that are gone count as well.
    blank = (rows.served[gone.any(1)] == 0).all(0) & (rows.again != 0).any(0)
    count = max(int(gone.any(0).sum()), int(blank.sum())) if gone.any() else 0
    return Explanation("zeroed-dimensions", f"{count} of {gone.shape[1]} dimensions are zero", share)


def dead(served: Vectors, again: Vectors) -> Bool[np.ndarray, "n d"]:
    """Where a served number is zero and should not be, in dimensions where that is so in several rows or in all."""
    zero = (np.abs(served) < 1e-9) & (np.abs(again) > 1e-6)
    gone: Bool[np.ndarray, "n d"] = zero & (zero.sum(0) >= min(3, len(zero)))
    # What is lost is lost alike in many rows. Where each row lacks dimensions of its own, small or negative numbers
    # were set to zero; what all lack counts even so.
    ragged = gone & ~zero[gone.any(1)].all(0)
    patterns = len(np.unique(ragged[ragged.any(1)], axis=0))
    kept: Bool[np.ndarray, "n d"] = gone & ~ragged if patterns > max(2, ragged.any(1).sum() / 2) else gone
    return kept


def permuted(rows: Failing) -> Explanation:
    """Rows whose dimensions come in another order, the same in all rows."""
    x, y = unit(rows.served).astype(np.float64), unit(rows.again).astype(np.float64)
    distances = np.square(x).sum(0)[:, None] + np.square(y).sum(0)[None] - 2 * x.T @ y
    order = linear_sum_assignment(distances)[1]
    moved = int((order != np.arange(len(order))).sum())
    left = deviation(x, y[:, order])
    return Explanation(
        "permuted-dimensions", f"{moved} of {len(order)} dimensions are in other places", exact(left, rows)
    )


def rotated(rows: Failing) -> Explanation:
    """Rows whose cosines to one another are right, and whose directions are not: an orthogonal map does that."""
    served, right = (unit(v).astype(np.float64) for v in (rows.served, rows.again))
    found, wanted = served @ served.T, right @ right.T
    others = ~np.eye(len(found), dtype=bool)
    spread = np.square(wanted - wanted[others].mean()).sum(1, where=others)
    left = np.square(found - wanted).sum(1, where=others) / np.maximum(spread, 1e-30)
    return Explanation("rotated", f"cosines among rows are kept to {np.sqrt(left.mean()):.1g}", exact(left, rows))


def shrunk(rows: Failing) -> Explanation:
    """Rows mixed with the mean of all: of each, the best two factors."""
    mean = rows.reference.astype(np.float64).mean(0)
    own = unit(rows.again).astype(np.float64)
    served = unit(rows.served).astype(np.float64)
    along = own @ mean
    # The part of the mean across each row; what is served is own * a + across * b.
    across = mean - along[:, None] * own
    b = (served * across).sum(1) / np.square(across).sum(1)
    a = (served * own).sum(1)
    left = deviation(served, a[:, None] * own + b[:, None] * across)
    kept = a - b * along
    toward = np.median(b / np.maximum(kept, 1e-12))
    # Of what has next to nothing of its own left, all have one vector.
    share = (
        np.where(kept > LEAST_KEPT * np.abs(b), explained(left, CLOSE * rows.apart), 0.0)
        if toward > 0
        else np.zeros(len(own))
    )
    return Explanation("shrink", f"rows are mixed with {toward:.2g} times the reference's mean", share)


def collapsed(rows: Failing) -> Explanation:
    """Rows of which few principal directions of the reference are left, or that use half as many as they should."""
    centre = rows.reference.mean(0)
    directions = np.linalg.svd(rows.reference[:4096] - centre, full_matrices=False)[2]
    best = (np.zeros(len(rows.served)), 0)
    for count in DIRECTIONS:
        kept = directions[:count]
        for middle in (centre, np.zeros_like(centre)):
            share = rows.by(middle + (rows.again - middle) @ kept.T @ kept)
            best = max(best, (share, count), key=lambda one: float(one[0].mean()))
    used, expected = (_rank(unit(v)) for v in (rows.served, rows.again))
    if len(rows.served) >= 2 * FEW and used > expected:
        # Without their common part vectors look a little as if few directions were left, and use more.
        return Explanation("dimensional-collapse", f"{best[1]} principal directions are left", np.zeros(len(best[0])))
    if best[0].mean() < 0.5 and len(rows.served) >= 2 * FEW and used < expected / 2:
        return Explanation(
            "dimensional-collapse",
            f"rows use {used:.0f} directions instead of {expected:.0f}",
            np.full(len(best[0]), 0.8),
        )
    return Explanation("dimensional-collapse", f"{best[1]} principal directions are left", best[0])


def _rank(x: Vectors) -> float:
    """Number of directions that rows use, RankMe of the centred rows."""
    return entropy_rank(spectrum(tensor(x)).sqrt())
